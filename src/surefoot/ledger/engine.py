"""From a ledger's URL to a database that is opened, locked and brought to this version in the ledger's own way."""

from __future__ import annotations

import hashlib
import threading
import typing as t
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.ledger.chain import HASHED, hash_of
from surefoot.ledger.errors import LedgerError
from surefoot.ledger.revisions import REVISIONS
from surefoot.ledger.schema import ENTRIES, VERSION_TABLE, VERSIONS

LOCK_WAIT = 30
"""How many seconds to wait for another process that is appending."""

_FORMS = "write sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"
_WRITING = "surefoot_ledger_writing"
_UPGRADING = threading.Lock()
"""Alembic keeps the connection it works on in a global: two threads with a ledger each would write to one, and crash the process."""
_ADVISORY_KEY = int.from_bytes(hashlib.sha256(b"surefoot.ledger").digest()[:8], "big", signed=True)


def parse_url(url: str, root: Path) -> sa.URL:
    """The URL of a ledger; the path of an SQLite ledger is relative to `root`. Raises InvalidInput."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise InvalidInput("The ledger's URL cannot be read", todo=_FORMS) from error
    if "@" in (parsed.host or ""):
        raise InvalidInput("The ledger's URL cannot be read, since it has more than one @", todo=f"{_FORMS}; in a password @ is written %40")
    if parsed.drivername == "postgresql+psycopg" and parsed.database:
        return parsed
    if parsed.drivername != "sqlite" or parsed.host or parsed.query or not parsed.database or parsed.database == ":memory:" or "\0" in parsed.database:
        raise InvalidInput("The ledger is an SQLite file or a PostgreSQL database", seen=without_password(parsed), todo=_FORMS)
    return parsed.set(database=str(root.absolute() / parsed.database))


def without_password(url: sa.URL) -> str:
    """The URL as it may be shown; a password can stand in its query as well."""
    return url.set(query={key: "***" if "password" in key.lower() else value for key, value in url.query.items()}).render_as_string(hide_password=True)


def create_engine(url: sa.URL) -> sa.Engine:
    """An engine whose transactions are the ledger's: see `for_writing`."""
    if url.drivername != "sqlite":
        try:
            return sa.create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=1, connect_args={"connect_timeout": 10})
        except ImportError as error:
            raise LedgerError("A ledger in PostgreSQL needs psycopg", seen=str(error), todo="pip install 'surefoot[postgresql]'") from error
    engine = sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": LOCK_WAIT})
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_writing(connection: sa.Connection) -> sa.Connection:
    """`connection`, whose next transaction waits for every other writer before it reads anything."""
    return connection.execution_options(**{_WRITING: True})


def lock(connection: sa.Connection) -> None:
    """Take the lock of a transaction `for_writing`; SQLite took it by BEGIN IMMEDIATE."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}s'"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_KEY)))


def read_as_it_is(connection: sa.Connection) -> None:
    """Read text that is no longer UTF-8 without an error from now on, so that a check can name the row it stands in."""
    if connection.dialect.name == "sqlite":
        t.cast("t.Any", connection.connection.driver_connection).text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def revision_of(connection: sa.Connection, where: str) -> str | None:
    """The version of the tables found, None where there are none. Raises LedgerError for another's database and for a newer surefoot's."""
    inspector = sa.inspect(connection)
    found = connection.execute(sa.select(VERSIONS.c.version_num)).scalar() if inspector.has_table(VERSION_TABLE) else None
    if found is None:
        foreign = inspector.get_table_names() if connection.dialect.name == "sqlite" else [name for name in (ENTRIES.name,) if inspector.has_table(name)]
        if foreign:
            raise LedgerError(f"This is not a surefoot ledger ({where})", seen=f"tables {', '.join(sorted(foreign)[:5])}", todo="check the ledger's URL")
    elif found not in REVISIONS:
        raise LedgerError(f"A newer surefoot wrote this ledger ({where})", seen=f"version {found}, known {REVISIONS[-1]}", todo="upgrade surefoot here")
    return t.cast("str | None", found)


def guards_of(connection: sa.Connection) -> frozenset[str]:
    """The triggers that the table of entries has, and that are not switched off."""
    where = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass('surefoot_ledger') AND tgenabled <> 'D'",
    }
    return frozenset(connection.execute(sa.text(where[connection.dialect.name])).scalars())


def upgrade(connection: sa.Connection, where: str) -> None:
    """Bring the tables to this version inside the transaction of `connection`.

    Raises LedgerError where an entry or a guard would be lost by that: alembic's own way to change a table of SQLite writes it anew, without its triggers.
    """
    guards, entries = guards_of(connection), _entries(connection)
    _migrate(connection)
    for what, gone in (("entries", entries - _entries(connection)), ("guards", guards - guards_of(connection))):
        if gone:
            message = f"The ledger was not brought to version {REVISIONS[-1]}: {what} would be lost ({where})"
            raise LedgerError(message, seen=", ".join(str(one) for one in sorted(gone)[:5]), todo="go on with the surefoot of before, and report this")


def _entries(connection: sa.Connection) -> frozenset[tuple[int, str, str]]:
    """Number, hash as it is kept, and hash by its content, of every entry."""
    if not sa.inspect(connection).has_table(ENTRIES.name):
        return frozenset()
    read_as_it_is(connection)
    rows = connection.execute(sa.select(*(ENTRIES.c[name] for name in (*HASHED, "hash")))).mappings()
    return frozenset((row["seq"], row["hash"], hash_of(dict(row))) for row in rows)


def _migrate(connection: sa.Connection) -> None:
    # Late, because it is slow to import and only needed once in the life of a ledger.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    with _UPGRADING:
        command.upgrade(config, "head")


def _configure_sqlite(connection: t.Any, _record: t.Any) -> None:
    """A rollback journal, SQLite's default, leaves the ledger one whole file between two appends, fit to be copied; EXTRA syncs its folder too.

    Transactions begin where `_begin_sqlite` says, not where Python's driver would.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = EXTRA")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITING) else "BEGIN")
