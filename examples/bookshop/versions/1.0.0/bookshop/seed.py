"""`python -m bookshop.seed`: a few books to sell, if there are none yet. Needs the table of migration 0001 and nothing more."""

import os

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookshop.models import Book, driver_url

BOOKS = (
    ("The Left Hand of Darkness", "Ursula K. Le Guin", 999),
    ("Middlemarch", "George Eliot", 850),
    ("The Mezzanine", "Nicholson Baker", 1099),
    ("Invisible Cities", "Italo Calvino", 925),
    ("The Periodic Table", "Primo Levi", 1150),
)


def seed(database_url: str) -> int:
    """The number of books added."""
    with Session(sa.create_engine(driver_url(database_url))) as session:
        if session.scalar(sa.select(sa.func.count()).select_from(Book)):
            return 0
        session.add_all(Book(title=title, author=author, pence=pence) for title, author, pence in BOOKS)
        session.commit()
        return len(BOOKS)


if __name__ == "__main__":
    print(f"{seed(os.environ['BOOKSHOP_DATABASE_URL'])} books added")
