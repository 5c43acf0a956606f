# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small interface behind which SQLite and PostgreSQL stand, and the way from a URL to one of them."""

from __future__ import annotations

import os
import socket
import typing as t
import urllib.parse

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings

Row = t.Tuple[t.Any, ...]

LOCK = "surefoot-lock"
TOOL = "surefoot-migrate"
SURVEY = "surefoot-survey"


class SqlFailed(StepFailed):
    """The database refused a statement. `line` is where in the text it stands (from 1, or None); `busy` says a lock was not to be had in time."""

    def __init__(self, message: str, *, seen: t.Any = None, todo: str | None = None, line: int | None = None, busy: bool = False) -> None:
        super().__init__(message, seen=seen, todo=todo)
        self.line = line
        self.busy = busy


class Connection(t.Protocol):
    """One session, without a transaction until C(BEGIN) is executed."""

    begin: str
    """The statement that opens a transaction which may write."""

    mark: str
    """The placeholder of a parameter."""

    @property
    def ledger(self) -> str:
        """The name of the ledger table, qualified where the database has schemas."""

    def rows(self, sql: str, parameters: t.Sequence[t.Any] = ()) -> list[Row] | None:
        """The rows of one statement, None if it is not a query. Raises SqlFailed."""

    def script(self, text: str) -> None:
        """Run every statement of `text`, in the transaction that is open. Raises SqlFailed."""

    def has_ledger(self) -> bool:
        """Whether the ledger table is there."""

    def invalid_indexes(self) -> list[str]:
        """Names of indexes that a broken concurrent build left unusable."""


class Lock(t.Protocol):
    """A lock of one database against other migrations; the operating system or the server gives it back when its holder dies."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Open files that a tool must inherit, so that the lock lasts as long as the tool when only its parent is killed."""

    def acquire(self) -> bool:
        """Take it if it is free, without waiting."""

    def holder(self) -> str:
        """Who has it, in words."""

    def release(self) -> bool:
        """Give it back: False if it was lost meanwhile."""

    def close(self) -> None:
        """Let go of everything, whatever the state."""


class Database(t.Protocol):
    """One database, not connected to."""

    dialect: str

    def exists(self) -> bool:
        """Whether there is something to read; looking creates nothing."""

    def identity(self) -> str:
        """What tells this database from every other, as alembic_survey.identity writes it."""

    def connect(self, purpose: str) -> t.ContextManager[Connection]:
        """A session named `purpose`; creates an SQLite file only for TOOL. Raises Refused."""

    def lock(self) -> Lock:
        """The migration lock of this database, not taken."""


def open_database(settings: Settings) -> Database:
    """The database that the URL names. Raises InvalidInput."""
    # Imported here, because each backend needs the names above.
    from ansible_collections.surefoot.release.plugins.module_utils.migrate import postgresql, sqlite

    scheme, separator, rest = settings.url.partition("://")
    kind, _plus, _driver = scheme.partition("+")
    if separator and kind == "sqlite" and rest.startswith("/") and rest.strip("/"):
        return sqlite.SQLite("/" + urllib.parse.unquote(rest.partition("?")[0]).lstrip("/"), settings)
    if separator and kind in ("postgresql", "postgres"):
        return postgresql.PostgreSQL("postgresql://" + rest, settings)
    raise InvalidInput(
        "The database URL cannot be used",
        seen="it begins with %s://" % scheme if separator else "it has no ://",
        todo="write sqlite:///absolute/path or postgresql://user:password@host/database",
    )


def session_name(purpose: str) -> str:
    """What a session calls itself, so that others can say who holds what: C(surefoot-migrate web1 4711)."""
    return "%s %s %d" % (purpose, socket.gethostname().split(".")[0][:20], os.getpid())
