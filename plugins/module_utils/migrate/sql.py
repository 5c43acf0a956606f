# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine C(sql): a folder of plain SQL files, and a ledger table in the database.

    migrations/0002_reviews.up.sql      what to do
    migrations/0002_reviews.down.sql    how to take it back (optional)
    migrations/0002_reviews.verify.sql  queries that must each answer with a true first value (optional)

A migration, its verification and its row in the ledger are one transaction, unless its file says C(-- surefoot: no-transaction).
The ledger keeps the way down, so that an older artifact, which lacks the file, can still go back.
"""

from __future__ import annotations

import datetime
import getpass
import os
import re
import socket
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.migrate import sql_text
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import SURVEY, TOOL, Connection, Database, Lock, SqlFailed
from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import State
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings

_FILE = re.compile(r"(?P<id>[0-9]+)_(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)\.(?P<kind>up|down|verify)\.sql\Z")
_CREATE_LEDGER = """CREATE TABLE %s (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL, applied_by TEXT NOT NULL,
    duration_ms INTEGER NOT NULL, down_sql TEXT
)"""


class Migration(t.NamedTuple):
    """One migration of an artifact; `down` and `verify` are None where there is no such file, or nothing but comments in it."""

    id: str
    name: str
    up: str
    down: str | None
    verify: str | None
    checksum: str


class Entry(t.NamedTuple):
    """One row of the ledger, as far as decisions need it."""

    id: str
    name: str
    checksum: str
    down: str | None


class SqlEngine:
    """See engine.Engine."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._folder = os.path.join(settings.path, settings.directory)
        self._database = database
        self._files: dict[str, Migration] = {}
        self._ledger: dict[str, Entry] = {}

    def survey(self) -> State:
        self._files = {migration.id: migration for migration in read_folder(self._folder, self._database.dialect)}
        self._ledger = {entry.id: entry for entry in self._read_ledger()}
        return state(self._files, self._ledger)

    def recorded(self) -> dict[str, list[str]]:
        return state({}, {entry.id: entry for entry in self._read_ledger()}).recorded()

    def up(self, ids: t.Sequence[str], to: str | None, lock: Lock) -> None:
        for item in ids:
            migration = self._files[item]
            with self._database.connect(TOOL) as connection:
                _apply(connection, migration, self._database.dialect)

    def down(self, ids: t.Sequence[str], to: str, lock: Lock) -> None:
        for item in ids:
            entry, text = self._ledger[item], way_down(self._files.get(item), self._ledger[item])
            with self._database.connect(TOOL) as connection:
                _take_back(connection, entry, text or "")

    def _read_ledger(self) -> list[Entry]:
        if not self._database.exists():
            return []
        with self._database.connect(SURVEY) as connection:
            if not connection.has_ledger():
                return []
            return [Entry(*row) for row in connection.rows("SELECT id, name, checksum, down_sql FROM %s" % connection.ledger) or []]  # noqa: S608 - our own name


def read_folder(folder: str, dialect: str) -> list[Migration]:
    """The migrations in `folder`, oldest first. Raises InvalidInput for anything that is not plainly a migration."""
    texts: dict[str, dict[str, str]] = {}
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".sql"))
    except OSError as error:
        raise InvalidInput("The folder of migrations cannot be read", seen=str(error), todo="check the directory option and what is in the artifact") from None
    for name in names:
        match = _FILE.match(name)
        if not match:
            raise InvalidInput("This file is not named like a migration", seen=name, todo="name it like 0002_reviews.up.sql, .down.sql or .verify.sql")
        texts.setdefault("%s_%s" % (match.group("id"), match.group("name")), {})[match.group("kind")] = _read(folder, name, dialect)
    migrations = [_migration(label, found, dialect) for label, found in texts.items()]
    migrations.sort(key=lambda migration: int(migration.id))
    for one, other in zip(migrations, migrations[1:]):
        if int(one.id) == int(other.id):
            raise InvalidInput("Two migrations have one number", seen="%s_%s and %s_%s" % (one.id, one.name, other.id, other.name))
    return migrations


def state(files: t.Mapping[str, Migration], ledger: t.Mapping[str, Entry]) -> State:
    """What the files of an artifact and the rows of a ledger mean together. Pure."""
    order = sorted(set(files) | set(ledger), key=int)
    applied = [item for item in order if item in ledger]
    newest = applied[-1:]
    drift = {}
    for item in files:
        if item in ledger and ledger[item].checksum != files[item].checksum:
            drift[item] = "was edited after it had been applied"
        elif item not in ledger and newest and int(item) < int(newest[0]):
            drift[item] = "is numbered before %s, which is already applied" % newest[0]
    return State(
        order=tuple(order),
        parents={item: (before,) for before, item in zip(order, order[1:])},
        known=frozenset(files),
        current=tuple(newest),
        applied=tuple(applied),
        drift=drift,
        irreversible=frozenset(item for item in order if way_down(files.get(item), ledger.get(item)) is None),
    )


def way_down(migration: Migration | None, entry: Entry | None) -> str | None:
    """The SQL that takes a migration back: what the artifact says, unless it lacks the migration or has another one under that id."""
    if migration and (entry is None or entry.checksum == migration.checksum):
        return migration.down
    return entry.down if entry else None


def _read(folder: str, name: str, dialect: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("The migration file %s cannot be read" % name, seen=str(error)) from None
    control = sql_text.transaction_control(text, dialect)
    if control:
        raise InvalidInput(
            "The migration file %s begins or ends a transaction" % name,
            seen="line %d: %s" % (control.line, control.text[:60]),
            todo="leave that out; each migration already runs in one transaction",
        )
    if not sql_text.runs_in_transaction(text) and dialect != sql_text.POSTGRESQL:
        raise InvalidInput("The migration file %s asks to run without a transaction, which only PostgreSQL needs" % name)
    return text


def _migration(label: str, found: t.Mapping[str, str], dialect: str) -> Migration:
    if "up" not in found:
        raise InvalidInput("The migration %s has no way up" % label, seen="%s.%s.sql" % (label, min(found)), todo="add %s.up.sql" % label)
    said = {kind: text for kind, text in found.items() if sql_text.says_something(text, dialect)}
    identity, _underscore, name = label.partition("_")
    return Migration(identity, name, found["up"], said.get("down"), said.get("verify"), sql_text.checksum(found["up"], dialect))


def _apply(connection: Connection, migration: Migration, dialect: str) -> None:
    """Run one migration and write its row. Whatever fails, leaving the session rolls back what was not committed."""
    label = "%s_%s" % (migration.id, migration.name)
    started = time.monotonic()
    ledger = connection.ledger
    in_transaction = sql_text.runs_in_transaction(migration.up)
    if in_transaction:
        _run(connection, label, connection.begin)
    _run(connection, "%s.up.sql" % label, migration.up, in_transaction=in_transaction)
    if not in_transaction:
        _check_indexes(connection, label, sql_text.words(migration.up, dialect))
        _run(connection, label, connection.begin)
    _verify(connection, label, migration.verify or "", dialect, in_transaction)
    try:
        if not connection.has_ledger():
            connection.rows(_CREATE_LEDGER % ledger)
        values = (
            migration.id,
            migration.name,
            migration.checksum,
            datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            _whoami(),
            int((time.monotonic() - started) * 1000),
            migration.down,
        )
        marks = ", ".join([connection.mark] * len(values))
        columns = "id, name, checksum, applied_at, applied_by, duration_ms, down_sql"
        connection.rows("INSERT INTO %s (%s) VALUES (%s)" % (ledger, columns, marks), values)  # noqa: S608 - our own names
        connection.rows("COMMIT")
    except SqlFailed as error:
        raise _failed(error, label, in_transaction) from None


def _take_back(connection: Connection, entry: Entry, text: str) -> None:
    label = "%s_%s" % (entry.id, entry.name)
    ledger = connection.ledger
    in_transaction = sql_text.runs_in_transaction(text)
    if in_transaction:
        _run(connection, label, connection.begin)
    _run(connection, "%s.down.sql" % label, text, in_transaction=in_transaction)
    if not in_transaction:
        _run(connection, label, connection.begin)
    try:
        connection.rows("DELETE FROM %s WHERE id = %s" % (ledger, connection.mark), [entry.id])  # noqa: S608 - our own names
        connection.rows("COMMIT")
    except SqlFailed as error:
        raise _failed(error, label, in_transaction) from None


def _run(connection: Connection, label: str, text: str, *, in_transaction: bool = True) -> None:
    try:
        connection.script(text)
    except SqlFailed as error:
        raise _failed(error, label, in_transaction) from None


def _verify(connection: Connection, label: str, text: str, dialect: str, in_transaction: bool) -> None:
    for statement in sql_text.statements(text, dialect):
        try:
            rows = connection.rows(statement.text)
        except SqlFailed as error:
            raise _failed(error, "%s.verify.sql" % label, in_transaction) from None
        if not rows or not rows[0][0]:
            raise StepFailed(
                "The migration %s ran, but what it did is not what its verification asks for%s" % (label, _left(in_transaction)),
                seen="line %d of %s.verify.sql answered %s" % (statement.line, label, _answer(rows)),
                todo="correct the migration or its verification and run again",
            )


def _check_indexes(connection: Connection, label: str, names: frozenset[str]) -> None:
    broken = [index for index in connection.invalid_indexes() if index in names]
    if broken:
        raise StepFailed(
            "The migration %s left an index that PostgreSQL does not use" % label,
            seen="invalid: %s" % ", ".join(broken),
            todo="begin the file with DROP INDEX CONCURRENTLY IF EXISTS, so that it can be run again, and run again",
        )


def _failed(error: SqlFailed, label: str, in_transaction: bool) -> SqlFailed:
    where = " at line %d" % error.line if error.line else ""
    if error.busy:
        todo = "run again when the tables it changes are less in use, or raise lock_timeout or lock_wait"
    elif in_transaction:
        todo = "correct it and run again"
    else:
        todo = "see what it left behind, make the file repeatable (IF EXISTS, IF NOT EXISTS) and run again"
    return SqlFailed("The migration %s failed%s%s" % (label, where, _left(in_transaction)), seen=error.seen, todo=todo, line=error.line, busy=error.busy)


def _left(in_transaction: bool) -> str:
    return " and was rolled back" if in_transaction else ", outside of a transaction"


def _answer(rows: list[tuple[t.Any, ...]] | None) -> str:
    if rows is None:
        return "nothing, because it is not a query"
    return repr(rows[0][0]) if rows else "no row"


def _whoami() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # No name for this user id, as in many containers.
        user = str(os.getuid())
    return "%s@%s" % (user, socket.gethostname())
