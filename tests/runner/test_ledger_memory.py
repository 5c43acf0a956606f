"""A ledger that lost its newest entries, as after yesterday's backup was restored: this machine remembers what it wrote, beside the ledger."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from runner._fakes import World
from runner._fleet import Command, command_fixture, fleet_fixture
from runner.conftest import Write
from surefoot import Project, decisions
from surefoot.exits import Exit
from surefoot.ledger import Ledger

__all__ = ["command_fixture", "fleet_fixture"]

LEDGER, HEAD = ".surefoot/ledger.db", ".surefoot/ledger.head"


def restored(shop: Write, *, held: bool = False) -> Project:
    """A project whose ledger is from before a hold, or, if it was `held`, before a second one."""
    project = shop()
    project.apply("reviews").finish()
    if held:
        with project.ledger() as ledger:
            decisions.hold(ledger, "test", because="moved")
    shutil.copy(project.root / LEDGER, project.root / "yesterday.db")
    with project.ledger() as ledger:
        decisions.hold(ledger, "test", because="x")
    shutil.copy(project.root / "yesterday.db", project.root / LEDGER)
    return project


def told(project: Project) -> str:
    return f"{project.root / HEAD} remembers entry 4, but the ledger ends at entry 3: it is an older copy, or its end was cut off"


def test_a_restored_backup_is_found_without_asking_a_host(shop: Write, world: World, command: Command) -> None:
    project = restored(shop)
    surveys = len(world.runs)
    done = command("history", "--check")
    assert (done.code, done.out) == (Exit.REFUSED, f"restored backup: {told(project)}\n")
    done = command("status")
    assert (done.code, "verified" in done.out) == (Exit.REFUSED, True)
    assert told(project) in done.err.replace("\n", " ")
    assert json.loads(command("status", "--json").out)["findings"] == [f"restored backup: {told(project)}"]
    assert len(world.runs) == surveys


def test_nothing_begins_and_nothing_is_undone_on_a_restored_backup(shop: Write, world: World, command: Command) -> None:
    """The hold that was lost with it would be passed over."""
    project = restored(shop)
    before, played = project.history(), world.played()
    for arguments in (["plan"], ["apply", "--yes"], ["rollback", "--yes"]):
        done = command(*arguments)
        assert done.code == Exit.REFUSED
        assert "the ledger ends at entry 3" in " ".join((done.out + done.err).split())
    with pytest.raises(Refused):
        project.saved_plan("reviews")
    assert (project.history(), world.played()) == (before, played)


@pytest.mark.parametrize("arguments", [["hold"], ["resume"], ["adopt", "reviews", "--release", "api"]])
def test_nothing_is_decided_in_a_restored_backup(shop: Write, command: Command, arguments: list[str]) -> None:
    """It would be lost without a word when the newer copy comes back."""
    project = restored(shop, held=True)
    before = project.history()
    done = command(*arguments, "--because", "x")
    assert done.code == Exit.REFUSED
    assert "remembers entry" in done.err
    assert project.history() == before


def test_going_on_from_an_older_copy_is_remembered(shop: Write, command: Command) -> None:
    project = restored(shop)
    with project.ledger() as ledger:
        for _ in range(3):
            ledger.append("test", "held", {"because": "another"})
    done = command("history", "--check")
    assert done.code == Exit.REFUSED
    assert "remembers another entry 4: the ledger was an older copy once and went on from there" in done.out
    assert command("status").code == Exit.REFUSED
    (project.root / HEAD).unlink()  # what the todo of a refused plan says, once it is settled
    assert (command("history", "--check").code, command("status").code) == (Exit.DONE, Exit.DONE)


def test_a_ledger_that_is_gone_is_no_new_one(shop: Write, command: Command) -> None:
    project = shop()
    project.apply("reviews").finish()
    (project.root / LEDGER).unlink()
    assert command("plan").code == Exit.REFUSED
    assert "the ledger ends at entry 0" in command("history", "--check").out


def test_what_another_machine_appended_since_is_no_loss(tmp_path: pathlib.Path) -> None:
    here, there = (Ledger("sqlite:///ledger.db", root=tmp_path, memory=tmp_path / name / "head") for name in ("here", "there"))
    for ledger in (here, there, there, here, there):
        ledger.append("test", "held", {})
    assert (here.older_copy(), there.older_copy(), here.check(), there.check()) == ([], [], [], [])


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"ledger": 7, "seq": "x"}', '{"ledger": "sqlite:////elsewhere.db", "seq": 99, "hash": "x"}', "\udcff"]
)
def test_what_cannot_be_read_or_is_of_another_ledger_is_nothing_remembered(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "head").write_bytes(content.encode(errors="surrogateescape"))
    ledger = Ledger("sqlite:///ledger.db", root=tmp_path, memory=tmp_path / "head")
    assert ledger.older_copy() == []
    ledger.append("test", "held", {})
    assert json.loads((tmp_path / "head").read_text())["seq"] == 1


def test_a_memory_that_cannot_be_written_keeps_nobody_from_appending(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = Ledger("sqlite:///ledger.db", root=tmp_path, memory=tmp_path / "file" / "head")
    assert ledger.append("test", "held", {}).seq == 1
    assert ledger.older_copy() == []
