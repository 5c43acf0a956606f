# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL through psycopg 3 or psycopg2, whichever the host has, and its advisory lock."""

from __future__ import annotations

import contextlib
import importlib
import sys
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.migrate import sql_text
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import LOCK, SURVEY, TOOL, Row, SqlFailed, session_name
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings

LOCK_KEY = 0x7375_7265
"""The advisory lock of every surefoot migration of a database ("sure"); PostgreSQL keeps advisory locks apart per database."""

_BUSY = "55P03"


class PostgreSQL:
    """The database that a libpq URL names."""

    dialect = sql_text.POSTGRESQL

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings

    def exists(self) -> bool:
        return True

    def identity(self) -> str:
        with self.connect(SURVEY) as connection:
            found = connection.rows("SELECT current_database(), extract(epoch FROM pg_postmaster_start_time())") or []
        return "postgresql %s of the server started at %d" % (found[0][0], found[0][1])

    @contextlib.contextmanager
    def connect(self, purpose: str) -> t.Iterator[PostgreSQLConnection]:
        connection = self.open(purpose)
        try:
            connection.set_limits(self._settings)
            yield connection
        finally:
            connection.close()

    def open(self, purpose: str) -> PostgreSQLConnection:
        """A session in autocommit, so that an idle one holds no snapshot that others would wait for. Raises Refused."""
        driver = _driver()
        try:
            raw = driver.connect(self._url, application_name=session_name(purpose), connect_timeout=10)
            raw.autocommit = True
            if hasattr(raw, "prepare_threshold"):
                # psycopg 3 would prepare what is asked often, which a connection pooler may not survive.
                raw.prepare_threshold = None
        except driver.Error as error:
            raise Refused("The database cannot be reached", seen=str(error).strip(), todo="check its URL and that its server runs") from None
        return PostgreSQLConnection(raw, driver)

    def lock(self) -> AdvisoryLock:
        return AdvisoryLock(self)


class PostgreSQLConnection:
    """See database.Connection."""

    begin = "BEGIN"
    mark = "%s"

    def __init__(self, raw: t.Any, driver: t.Any) -> None:
        self._raw = raw
        self._driver = driver
        self._ledger: str | None = None

    @property
    def ledger(self) -> str:
        if self._ledger is None:
            # Looked up before the first migration of this session, which may change the search path.
            schema = (self.rows("SELECT quote_ident(current_schema())") or [(None,)])[0][0]
            if schema is None:
                raise Refused("The user of the database has no schema to create tables in", todo="create the schema or set the search_path of the role")
            self._ledger = "%s.surefoot_migrations" % schema
        return self._ledger

    def rows(self, sql: str, parameters: t.Sequence[t.Any] = ()) -> list[Row] | None:
        with contextlib.closing(self._raw.cursor()) as cursor:
            try:
                # None rather than no parameters: a percent sign in a migration is not a placeholder.
                cursor.execute(sql, parameters or None)
                return None if cursor.description is None else cursor.fetchall()
            except self._driver.Error as error:
                raise _failed(error, sql) from None

    def script(self, text: str) -> None:
        if sql_text.runs_in_transaction(text):
            self.rows(text)
            return
        # Sent as one text, several statements would be one transaction.
        for statement in sql_text.statements(text, sql_text.POSTGRESQL):
            try:
                self.rows(statement.text)
            except SqlFailed as error:
                raise SqlFailed(error.message, seen=error.seen, line=statement.line, busy=error.busy) from None

    def has_ledger(self) -> bool:
        return bool(self.rows("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", [self.ledger]))

    def invalid_indexes(self) -> list[str]:
        found = self.rows("SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid ORDER BY 1")
        return [str(row[0]) for row in found or []]

    def set_limits(self, settings: Settings) -> None:
        """How long a statement of this session may wait for a lock, and how long it may take."""
        self.rows("SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)", [str(limit) for limit in limits(settings)])

    def close(self) -> None:
        self._raw.close()


class AdvisoryLock:
    """See database.Lock. Polled from an idle session: one that waits inside the server would block CREATE INDEX CONCURRENTLY for ever."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, database: PostgreSQL) -> None:
        self._database = database
        self._connection: PostgreSQLConnection | None = None
        self._held = False

    def acquire(self) -> bool:
        if self._connection is None:
            self._connection = self._database.open(LOCK)
        if not self._held:
            self._held = bool(self._ask("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])[0][0])
        # A migrator that was killed leaves its lock at once, but the tool it started, or the statement it sent, may still be at work.
        return self._held and not self._left_over()

    def holder(self) -> str:
        if self._held:
            return "still at work for a migrator that is gone: %s" % "; ".join(self._left_over())
        found = self._ask(
            "SELECT a.pid, a.application_name, host(a.client_addr), a.backend_start FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %s AND l.objsubid = 1"
            " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [LOCK_KEY],
        )
        return "; ".join("held by %s" % _session(*row) for row in found) or "held by a session that ended just now"

    def release(self) -> bool:
        try:
            return bool(self._ask("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])[0][0])
        except SqlFailed:
            return False
        finally:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._held = False

    def _left_over(self) -> list[str]:
        found = self._ask(
            "SELECT pid, application_name, host(client_addr), backend_start FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE %s",
            [TOOL + " %"],
        )
        return [_session(*row) for row in found]

    def _ask(self, sql: str, parameters: t.Sequence[t.Any]) -> list[Row]:
        return t.cast("PostgreSQLConnection", self._connection).rows(sql, parameters) or []


def limits(settings: Settings) -> tuple[int, int]:
    """`lock_timeout` and `statement_timeout` as PostgreSQL counts them: milliseconds, 0 for none."""
    return settings.lock_timeout, settings.statement_timeout or 0


def libpq_environment(settings: Settings, purpose: str) -> dict[str, str]:
    """Environment that puts names and time limits on the sessions of any tool that uses libpq."""
    options = "-c lock_timeout=%d -c statement_timeout=%d" % limits(settings)
    given = settings.environment.get("PGOPTIONS", "")
    return dict(PGAPPNAME=session_name(purpose), PGOPTIONS=("%s %s" % (given, options)).strip())


def _session(pid: int, name: str, address: str | None, since: t.Any) -> str:
    return "pid %s, %s, from %s, connected since %s" % (pid, name or "unnamed", address or "the local socket", since.strftime("%Y-%m-%d %H:%M:%S"))


def _failed(error: t.Any, sql: str) -> SqlFailed:
    diagnosis = getattr(error, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or str(error).strip()
    position = getattr(diagnosis, "statement_position", None)
    detail = getattr(diagnosis, "message_detail", None)
    return SqlFailed(
        "The database refused a statement",
        seen="%s (%s)" % (message, detail) if detail else message,
        line=sql.count("\n", 0, int(position) - 1) + 1 if position else None,
        busy=(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)) == _BUSY,
    )


def _driver() -> t.Any:
    for name in ("psycopg", "psycopg2"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise Refused(
        "A library to reach a PostgreSQL database is missing",
        seen="neither psycopg nor psycopg2 for %s" % sys.executable,
        todo="install one of them for the Python that runs this module",
    )
