"""A ledger that comes from an older surefoot: brought to the later version in whole or not at all, with every entry and every guard; no way back is taken."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import typing as t

import pytest
import sqlalchemy as sa
from _later_surefoot import FORGETFUL, REBUILT, REWRITING, Surefoot, later
from _postgres import Server, postgres

import surefoot.cli
from surefoot.ledger import Ledger, LedgerError

__all__ = ["postgres"]

APPEND = """
import sys
from surefoot.ledger import Ledger
print("begun", flush=True)
with Ledger(sys.argv[1]) as ledger:
    for number in range(int(sys.argv[3])):
        print(ledger.append("production", "note", {"n": number}, run=sys.argv[2]).hash, flush=True)
"""
READ = """
import sys
from surefoot.ledger import Ledger
with Ledger(sys.argv[1]) as ledger:
    print(*(entry.hash for entry in ledger.entries()), *map(str, ledger.check()), sep="\\n")
"""
COLUMNS = "SELECT * FROM surefoot_ledger ORDER BY seq"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    """A ledger of ten entries as this version writes it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = server.database().replace("postgresql://", "postgresql+psycopg://")
    with Ledger(url) as ledger:
        for number in range(10):
            ledger.append("production", "note", {"n": number}, feature="reviews", release="table", run="before")
    return url


@pytest.fixture
def newer(tmp_path: pathlib.Path) -> Surefoot:
    return later(tmp_path / "later")


def entries(url: str) -> list[str]:
    with Ledger(url) as ledger:
        return [entry.hash for entry in ledger.entries()]


def stored(url: str) -> tuple[list[str], list[t.Any]]:
    """The columns of the ledger and its rows, past surefoot."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        answer = connection.execute(sa.text(COLUMNS))
        found = list(answer.keys()), [tuple(row) for row in answer]
    engine.dispose()
    return found


def test_entries_chain_and_guards_come_through_an_upgrade(url: str, newer: Surefoot) -> None:
    before, (columns, rows) = entries(url), stored(url)
    assert newer.run(READ, url).stdout.splitlines() == before, "to look at it is enough"
    done = newer.run(APPEND, url, "later", "3")
    assert done.returncode == 0, done.stderr
    told = newer.run(READ, url).stdout.splitlines()
    assert told == before + done.stdout.splitlines()[1:], "every entry, no finding of the check"
    now, later_rows = stored(url)
    assert now == [*columns, "machine"]
    assert [row[:-1] for row in later_rows[: len(rows)]] == rows
    engine = sa.create_engine(url)
    for change in ("UPDATE surefoot_ledger SET payload = '{}'", "DELETE FROM surefoot_ledger WHERE seq = 1", "UPDATE surefoot_ledger SET machine = 'x'"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(change))
    engine.dispose()
    assert stored(url) == (now, later_rows)


def test_a_ledger_of_a_newer_surefoot_is_refused_and_left_alone(
    url: str, newer: Surefoot, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert newer.run(APPEND, url, "later", "1").returncode == 0
    before = stored(url)
    (tmp_path / "hosts").write_text("[app]\n")
    (tmp_path / "features").mkdir()
    (tmp_path / "features/reviews.yml").write_text("feature: reviews\nreleases: [{release: api, install: {version: 2.0.0}}]\n")
    (tmp_path / "surefoot.yml").write_text(f"app: shop\nledger: {url}\nenvironments: {{production: {{inventory: hosts}}}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for command in ("history", "status", "plan", "apply"):
        with pytest.raises(SystemExit) as ended:
            surefoot.cli.main([command])
        said = capfd.readouterr().err
        assert ended.value.code == 1, said
        assert "A newer surefoot wrote this ledger" in said
        assert "found: version 0002, known 0001" in said
        assert "next:  upgrade surefoot here" in said
    assert stored(url) == before


def test_processes_that_upgrade_at_once_do_it_once(url: str, newer: Surefoot) -> None:
    before = entries(url)
    with contextlib.ExitStack() as stack:
        # The first of them is held in the middle of it until the others have come.
        processes = []
        for name, last in (("first", "half of it\n"), ("second", "begun\n"), ("third", "begun\n")):
            process = stack.enter_context(newer.start(APPEND, url, name, "20", HOLD_UPGRADE="yes"))
            processes.append(process)
            assert process.stdout
            assert last in iter(process.stdout.readline, "")
        said = [process.communicate("\n", timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    appended = [line for told, _complained in said for line in told.splitlines()]
    assert "half of it" not in appended
    told = newer.run(READ, url).stdout.splitlines()
    assert told[:10] == before
    assert sorted(told[10:]) == sorted(appended)


def test_an_older_surefoot_that_is_at_work_meanwhile_stops_at_its_next_entry(url: str, newer: Surefoot) -> None:
    """It would go on in a way that the later one may take for an edited entry."""
    with Ledger(url) as older:
        older.append("production", "note", {})
        upgraded = newer.run(APPEND, url, "later", "1")
        assert upgraded.returncode == 0, upgraded.stderr
        before = stored(url)
        for go_on in (lambda: older.append("production", "note", {}), older.entries):
            with pytest.raises(LedgerError, match="A newer surefoot wrote this ledger"):
                go_on()
    assert stored(url) == before


def test_killed_in_the_middle_of_an_upgrade_it_is_whole_and_as_it_was(url: str, newer: Surefoot) -> None:
    before, rows = entries(url), stored(url)
    with newer.start(APPEND, url, "later", "1", HOLD_UPGRADE="yes") as upgrading:
        assert upgrading.stdout
        assert "half of it\n" in iter(upgrading.stdout.readline, "")
        upgrading.send_signal(signal.SIGKILL)
    assert stored(url) == rows
    with Ledger(url) as older:
        assert older.check() == []
        before.append(older.append("production", "note", {}).hash)
    done = newer.run(APPEND, url, "later", "1")
    assert done.returncode == 0, done.stderr
    assert newer.run(READ, url).stdout.splitlines() == [*before, done.stdout.splitlines()[1]]


CARELESS = {
    "deletes": (FORGETFUL, "entries would be lost"),
    "rewrites": (REWRITING, "append-only"),
    # PostgreSQL keeps the triggers of a table that is changed.
    "rebuilds": (REBUILT, "guards would be lost"),
}


@pytest.mark.parametrize(
    ("url", "careless"), [("sqlite", name) for name in CARELESS] + [("postgresql", name) for name in CARELESS if name != "rebuilds"], indirect=["url"]
)
def test_an_upgrade_that_would_lose_something_is_not_done_at_all(url: str, tmp_path: pathlib.Path, careless: str) -> None:
    """Nobody means to write such a version; alembic's own way to change a table of SQLite is one."""
    content, said = CARELESS[careless]
    before, rows = entries(url), stored(url)
    refused = later(tmp_path / "later", content).run(APPEND, url, "later", "1")
    assert refused.returncode != 0
    assert "LedgerError" in refused.stderr
    assert said in refused.stderr
    assert stored(url) == rows
    assert entries(url) == before
    with Ledger(url) as ledger:
        assert ledger.check() == []
