"""The tables, as this version sees them."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables of the shop."""


class Book(Base):
    """A book on sale; the price is in pence."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(200))
    author: Mapped[str] = mapped_column(sa.String(200))
    pence: Mapped[int]

    @property
    def price(self) -> str:
        """For people: £12.50."""
        return f"£{self.pence // 100}.{self.pence % 100:02}"


def driver_url(url: str) -> str:
    """The same URL with psycopg named as the driver, which SQLAlchemy before 2.1 would not choose by itself."""
    return "postgresql+psycopg://" + url.removeprefix("postgresql://") if url.startswith("postgresql://") else url
