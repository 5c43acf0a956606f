"""The ledger on SQLite: what is appended is there, in order, and the database lets nothing else happen to it."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

import surefoot.ledger
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.ledger import Ledger, LedgerError
from surefoot.ledger.author import whoami
from surefoot.ledger.chain import GENESIS, hash_of
from surefoot.ledger.engine import parse_url, without_password
from surefoot.ledger.revisions import REVISIONS
from surefoot.ledger.schema import ENTRIES, METADATA, VERSION_TABLE
from surefoot.progress import STATES, standings

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger("sqlite:///.surefoot/ledger.db", root=tmp_path)


def database(tmp_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(tmp_path / ".surefoot/ledger.db", isolation_level=None)


def test_an_entry_comes_back_as_it_was_appended(ledger: Ledger) -> None:
    payload = {"hosts": ["web1"], "share": 0.25, "text": 'ü"\n\x00\ud800', "none": None}
    first = ledger.append("production", "started", payload, feature="reviews", release="table", run="r1", by="ada@desk")
    second = ledger.append("staging", "verified", {})
    assert ledger.entries() == [first, second]
    assert (first.seq, first.prev, second.seq, second.prev) == (1, GENESIS, 2, first.hash)
    assert (first.payload, first.by, second.by, second.feature) == (payload, "ada@desk", whoami(), None)


def test_entries_are_filtered_and_the_newest_are_kept(tmp_path: Path) -> None:
    moments = iter(NOON + dt.timedelta(minutes=minute) for minute in range(6))
    ledger = Ledger("sqlite:///l.db", root=tmp_path, clock=lambda: next(moments))
    for number in range(6):
        ledger.append("production" if number % 2 else "staging", "verified" if number > 3 else "started", {"n": number}, feature=f"f{number % 3}")

    def numbers(**wanted: t.Any) -> list[int]:
        return [entry.payload["n"] for entry in ledger.entries(**wanted)]

    assert numbers(environment="production") == [1, 3, 5]
    assert numbers(environment="production", feature="f0") == [3]
    assert numbers(kinds=["verified"]) == [4, 5]
    assert numbers(kinds=[]) == []
    assert numbers(limit=2) == [4, 5]
    assert numbers(since=NOON + dt.timedelta(minutes=4)) == [4, 5]
    assert numbers(since=(NOON + dt.timedelta(minutes=4)).astimezone(dt.timezone(dt.timedelta(hours=5)))) == [4, 5]
    assert [ledger.head(name).payload["n"] for name in ("production", "staging", None)] == [5, 4, 5]  # type: ignore[union-attr]
    assert ledger.head("nowhere") is None
    with pytest.raises(InvalidInput, match="needs a time zone"):
        numbers(since=NOON.replace(tzinfo=None))


def test_a_clock_that_goes_back_does_not_change_the_order(tmp_path: Path) -> None:
    moments = iter([NOON, NOON - dt.timedelta(hours=1)])
    ledger = Ledger("sqlite:///l.db", root=tmp_path, clock=lambda: next(moments))
    ledger.append("production", "started", {})
    ledger.append("production", "verified", {})
    assert [entry.kind for entry in ledger.entries()] == ["started", "verified"]
    assert ledger.entries()[0].at == "2026-03-01T12:00:00.000Z"
    assert ledger.check() == []


def test_reading_a_ledger_that_is_not_there_makes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    assert (ledger.entries(), ledger.head(), ledger.check()) == ([], None, [])
    assert list(tmp_path.iterdir()) == []


def test_reading_changes_no_byte_and_no_time(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append("production", "started", {})
    folder = tmp_path / ".surefoot"

    def state() -> list[tuple[str, int, bytes]]:
        return [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in [*sorted(folder.iterdir())]]

    before = state()
    assert [name for name, _, _ in before] == ["ledger.db"]
    fresh = Ledger("sqlite:///.surefoot/ledger.db", root=tmp_path)
    fresh.entries()
    fresh.head("production")
    fresh.check()
    assert state() == before


@pytest.mark.parametrize(
    ("fields", "payload"),
    [
        ({}, {"x": float("nan")}),
        ({}, {"x": object()}),
        ({}, {"x": b"bytes"}),
        ({}, {"x": "a" * (1024 * 1024)}),
        ({"feature": "a\0b"}, {}),
        ({"release": "\ud800"}, {}),
        ({"run": ""}, {}),
        ({"by": "x" * 1001}, {}),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(ledger: Ledger, tmp_path: Path, fields: dict[str, str], payload: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidInput):
        ledger.append("production", "started", payload, **fields)
    assert list(tmp_path.iterdir()) == []


def test_a_payload_deeper_than_python_can_go_is_refused(ledger: Ledger) -> None:
    deep: dict[str, t.Any] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(InvalidInput, match="plain JSON"):
        ledger.append("production", "started", deep)


def test_the_largest_payload_fits(ledger: Ledger) -> None:
    payload = {"x": "a" * (1024 * 1024 - len('{"x":""}'))}
    assert ledger.append("production", "started", payload).payload == payload


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///l.db?mode=ro",
        "sqlite://host/l.db",
        "sqlite:///a\0b",
        "mysql://u:s3cret@h/d",
        "postgresql://u:s3cret@h/d",
        "postgresql+psycopg://u:s3cret@h",
        "nonsense",
        "",
        "postgresql+psycopg://u:s3cret@h:port/d",
        "postgresql+psycopg://u:a@s3cret@h/d",
        "mysql://h/d?user=u&password=s3cret",
    ],
)
def test_other_urls_are_refused_without_their_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Ledger(url, root=tmp_path)
    assert "s3cret" not in str(caught.value)


def test_a_password_in_the_query_of_a_url_is_not_shown_either() -> None:
    assert without_password(parse_url("postgresql+psycopg://h/d?user=u&password=s3cret", Path())) == "postgresql+psycopg://h/d?password=%2A%2A%2A&user=u"


def test_absolute_and_odd_paths(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/a.db", "sqlite:///odd % name#1/ü.db"):
        ledger = Ledger(url, root=tmp_path)
        ledger.append("production", "started", {})
        assert ledger.check() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "odd % name#1"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE surefoot_ledger SET payload = '{}' WHERE seq = 1",
        "DELETE FROM surefoot_ledger WHERE seq = 2",
        "DELETE FROM surefoot_ledger",
        "INSERT OR REPLACE INTO surefoot_ledger SELECT * FROM surefoot_ledger WHERE seq = 1",
        "INSERT INTO surefoot_ledger SELECT 9, at, environment, kind, feature, release, run, by, payload, hash, 'x' FROM surefoot_ledger WHERE seq = 2",
        "INSERT INTO surefoot_ledger SELECT 3, at, environment, kind, feature, release, run, by, payload, prev, 'x' FROM surefoot_ledger WHERE seq = 2",
    ],
)
def test_the_database_itself_lets_nothing_but_the_next_entry_happen(ledger: Ledger, tmp_path: Path, statement: str) -> None:
    before = [ledger.append("production", "started", {}), ledger.append("production", "verified", {})]
    with database(tmp_path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert ledger.entries() == before


def test_a_newer_ledger_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append("production", "started", {})
    with database(tmp_path) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    fresh = Ledger("sqlite:///.surefoot/ledger.db", root=tmp_path)
    for act in (fresh.entries, fresh.check, lambda: fresh.append("production", "verified", {})):
        with pytest.raises(LedgerError, match="A newer surefoot wrote this ledger"):
            act()


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "l.db") as connection:
        connection.execute("CREATE TABLE books (id INTEGER)")
    content = (tmp_path / "l.db").read_bytes()
    ledger = Ledger("sqlite:///l.db", root=tmp_path)
    for act in (ledger.entries, lambda: ledger.append("production", "started", {})):
        with pytest.raises(LedgerError, match="This is not a surefoot ledger"):
            act()
    assert (tmp_path / "l.db").read_bytes() == content


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "l.db").touch()
    ledger = Ledger("sqlite:///l.db", root=tmp_path)
    assert ledger.entries() == []
    assert ledger.append("production", "started", {}).seq == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="The folder of the ledger cannot be made"):
        Ledger("sqlite:///file/l.db", root=tmp_path).append("production", "started", {})
    (tmp_path / "l.db").mkdir()
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger("sqlite:///l.db", root=tmp_path).entries()


def test_migrations_lead_to_the_tables_in_use(ledger: Ledger, tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(surefoot.ledger.__file__).parent / "migrations"))
    assert tuple(revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions())[::-1] == REVISIONS
    ledger.append("production", "started", {})
    expected = sa.create_engine("sqlite://")
    METADATA.create_all(expected)
    found = sa.create_engine(f"sqlite:///{tmp_path}/.surefoot/ledger.db")

    def tables(engine: sa.Engine) -> dict[str, t.Any]:
        inspector = sa.inspect(engine)
        return {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
                [(index["name"], index["column_names"]) for index in inspector.get_indexes(name)],
                [constraint["column_names"] for constraint in inspector.get_unique_constraints(name)],
            )
            for name in inspector.get_table_names()
        }

    try:
        assert tables(found) == tables(expected)
    finally:
        found.dispose()
        expected.dispose()


def test_the_newest_of_ten_thousand_is_found_at_once(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append("staging", "started", {})
    fill(ledger, 10_000)
    durations = []
    for _ in range(5):
        fresh, started = Ledger("sqlite:///.surefoot/ledger.db", root=tmp_path), time.perf_counter()
        assert fresh.head("production")
        assert len(fresh.entries("production", feature="f7")) == 200
        assert fresh.head("staging")
        durations.append(time.perf_counter() - started)
    assert min(durations) < 0.1
    assert ledger.check() == []


def fill(ledger: Ledger, count: int) -> None:
    """Append many entries in one transaction, as they would be appended one by one."""
    last, rows = ledger.head(), []
    seq, prev = (last.seq, last.hash) if last else (0, GENESIS)
    for number in range(count):
        fixed = {"at": "2026-01-01T00:00:00.000Z", "environment": "production", "kind": "verified", "run": f"run-{number}", "by": "ada@desk"}
        row: dict[str, t.Any] = {
            **fixed,
            "feature": f"f{number % 50}",
            "release": f"r{number}",
            "payload": json.dumps({"n": number}),
            "seq": seq + 1,
            "prev": prev,
        }
        row["hash"] = hash_of(row)
        seq, prev = row["seq"], row["hash"]
        rows.append(row)
    with ledger._writing() as connection:
        connection.execute(ENTRIES.insert(), rows)


def test_looking_at_a_ledger_does_not_load_alembic(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append("production", "started", {})
    code = "import sys; from pathlib import Path; from surefoot.ledger import Ledger\n"
    code += "Ledger('sqlite:///.surefoot/ledger.db', root=Path(sys.argv[1])).entries(); print('alembic' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert answer.stdout.strip() == "False"


@given(
    st.lists(st.tuples(st.sampled_from(sorted(STATES | {"caught_up", "held"})), st.sampled_from(["table", "api"]), st.sampled_from(["a", "b"])), max_size=12)
)
@settings(max_examples=25, deadline=None)
def test_the_newest_words_are_the_states_that_all_entries_give(words: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger("sqlite:///ledger.db", root=Path(folder)) as ledger:
        for kind, release, environment in words:
            ledger.append(environment, kind, {}, feature="reviews", release=release)
        known = ledger.latest(STATES)
        for place in ("a", "b"):
            found = {name: (one.state, one.since) for name, one in standings(ledger.entries(place, "reviews")).items() if one.state != "none"}
            assert {release: word for (environment, _feature, release), word in known.items() if environment == place} == found
