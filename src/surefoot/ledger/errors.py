"""What can go wrong with a ledger, in words for people."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError
from surefoot.document import printable

if t.TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

AGAIN = "then run the same command again"
_KEPT = "nothing was written, and what was there is untouched"


class LedgerError(SurefootError):
    """The ledger cannot be read or written; nothing of it is lost."""


# The beginning of SQLite's error name or of PostgreSQL's SQLSTATE, what it means, and what to do.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    ("SQLITE_FULL", f"There is no room left for the ledger: {_KEPT}", f"make room on its disk, {AGAIN}"),
    ("SQLITE_IOERR", f"The disk of the ledger refused: {_KEPT}", f"look at the disk and the room on it, {AGAIN}"),
    ("SQLITE_BUSY", f"Another process holds the ledger: {_KEPT}", f"wait for it, {AGAIN}"),
    ("SQLITE_LOCKED", f"Another process holds the ledger: {_KEPT}", f"wait for it, {AGAIN}"),
    ("SQLITE_READONLY", f"The ledger may not be written: {_KEPT}", f"give this user the right to write the file and its folder, {AGAIN}"),
    ("SQLITE_CANTOPEN", "The ledger cannot be opened", f"check that its folder is there and may be written, {AGAIN}"),
    ("SQLITE_PERM", "The ledger may not be opened", f"check who may read and write it, {AGAIN}"),
    ("SQLITE_CORRUPT", "The ledger file is torn: a write to it was cut off, or the disk damaged it", "keep the file, and restore it from a backup"),
    ("SQLITE_NOTADB", "The file is not a ledger", "check the ledger's URL in surefoot.yml; if it is the right file, restore it from a backup"),
    ("SQLITE_CONSTRAINT", "The ledger only ever grows by the entry that follows its last one", "run surefoot history --check"),
    ("P0001", "The ledger only ever grows by the entry that follows its last one", "run surefoot history --check"),
    ("53", f"The database server of the ledger has no room left: {_KEPT}", f"make room there, {AGAIN}"),
    ("55P03", f"Another process holds the ledger: {_KEPT}", f"wait for it, {AGAIN}"),
    ("42501", "The database user may not do this with the ledger", "grant it SELECT and INSERT; to make and upgrade the tables is for their owner"),
)


def explained(error: DBAPIError, where: str) -> LedgerError:
    """`error` of the database as an error of the ledger at `where`, a URL without a password."""
    code = str(getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or "")
    seen = printable(str(error.orig).strip(), most=300)
    for beginning, message, todo in _MEANINGS:
        if code.startswith(beginning):
            return LedgerError(f"{message} ({where})", seen=seen, todo=todo)
    if not code and where.startswith("postgresql"):
        return LedgerError(f"The ledger's database cannot be connected to ({where})", seen=seen, todo=f"see that it runs and lets this user in, {AGAIN}")
    return LedgerError(f"The ledger cannot be used ({where})", seen=seen)
