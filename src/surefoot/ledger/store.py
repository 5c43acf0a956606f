"""The ledger itself: append, read, check."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import typing as t
from pathlib import Path

import sqlalchemy as sa

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.ledger.author import whoami
from surefoot.ledger.chain import GENESIS, Anchor, Entry, Finding, Row, against, canonical_payload, check_chain, hash_of, timestamp
from surefoot.ledger.engine import create_engine, for_writing, guards_of, lock, parse_url, read_as_it_is, revision_of, upgrade, without_password
from surefoot.ledger.errors import LedgerError, explained
from surefoot.ledger.memory import Memory
from surefoot.ledger.revisions import REVISIONS
from surefoot.ledger.schema import ENTRIES, GUARDS

LONGEST_TEXT = 1000
_COLUMNS = tuple(ENTRIES.c.keys())


class Ledger:
    """The ledger at a URL: `sqlite:///PATH`, relative to `root` (default: the current folder), or `postgresql+psycopg://…`.

    The file at `memory` remembers, outside of the ledger, the newest entry appended from here: see `older_copy`.
    Nothing is opened before it is needed, and an SQLite ledger that is not there yet is empty until its first entry. Every method raises LedgerError
    where the ledger cannot be read or written. It may be used by several threads and processes at once.
    """

    def __init__(
        self, url: str, *, root: Path | None = None, memory: Path | None = None, clock: t.Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._url = parse_url(url, root or Path.cwd())
        self._engine = create_engine(self._url)
        self._memory = Memory(memory, self.where)
        self._clock = clock

    @property
    def where(self) -> str:
        """The URL, without a password."""
        return without_password(self._url)

    def close(self) -> None:
        """Let go of the database; the ledger may be used again."""
        self._engine.dispose()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self,
        environment: str,
        kind: str,
        payload: t.Mapping[str, t.Any],
        *,
        feature: str | None = None,
        release: str | None = None,
        run: str | None = None,
        by: str | None = None,
    ) -> Entry:
        """Append one entry and return it once it is safely on disk. `by` is USER@HOST of this process if left out.

        Raises InvalidInput for a payload that is not JSON or larger than 1 MiB, and for text that cannot be stored.
        """
        told = {"environment": environment, "kind": kind, "feature": feature, "release": release, "run": run, "by": by or whoami()}
        for name, text in told.items():
            _check_text(name, text)
        row: dict[str, t.Any] = {**told, "payload": canonical_payload(payload)}
        with self._writing() as connection:
            last = connection.execute(sa.select(ENTRIES.c.seq, ENTRIES.c.hash).order_by(ENTRIES.c.seq.desc()).limit(1)).first()
            row |= {"seq": last.seq + 1 if last else 1, "prev": last.hash if last else GENESIS, "at": timestamp(self._clock())}
            row["hash"] = hash_of(row)
            known = not self._older_copy(connection)
            connection.execute(ENTRIES.insert().values(row))
        if known:  # or else what is remembered is all that shows that something was lost
            self._memory.keep(row["seq"], row["hash"])
        return self._entry(row)

    def entries(
        self,
        environment: str | None = None,
        feature: str | None = None,
        since: dt.datetime | None = None,
        kinds: t.Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Entries, oldest first; with `limit`, only the newest so many. `since` has a time zone."""
        query = sa.select(ENTRIES).order_by(ENTRIES.c.seq.desc()).limit(limit)
        for column, value in ((ENTRIES.c.environment, environment), (ENTRIES.c.feature, feature)):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(ENTRIES.c.at >= timestamp(since))
        if kinds is not None:
            query = query.where(ENTRIES.c.kind.in_(list(kinds)))
        with self._reading() as connection:
            rows = connection.execute(query).all() if connection is not None else []
        return [self._entry(dict(zip(_COLUMNS, row, strict=True))) for row in reversed(rows)]

    def latest(self, kinds: t.Collection[str]) -> dict[tuple[str, str, str], tuple[str, str]]:
        """Kind and time of the newest entry of these kinds by environment, feature and release. Quick: of all others nothing is read."""
        about = (ENTRIES.c.environment, ENTRIES.c.feature, ENTRIES.c.release)
        newest = sa.select(sa.func.max(ENTRIES.c.seq)).where(ENTRIES.c.kind.in_(list(kinds))).group_by(*about)
        with self._reading() as connection:
            rows = connection.execute(sa.select(*about, ENTRIES.c.kind, ENTRIES.c.at).where(ENTRIES.c.seq.in_(newest))).all() if connection is not None else []
        return {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}

    def head(self, environment: str | None = None) -> Entry | None:
        """The newest entry, of one environment or of all; None where there is none."""
        return next(iter(self.entries(environment, limit=1)), None)

    def older_copy(self) -> list[Finding]:
        """Whether entries are gone that were appended from here, as after a backup was restored; quick, and a part of `check`."""
        with self._reading() as connection:
            return self._older_copy(connection)

    def check(self, anchors: t.Iterable[Anchor] = ()) -> list[Finding]:
        """What is wrong with the ledger; empty when it is whole. `anchors` are entries remembered elsewhere.

        Raises LedgerError only where the ledger cannot be asked at all, or is none.
        """
        own = self._memory.recall()
        anchors = [*anchors, *([own] if own else [])]
        try:
            with self._reading() as connection:
                if connection is None:
                    return check_chain((), anchors)
                torn = _torn(connection)
                read_as_it_is(connection)
                rows = t.cast("list[Row]", connection.execute(sa.select(ENTRIES).order_by(ENTRIES.c.seq)).mappings().all())
                return [*torn, *_guards(connection), *check_chain(rows, anchors)]
        except LedgerError as error:
            cause = error.__cause__
            if isinstance(cause, sa.exc.DBAPIError) and str(getattr(cause.orig, "sqlite_errorname", "")).startswith("SQLITE_CORRUPT"):
                return [Finding(kind="torn write", seq=None, message=error.message)]
            raise

    def _older_copy(self, connection: sa.Connection | None) -> list[Finding]:
        own = self._memory.recall()
        if own is None:
            return []
        newest = sa.select(sa.func.max(ENTRIES.c.seq)).scalar_subquery()
        asked = sa.select(ENTRIES.c.seq, ENTRIES.c.hash).where(sa.or_(ENTRIES.c.seq == own.seq, ENTRIES.c.seq == newest))
        return list(against([own], {row.seq: row.hash for row in connection.execute(asked)} if connection is not None else {}))

    @contextlib.contextmanager
    def _writing(self) -> t.Iterator[sa.Connection]:
        """One transaction, alone among all writers, on tables of this version."""
        self._make_folder()
        with self._explaining(), for_writing(self._engine.connect()) as connection, connection.begin():
            lock(connection)
            # Looked at each time: a newer surefoot may have come to the ledger while this one was at work.
            if revision_of(connection, self.where) != REVISIONS[-1]:
                upgrade(connection, self.where)
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> t.Iterator[sa.Connection | None]:
        """One transaction that sees one state; None where there is no ledger yet."""
        if self._url.database and self._url.drivername == "sqlite" and not Path(self._url.database).exists():
            yield None
            return
        with self._explaining(), self._engine.connect() as connection, connection.begin():
            found = revision_of(connection, self.where)
            if found in {REVISIONS[-1], None}:
                yield connection if found else None
                return
        with self._writing():
            pass
        with self._reading() as current:
            yield current

    @contextlib.contextmanager
    def _explaining(self) -> t.Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise explained(error, self.where) from error

    def _make_folder(self) -> None:
        if self._url.drivername == "sqlite":
            folder = Path(str(self._url.database)).parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LedgerError(f"The folder of the ledger cannot be made ({folder})", seen=error.strerror, todo="check the ledger's URL") from error

    def _entry(self, row: Row) -> Entry:
        try:
            payload = json.loads(row["payload"])
        except (TypeError, ValueError) as error:
            raise LedgerError(f"Entry {row['seq']} is not what was written ({self.where})", seen=str(error), todo="run surefoot history --check") from error
        return Entry(**{**row, "payload": payload})


def _check_text(name: str, text: str | None) -> None:
    if text is None:
        return
    storable = isinstance(text, str) and 0 < len(text) <= LONGEST_TEXT and "\0" not in text
    if not storable or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput(f"The {name} of a ledger entry is 1 to {LONGEST_TEXT} characters of text", seen=ascii(text)[:100])


def _torn(connection: sa.Connection) -> list[Finding]:
    if connection.dialect.name != "sqlite":
        return []
    found = [str(line) for line in connection.exec_driver_sql("PRAGMA integrity_check(3)").scalars()]
    return [] if found == ["ok"] else [Finding(kind="torn write", seq=None, message=f"The ledger file is damaged: {'; '.join(found)}")]


def _guards(connection: sa.Connection) -> list[Finding]:
    gone = GUARDS[connection.dialect.name] - guards_of(connection)
    return [Finding(kind="guard missing", seq=None, message=f"The trigger {name} is gone: rows could be changed by hand since") for name in sorted(gone)]
