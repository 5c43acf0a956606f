"""The books: the list, a page for each, and both as JSON."""

import flask
import sqlalchemy as sa

from bookshop.models import Book
from bookshop.shop import shop

blueprint = flask.Blueprint("catalogue", __name__)


def all_books() -> list[Book]:
    """Every book, by title."""
    with shop().session() as session:
        return list(session.scalars(sa.select(Book).order_by(Book.title)))


def find_book(book_id: int) -> Book:
    """The book, or a 404 for the caller."""
    with shop().session() as session:
        return session.get(Book, book_id) or flask.abort(404)


@blueprint.get("/")
def index() -> str:
    """The list of books."""
    return shop().page("index", lambda: flask.render_template("pages/index.html", books=all_books()))


@blueprint.get("/books/<int:book_id>")
def book(book_id: int) -> str:
    """One book."""
    return shop().page(f"book:{book_id}", lambda: flask.render_template("pages/book.html", book=find_book(book_id)))


@blueprint.get("/api/books")
def api_books() -> flask.Response:
    """The list of books as JSON, never cached."""
    return flask.jsonify([{"id": book.id, "title": book.title, "author": book.author, "pence": book.pence} for book in all_books()])
