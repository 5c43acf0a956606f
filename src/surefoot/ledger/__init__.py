"""The append-only, hash-chained history of releases, kept in SQLite or PostgreSQL."""

from __future__ import annotations

import importlib
import typing as t

from surefoot.ledger.chain import Anchor, Entry, Finding
from surefoot.ledger.errors import LedgerError

if t.TYPE_CHECKING:
    from surefoot.ledger.store import Ledger

DEFAULT_URL = "sqlite:///.surefoot/ledger.db"

__all__ = ["DEFAULT_URL", "Anchor", "Entry", "Finding", "Ledger", "LedgerError"]


def __getattr__(name: str) -> t.Any:
    """The ledger itself, imported when it is asked for: it needs SQLAlchemy, and `surefoot status` is to be instant."""
    if name == "Ledger":
        return importlib.import_module("surefoot.ledger.store").Ledger
    raise AttributeError(f"module surefoot.ledger has no attribute {name}")
