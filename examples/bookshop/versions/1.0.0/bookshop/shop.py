"""What a request needs: settings, database and cache, kept with the Flask application."""

import dataclasses
from collections.abc import Callable

import flask
import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookshop.cache import PageCache
from bookshop.settings import Settings


@dataclasses.dataclass(frozen=True)
class Shop:
    """Everything that lives as long as the process."""

    settings: Settings
    engine: sa.Engine
    cache: PageCache

    def session(self) -> Session:
        """A database session, to be used in a `with`."""
        return Session(self.engine)

    def page(self, name: str, render: Callable[[], str]) -> str:
        """The cached page of this name, rendered and kept if it was not there. Never put anything about one user in it."""
        key = f"page:{name}"
        cached = self.cache.get(key)
        if cached is None:
            cached = render()
            self.cache.put(key, cached)
        return cached


def shop() -> Shop:
    """The shop that serves the current request."""
    found = flask.current_app.extensions["bookshop"]
    assert isinstance(found, Shop)
    return found
