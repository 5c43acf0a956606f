"""The append-only, hash-chained history of releases, kept in SQLite or PostgreSQL."""

from __future__ import annotations

from surefoot.ledger.chain import Anchor, Entry, Finding
from surefoot.ledger.errors import LedgerError
from surefoot.ledger.store import Ledger

__all__ = ["Anchor", "Entry", "Finding", "Ledger", "LedgerError"]
