# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: one file, transactional DDL if the driver is kept from meddling, and a lock file beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
import typing as t
import urllib.parse

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.migrate import sql_text
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import LOCK, TOOL, Row, SqlFailed, session_name
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings


class SQLite:
    """The database in the file `path`."""

    dialect = sql_text.SQLITE

    def __init__(self, path: str, settings: Settings) -> None:
        self._path = path
        self._settings = settings

    def exists(self) -> bool:
        return os.path.exists(self._path)

    def identity(self) -> str:
        return "sqlite %s" % os.path.realpath(self._path)

    @contextlib.contextmanager
    def connect(self, purpose: str) -> t.Iterator[SQLiteConnection]:
        # Mode rw rather than ro even to survey: after a kill, reading has to roll back the journal that was left.
        uri = "file:%s?mode=%s" % (urllib.parse.quote(self._path), "rwc" if purpose == TOOL else "rw")
        # A reader holds nobody up and may be patient.
        timeout = self._settings.lock_timeout / 1000 if purpose == TOOL else 5.0
        try:
            # With isolation_level=None the driver opens no transactions of its own; BEGIN and COMMIT are ours alone.
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout)
        except sqlite3.Error as error:
            raise Refused("The database cannot be opened", seen="%s: %s" % (self._path, error), todo="check the path and its permissions") from None
        with contextlib.closing(connection):
            yield SQLiteConnection(connection)

    def lock(self) -> LockFile:
        return LockFile(self._path + ".surefoot-lock")


class SQLiteConnection:
    """See database.Connection."""

    begin = "BEGIN IMMEDIATE"
    ledger = "surefoot_migrations"
    mark = "?"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: t.Sequence[t.Any] = ()) -> list[Row] | None:
        try:
            cursor = self._connection.execute(sql, parameters)
            return None if cursor.description is None else cursor.fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise SqlFailed("The database refused a statement", seen=str(error), busy="is locked" in str(error)) from None

    def script(self, text: str) -> None:
        # Not executescript: it commits the transaction that is open.
        for statement in sql_text.statements(text, sql_text.SQLITE):
            try:
                self.rows(statement.text)
            except SqlFailed as error:
                raise SqlFailed(error.message, seen=error.seen, line=statement.line, busy=error.busy) from None

    def has_ledger(self) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [self.ledger]))

    def invalid_indexes(self) -> list[str]:
        return []


class LockFile:
    """See database.Lock. The file stays: removing it would let two processes hold locks of two files of one name."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        return () if self._descriptor is None else (self._descriptor,)

    def acquire(self) -> bool:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise Refused("The lock file beside the database cannot be opened", seen=str(error), todo="check the path and its permissions") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        note = "%s since %s" % (session_name(LOCK), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, note.encode(), 0)
        return True

    def holder(self) -> str:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as stream:
                note = stream.read(200)
        except OSError:
            note = ""
        return "%s is held by %s" % (self._path, note or "a process that left no name")

    def release(self) -> bool:
        self.close()
        return True

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
