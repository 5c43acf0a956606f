"""Reviews on the page of a book.

The page comes out of the cache and is the same for everybody; it has a slot, and what a reader may see there is filled in afterwards. Pages that an older
version cached have no slot, so reviews stay away from them until they are flushed.
"""

import flask
from bookshop.features import is_on
from bookshop.people import current_person
from bookshop.reviews import reviews_of

SLOT = b"<!-- slot: reviews -->"

blueprint = flask.Blueprint("review_list", __name__)


@blueprint.after_app_request
def fill_slot(response: flask.Response) -> flask.Response:
    """Put the reviews where the cached page left room for them, if the feature is on for this reader."""
    if flask.request.endpoint == "catalogue.book" and response.status_code == 200:
        response.set_data(response.get_data().replace(SLOT, review_list(flask.request.view_args or {})))
    return response


def review_list(view: dict[str, int]) -> bytes:
    """The reviews of the book that is shown, as HTML; nothing for a reader the feature is off for."""
    if not is_on("reviews", current_person()):
        return b""
    return flask.render_template("parts/reviews.html", reviews=reviews_of(view["book_id"])).encode()
