"""The ledger on PostgreSQL does what it does on SQLite."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

import pytest
import sqlalchemy as sa
from _postgres import PASSWORD, Server, postgres

from surefoot.ledger import Anchor, Ledger, LedgerError
from surefoot.ledger.engine import create_engine, lock

__all__ = ["postgres"]

APPENDER = """
import sys
from surefoot.ledger import Ledger
ledger = Ledger(sys.argv[1])
for number in range(200):
    print(ledger.append("production", "note", {"n": number}, run=sys.argv[2]).hash, flush=True)
"""


@pytest.fixture
def url(postgres: Server) -> str:
    """A new, empty database."""
    return postgres.database().replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def ledger(url: str) -> t.Iterator[Ledger]:
    with Ledger(url) as ledger:
        yield ledger


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def found(ledger: Ledger, *anchors: Anchor) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.seq) for finding in ledger.check(anchors)]


def test_entries_come_back_as_they_were_appended(ledger: Ledger) -> None:
    assert (ledger.entries(), ledger.head(), ledger.check()) == ([], None, [])
    first = ledger.append("production", "started", {"text": "ü\x00\ud800", "share": 0.25}, feature="reviews", release="table", run="r1")
    second = ledger.append("staging", "verified", {})
    assert ledger.entries() == [first, second]
    assert ledger.entries("production", feature="reviews", kinds=["started"], limit=1) == [first]
    assert ledger.head("staging") == second
    assert found(ledger, Anchor(seq=1, hash=first.hash, source="web1")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE surefoot_ledger SET payload = '{}'",
        "DELETE FROM surefoot_ledger",
        "TRUNCATE surefoot_ledger",
        "INSERT INTO surefoot_ledger SELECT 9, at, environment, kind, feature, release, run, by, payload, hash, 'x' FROM surefoot_ledger WHERE seq = 2",
        "INSERT INTO surefoot_ledger SELECT 3, at, environment, kind, feature, release, run, by, payload, prev, 'x' FROM surefoot_ledger WHERE seq = 2",
    ],
)
def test_the_database_itself_lets_nothing_but_the_next_entry_happen(ledger: Ledger, url: str, statement: str) -> None:
    before = [ledger.append("production", "started", {}), ledger.append("production", "verified", {})]
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        execute(url, statement)
    assert ledger.entries() == before


def test_tampering_is_named(ledger: Ledger, url: str) -> None:
    entries = [ledger.append("production", "note", {"n": number}) for number in range(8)]
    last = Anchor(seq=8, hash=entries[-1].hash, source="web1")
    execute(
        url,
        "ALTER TABLE surefoot_ledger DISABLE TRIGGER USER",
        "UPDATE surefoot_ledger SET payload = '{\"n\": 1}' WHERE seq = 3",
        "DELETE FROM surefoot_ledger WHERE seq IN (5, 8)",
    )
    assert found(ledger, last) == [*[("guard missing", None)] * 4, ("edited row", 3), ("missing row", 5), ("restored backup", 8)]


def test_the_newest_words_and_lost_entries_are_told(url: str, tmp_path: pathlib.Path) -> None:
    with Ledger(url, memory=tmp_path / "ledger.head") as ledger:
        for kind, release in (("started", "table"), ("verified", "table"), ("started", "api"), ("held", None), ("verified", "api")):
            last = ledger.append("production", kind, {}, feature="reviews", release=release)
        known = ledger.latest({"started", "verified"})
        assert {key: kind for key, (kind, _at) in known.items()} == {("production", "reviews", name): "verified" for name in ("table", "api")}
        assert known["production", "reviews", "api"][1] == last.at
        assert ledger.older_copy() == []
        lose = (
            "ALTER TABLE surefoot_ledger DISABLE TRIGGER ALL",
            "DELETE FROM surefoot_ledger WHERE seq > 3",
            "ALTER TABLE surefoot_ledger ENABLE TRIGGER ALL",
        )
        execute(url, *lose)
        assert [(finding.kind, finding.seq) for finding in ledger.older_copy()] == [("restored backup", 5)]
        assert found(ledger) == [("restored backup", 5)]
        assert PASSWORD not in (tmp_path / "ledger.head").read_text()


def test_two_processes_appending_make_one_chain(url: str) -> None:
    environment = {"PYTHONPATH": ":".join(sys.path)}
    appenders = [subprocess.Popen([sys.executable, "-c", APPENDER, url, name], stdout=subprocess.PIPE, text=True, env=environment) for name in ("a", "b")]
    told = [appender.communicate()[0].split() for appender in appenders]
    with Ledger(url) as ledger:
        entries = ledger.entries()
        assert ledger.check() == []
    assert [entry.seq for entry in entries] == list(range(1, 401))
    for name, hashes in zip(("a", "b"), told, strict=True):
        assert [entry.hash for entry in entries if entry.run == name] == hashes


def test_waiting_for_another_writer_has_an_end(ledger: Ledger, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append("production", "note", {})
    monkeypatch.setattr("surefoot.ledger.engine.LOCK_WAIT", 1)
    holder = create_engine(sa.make_url(url))
    with holder.begin() as connection:
        lock(connection)
        with pytest.raises(LedgerError, match="Another process holds the ledger"):
            ledger.append("production", "note", {})
    holder.dispose()
    assert ledger.append("production", "note", {}).seq == 2


def test_a_newer_ledger_is_refused(ledger: Ledger, url: str) -> None:
    ledger.append("production", "note", {})
    execute(url, "UPDATE surefoot_ledger_version SET version_num = '9999'")
    with Ledger(url) as fresh, pytest.raises(LedgerError, match="A newer surefoot wrote this ledger"):
        fresh.entries()


def test_a_database_that_is_not_there_is_one_clear_error_without_the_password(url: str) -> None:
    with Ledger(f"{url}_not_there") as ledger, pytest.raises(LedgerError, match="does not exist") as caught:
        ledger.entries()
    assert PASSWORD not in str(caught.value)
    assert "hunter2" not in ledger.where


def test_a_server_that_is_not_there_is_one_clear_error_without_the_password() -> None:
    with Ledger("postgresql+psycopg://ada:s3cret@127.0.0.1:1/ledger") as ledger, pytest.raises(LedgerError, match="cannot be connected to") as caught:
        ledger.entries()
    assert "s3cret" not in str(caught.value)
