"""What `surefoot status` needs of a ledger in an SQLite file, without SQLAlchemy, whose import would take longer than all else that status does.

Whatever is out of the ordinary is left to the ledger itself, which knows what to do about it and how to say it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import typing as t
import urllib.parse

from surefoot.ledger.chain import Finding, against
from surefoot.ledger.memory import Memory
from surefoot.ledger.revisions import REVISIONS

if t.TYPE_CHECKING:
    from pathlib import Path

MEMORY = ".surefoot/ledger.head"
"""Where, below the directory of the project file, a machine remembers the newest entry it wrote."""

Known = t.Mapping[tuple[str, str, str], tuple[str, str]]
"""By environment, feature and release the kind of the newest entry and its time (UTC, ISO)."""

_SCHEME = "sqlite:///"
_VERSION = "SELECT version_num FROM surefoot_ledger_version"
_LATEST = """
    SELECT environment, feature, release, kind, at FROM surefoot_ledger
    WHERE seq IN (SELECT max(seq) FROM surefoot_ledger WHERE kind IN (SELECT value FROM json_each(?)) GROUP BY environment, feature, release)
"""
_HELD = "SELECT seq, hash FROM surefoot_ledger WHERE seq = ? OR seq = (SELECT max(seq) FROM surefoot_ledger)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Glance:
    """What Ledger.latest says, once for each collection of kinds asked for, and Ledger.older_copy."""

    latest: tuple[Known, ...]
    older_copy: tuple[Finding, ...]


def look(url: str, root: Path, *kinds: t.Collection[str]) -> Glance:
    """The newest entries of each of these collections of kinds in the ledger at `url`, and whether it is an older copy. Raises LedgerError."""
    memory = root / MEMORY
    if quick := glance(url, root, memory, *kinds):
        return quick
    from surefoot.ledger.store import Ledger

    with Ledger(url, root=root, memory=memory) as ledger:
        return Glance(latest=tuple(map(ledger.latest, kinds)), older_copy=tuple(ledger.older_copy()))


def glance(url: str, root: Path, memory: Path, *kinds: t.Collection[str]) -> Glance | None:
    """The newest entries of each of these collections of kinds, and whether the ledger is an older copy; None where the ledger itself has to be asked."""
    if not url.startswith(_SCHEME) or set(url) & set("?#%"):
        return None
    path = root.absolute() / url.removeprefix(_SCHEME)
    own = Memory(memory, f"{_SCHEME}{path}").recall()
    try:
        with contextlib.closing(sqlite3.connect(f"file:{urllib.parse.quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("BEGIN")
            if connection.execute(_VERSION).fetchone() != (REVISIONS[-1],):
                return None
            told = [connection.execute(_LATEST, (json.dumps(list(some)),)).fetchall() for some in kinds]
            found = dict(connection.execute(_HELD, (own.seq,))) if own else {}
    except sqlite3.Error:
        return None
    latest = tuple({(row[0], row[1], row[2]): (row[3], row[4]) for row in rows} for rows in told)
    return Glance(latest=latest, older_copy=tuple(against([own], found)) if own else ())
