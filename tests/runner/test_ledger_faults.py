"""Breaking the ledger: every way in which its file can be damaged or tampered with is found and named, and no fault loses what was appended."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from surefoot.ledger import Anchor, Ledger, LedgerError
from surefoot.ledger.chain import GENESIS, check_chain, hash_of

FILE = "ledger.db"
URL = f"sqlite:///{FILE}"
APPENDER = """
import sys
from pathlib import Path
from surefoot.ledger import Ledger
ledger = Ledger("sqlite:///ledger.db", root=Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    print(ledger.append("production", "note", {"n": number, "pad": "x" * 3000}, run=sys.argv[3]).hash, flush=True)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Ten entries."""
    ledger = Ledger(URL, root=tmp_path)
    for number in range(10):
        ledger.append("production", "note", {"n": number})
    return ledger


def tamper(tmp_path: Path, *statements: str, guards: bool = True) -> None:
    """Change the file by hand, as somebody would who knows how to drop triggers; they are put back with `guards`."""
    connection = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers if guards else []:
        connection.execute(sql)
    connection.close()


def found(ledger: Ledger, anchors: t.Iterable[Anchor] = ()) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.seq) for finding in ledger.check(anchors)]


def test_a_whole_ledger_has_no_findings(ledger: Ledger) -> None:
    assert ledger.check([Anchor(seq=entry.seq, hash=entry.hash, source="web1") for entry in ledger.entries()]) == []


@pytest.mark.parametrize("column", ["at", "environment", "kind", "feature", "release", "run", "by", "payload"])
def test_an_edited_row_is_named(ledger: Ledger, tmp_path: Path, column: str) -> None:
    tamper(tmp_path, f"UPDATE surefoot_ledger SET {column} = '{{\"n\": 99}}' WHERE seq = 4")
    assert found(ledger) == [("edited row", 4)]
    assert str(ledger.check()[0]) == "edited row: Entry 4 is not what was written: its content does not give its hash"


def test_an_edited_hash_is_named(ledger: Ledger, tmp_path: Path) -> None:
    tamper(tmp_path, "UPDATE surefoot_ledger SET hash = 'x' WHERE seq = 4")
    assert found(ledger) == [("edited row", 4)]


def test_a_row_made_unreadable_is_named_and_reading_it_says_what_to_do(ledger: Ledger, tmp_path: Path) -> None:
    tamper(tmp_path, "UPDATE surefoot_ledger SET payload = CAST(X'7bff7d' AS TEXT) WHERE seq = 4", "UPDATE surefoot_ledger SET payload = X'00' WHERE seq = 6")
    assert found(ledger) == [("edited row", 4), ("edited row", 6)]
    with pytest.raises(LedgerError):
        ledger.entries()


def test_a_row_edited_with_its_hash_made_to_fit_breaks_the_chain(ledger: Ledger, tmp_path: Path) -> None:
    entry = ledger.entries()[3]
    row = {name: getattr(entry, name) for name in ("seq", "at", "environment", "kind", "feature", "release", "run", "by", "prev")}
    forged = hash_of({**row, "payload": "{}"})
    tamper(tmp_path, f"UPDATE surefoot_ledger SET payload = '{{}}', hash = '{forged}' WHERE seq = 4")
    assert found(ledger) == [("forked chain", 5)]


@pytest.mark.parametrize(("gone", "finding"), [("seq = 1", ("missing row", 1)), ("seq = 5", ("missing row", 5)), ("seq IN (5, 6, 7)", ("missing row", 5))])
def test_missing_rows_are_named(ledger: Ledger, tmp_path: Path, gone: str, finding: tuple[str, int]) -> None:
    tamper(tmp_path, f"DELETE FROM surefoot_ledger WHERE {gone}")
    assert found(ledger) == [finding]


def test_a_missing_end_is_known_by_who_remembers_it(ledger: Ledger, tmp_path: Path) -> None:
    head = ledger.head()
    assert head
    tamper(tmp_path, "DELETE FROM surefoot_ledger WHERE seq > 7")
    assert found(ledger) == []
    assert found(ledger, [Anchor(seq=head.seq, hash=head.hash, source="the receipt on web1")]) == [("restored backup", 10)]


def test_rows_that_changed_places_are_named(ledger: Ledger, tmp_path: Path) -> None:
    tamper(tmp_path, *(f"UPDATE surefoot_ledger SET seq = {new} WHERE seq = {old}" for old, new in ((4, 99), (5, 4), (99, 5))))
    kinds = found(ledger)
    assert ("reordered row", 4) in kinds
    assert ("reordered row", 5) in kinds
    assert ("edited row", 4) not in kinds


def test_a_fork_is_named(ledger: Ledger, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / FILE, other)
    for path, kind in ((tmp_path, "here"), (other, "there")):
        Ledger(URL, root=path).append("production", kind, {})
    Ledger(URL, root=other).append("production", "there", {})
    tamper(tmp_path, f"ATTACH '{other / FILE}' AS other", "INSERT INTO surefoot_ledger SELECT * FROM other.surefoot_ledger WHERE seq = 12")
    assert found(ledger) == [("forked chain", 12)]


def test_a_restored_backup_is_known_even_after_it_went_on(ledger: Ledger, tmp_path: Path) -> None:
    shutil.copy(tmp_path / FILE, tmp_path / "backup.db")
    remembered = [
        Anchor(seq=entry.seq, hash=entry.hash, source="web1") for entry in (ledger.append("production", "a", {}), ledger.append("production", "b", {}))
    ]
    shutil.copy(tmp_path / "backup.db", tmp_path / FILE)
    assert found(ledger, remembered) == [("restored backup", 11), ("restored backup", 12)]
    for _ in range(5):
        ledger.append("production", "c", {})
    assert found(ledger) == []
    assert found(ledger, remembered) == [("restored backup", 11), ("restored backup", 12)]


def test_a_ledger_that_was_deleted_is_missed(ledger: Ledger, tmp_path: Path) -> None:
    head = ledger.head()
    assert head
    anchor = Anchor(seq=head.seq, hash=head.hash, source="web1")
    (tmp_path / FILE).write_bytes(b"")
    assert found(Ledger(URL, root=tmp_path), [anchor]) == [("restored backup", 10)]
    (tmp_path / FILE).unlink()
    assert found(Ledger(URL, root=tmp_path), [anchor]) == [("restored backup", 10)]


def test_dropped_guards_are_named(ledger: Ledger, tmp_path: Path) -> None:
    tamper(tmp_path, guards=False)
    assert [kind for kind, _ in found(ledger)] == ["guard missing"] * 3


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_torn_file_is_named(tmp_path: Path, keep: float) -> None:
    ledger = Ledger(URL, root=tmp_path)
    for number in range(20):
        ledger.append("production", "note", {"n": number, "pad": "x" * 3000})
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: int(len(content) * keep)])
    for opened in (ledger, Ledger(URL, root=tmp_path)):
        assert found(opened)[0] == ("torn write", None)
    with pytest.raises(LedgerError, match="torn"):
        Ledger(URL, root=tmp_path).entries()


def test_any_damaged_page_is_found(tmp_path: Path) -> None:
    ledger = Ledger(URL, root=tmp_path)
    for number in range(20):
        ledger.append("production", "note", {"n": number, "pad": "x" * 3000})
    content = (tmp_path / FILE).read_bytes()
    for page in range(4096, len(content), 4096):
        (tmp_path / FILE).write_bytes(content[:page] + bytes(4096) + content[page + 4096 :])
        assert found(Ledger(URL, root=tmp_path)), page
    (tmp_path / FILE).write_bytes(bytes(4096) + content[4096:])
    with pytest.raises(LedgerError, match="is not a ledger"):
        Ledger(URL, root=tmp_path).check()


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like one" * 100, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 4080])
def test_what_is_no_database_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    ledger = Ledger(URL, root=tmp_path)
    with pytest.raises(LedgerError):
        ledger.append("production", "note", {})
    with pytest.raises(LedgerError):
        ledger.entries()
    assert (tmp_path / FILE).read_bytes() == content


def test_no_room_left_is_said_and_loses_nothing(ledger: Ledger) -> None:
    before = ledger.entries()

    def fill_up(connection: t.Any, _record: t.Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(ledger._engine, "connect", fill_up)
    with pytest.raises(LedgerError, match="There is no room left for the ledger"):
        ledger.append("production", "note", {"pad": "x" * 100_000})
    sa.event.remove(ledger._engine, "connect", fill_up)
    assert ledger.entries() == before
    assert ledger.append("production", "note", {"pad": "x" * 100_000}).seq == 11
    assert ledger.check() == []


def test_a_disk_that_refuses_in_the_middle_of_a_write_loses_nothing(ledger: Ledger, tmp_path: Path) -> None:
    before = ledger.entries()
    limit = (tmp_path / FILE).stat().st_size + 8192
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n" + APPENDER.replace('"x" * 3000', '"x" * 100000')
    answer = run(code, str(tmp_path), "1", "r")
    assert "LedgerError" in answer.stderr
    assert "nothing was written" in answer.stderr
    assert ledger.entries() == before
    assert ledger.append("production", "note", {}).seq == 11
    assert ledger.check() == []


def test_waiting_for_another_writer_has_an_end(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.ledger.engine.LOCK_WAIT", 0.05)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="Another process holds the ledger"):
        Ledger(URL, root=tmp_path).append("production", "note", {})
    other.close()


def test_two_processes_appending_make_one_chain(tmp_path: Path) -> None:
    appenders = [start(tmp_path, 200, name) for name in ("a", "b")]
    told = [appender.communicate()[0].split() for appender in appenders]
    ledger = Ledger(URL, root=tmp_path)
    entries = ledger.entries()
    assert ledger.check() == []
    assert [entry.seq for entry in entries] == list(range(1, 401))
    for name, hashes in zip(("a", "b"), told, strict=True):
        assert [entry.hash for entry in entries if entry.run == name] == hashes
        assert [entry.payload["n"] for entry in entries if entry.run == name] == list(range(200))


def test_threads_share_one_ledger(tmp_path: Path) -> None:
    ledger = Ledger(URL, root=tmp_path)
    threads = [threading.Thread(target=lambda: [ledger.append("production", "note", {}) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.entries()) == 100
    assert ledger.check() == []


def test_killed_appenders_leave_every_entry_they_were_told_of(tmp_path: Path) -> None:
    chance, told = random.Random(4), []
    for round_number in range(8):
        appender = start(tmp_path, 10_000, str(round_number))
        assert appender.stdout
        told += [appender.stdout.readline().strip() for _ in range(chance.randrange(1, 25))]
        appender.send_signal(signal.SIGKILL)
        told += [line for line in appender.communicate()[0].split("\n") if len(line) == 64]
    ledger = Ledger(URL, root=tmp_path)
    hashes = [entry.hash for entry in ledger.entries()]
    assert ledger.check() == []
    assert set(told) <= set(hashes)
    assert len(hashes) <= len(told) + 8


def start(tmp_path: Path, count: int, run_name: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", APPENDER, str(tmp_path), str(count), run_name]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)})


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_chain_of_nothing_and_of_a_wrong_beginning() -> None:
    assert check_chain([]) == []
    row = {"seq": 1, "at": "", "environment": "", "kind": "", "feature": None, "release": None, "run": None, "by": "", "payload": "{}", "prev": "x"}
    assert [finding.kind for finding in check_chain([{**row, "hash": hash_of(row)}])] == ["forked chain"]
    row["prev"] = GENESIS
    assert check_chain([{**row, "hash": hash_of(row)}]) == []
