"""Reviews as JSON, behind the flag `reviews`."""

import flask
import sqlalchemy as sa
from bookshop.catalogue import find_book
from bookshop.features import is_on
from bookshop.models import Review
from bookshop.people import current_person
from bookshop.shop import shop

blueprint = flask.Blueprint("reviews", __name__, url_prefix="/api/books/<int:book_id>/reviews")


def reviews_of(book_id: int) -> list[Review]:
    """The reviews of a book, oldest first."""
    with shop().session() as session:
        return list(session.scalars(sa.select(Review).where(Review.book_id == book_id).order_by(Review.id)))


@blueprint.before_request
def only_with_the_flag() -> None:
    """403 for everybody the feature is off for."""
    if not is_on("reviews", current_person()):
        flask.abort(403)


@blueprint.get("")
def list_reviews(book_id: int) -> flask.Response:
    """The reviews of a book."""
    return flask.jsonify([as_json(review) for review in reviews_of(find_book(book_id).id)])


@blueprint.post("")
def add_review(book_id: int) -> tuple[flask.Response, int]:
    """Takes `{"rating": 1..5, "text": "…"}`."""
    rating, text = read_review(flask.request.get_json(silent=True))
    review = Review(book_id=find_book(book_id).id, author=current_person().name, rating=rating, text=text)
    with shop().session() as session:
        session.add(review)
        session.commit()
        return flask.jsonify(as_json(review)), 201


def read_review(body: object) -> tuple[int, str]:
    """Rating and text of a posted review, or a 400 for the caller."""
    rating, text = (body.get("rating"), body.get("text")) if isinstance(body, dict) else (None, None)
    if type(rating) is not int or not 1 <= rating <= 5 or not isinstance(text, str) or not text.strip():
        flask.abort(400)
    return rating, text.strip()


def as_json(review: Review) -> dict[str, object]:
    """A review as the API shows it."""
    return {"id": review.id, "author": review.author, "rating": review.rating, "text": review.text}
