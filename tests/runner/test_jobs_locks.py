"""What stops the work before it begins, and what stops it half-way: the lock of the environment, and a ledger that cannot be written."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest

from runner import _fakes
from runner._fakes import World, answer, ended
from runner._fleet import Command, command_fixture, fleet_fixture, kinds
from runner.conftest import Write
from surefoot.events import WaitingForLock
from surefoot.exits import Exit
from surefoot.lock import LockLost
from surefoot.playbooks import RunEvent

__all__ = ["command_fixture", "fleet_fixture"]

HOLDER = {"lost": True, "msg": "Somebody is releasing shop", "holder": {"token": "b"}, "error": {"seen": "bob on desk, process 1: surefoot apply"}}


# Locks


def test_somebody_else_at_it_ends_with_7_and_their_name(shop: Write, world: World, command: Command) -> None:
    shop()
    world.instead["lock"] = lambda _world, _variables: iter([answer("h1", "lock", HOLDER, "failed"), ended(["h1"], failed=["h1"])])
    for name in ("apply", "rollback"):
        done = command(name, "--yes")
        assert done.code == Exit.LOCKED
        assert "bob on desk, process 1: surefoot apply" in done.err
    assert world.played() == []


def test_others_are_told_the_call_or_what_whoever_embeds_it_says(shop: Write, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["notebook", "--token=s3cret"])
    told: list[str] = []

    def noted(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        told.append(variables["lock_command"])
        return world.as_usual("lock", variables)

    world.instead["lock"] = noted
    project = shop()
    project.apply("reviews").finish()
    project.rollback("reviews", "test").finish()
    dataclasses.replace(project, command="the night's release").apply("reviews").finish()
    assert list(dict.fromkeys(told)) == ["Project.apply('reviews', 'test')", "Project.rollback('reviews', 'test')", "the night's release"]


def test_a_lock_is_waited_for_as_long_as_was_said(shop: Write, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.environment_lock.ASK_AGAIN_SECONDS", 0.01)
    project = dataclasses.replace(shop(), lock_wait=60.0)
    answers = iter([True, True])

    def busy(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        if variables["lock_tasks"] == "keep" and next(answers, False):
            yield answer("h1", "lock", HOLDER, "failed")
            yield ended(["h1"], failed=["h1"])
        else:
            yield from world.as_usual("lock", variables)

    world.instead["lock"] = busy
    events = list(project.apply("reviews"))
    assert [event.holder for event in events if isinstance(event, WaitingForLock)] == ["bob on desk, process 1: surefoot apply"] * 2
    assert kinds(project)[-1] == "table verified"


def test_without_an_answer_about_the_lock_nothing_is_begun(shop: Write, world: World, command: Command) -> None:
    project = shop()
    world.instead["lock"] = lambda _world, _variables: iter([answer("h1", "lock", {"msg": "No route to host"}, "unreachable"), ended(["h1"], lost=["h1"])])
    done = command("apply", "--yes")
    assert done.code == Exit.ERROR
    assert "The lock of the environment could not be taken" in done.err
    assert "No route to host" in done.err
    assert (world.played(), kinds(project)) == ([], [])


def loses_the_lock(world: World) -> None:
    """Another takes the lock while a release goes on for as long as nobody stops it."""

    def goes_on_and_on(world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        world.lock_lost.set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            yield _fakes.saying("still at it")
            time.sleep(0.01)

    world.once["release table"] = goes_on_and_on


def test_a_lost_lock_stops_the_work_and_says_so(shop: Write, world: World) -> None:
    project = shop()
    loses_the_lock(world)
    with pytest.raises(LockLost, match="found: it is held by bob"):
        project.apply("reviews", everything=True).finish()
    world.lock_lost.clear()
    assert kinds(project) == ["table started", "table failed"]
    assert world.played() == ["release"]
    assert project.apply("reviews").finish().ok


def test_a_lost_lock_ends_with_3(shop: Write, world: World, command: Command) -> None:
    shop()
    loses_the_lock(world)
    done = command("apply", "--all", "--yes")
    assert done.code == Exit.WAITING
    assert "The lock of the environment was lost, so the work was stopped" in done.err
    assert "survey what is there before going on" in done.err


# A ledger that cannot be written

APPLY = """
import pathlib, resource, sys
import surefoot.project
from runner import _fakes
from surefoot.project import Project
from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError

root, room = pathlib.Path(sys.argv[1]), int(sys.argv[2])
world = _fakes.FakeAnsible.worlds.setdefault(root, _fakes.World())
surefoot.project.Ansible = _fakes.FakeAnsible
if room >= 0:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    Project.load(root / "surefoot.yml").apply("reviews").finish()
except SurefootError as error:
    print(type(error).__name__, error)
print(world.played(), sorted(world.live()))
"""


def apply_elsewhere(root: pathlib.Path, *, room: int = -1) -> list[str]:
    """What `apply` says in a process that may write files of `room` bytes at most, and may not write where permissions forbid it, root or not."""

    def give_up_privilege() -> None:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: the program that is begun now cannot have it

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-c", APPLY, str(root), str(room)]
    done = subprocess.run(argv, env=environment, text=True, capture_output=True, timeout=60, preexec_fn=give_up_privilege)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


NOTHING = "[] ['1.0.0']"


@pytest.mark.parametrize("released_before", [False, True])
def test_a_full_disk_under_the_ledger_stops_before_anything_is_begun(shop: Write, released_before: bool) -> None:
    project = shop()
    if released_before:
        with project.ledger() as ledger:
            ledger.append("test", "held", {"because": "x"})
            ledger.append("test", "resumed", {"because": "x"})
    told, played = apply_elsewhere(project.root, room=4096)
    assert told.startswith("LedgerError")
    assert "nothing was written" in told
    assert played == NOTHING
    assert kinds(project) == []
    assert project.check_ledger() == []


def test_no_room_even_for_the_lock_is_told(shop: Write) -> None:
    told, played = apply_elsewhere(shop().root, room=0)
    assert told.startswith("StepFailed The lock of test cannot be written, nothing was begun")
    assert played == NOTHING


def test_a_ledger_in_a_folder_that_may_not_be_written_stops_before_anything_is_begun(shop: Write) -> None:
    project = shop(ledger="sqlite:///kept/ledger.db")
    with project.ledger() as ledger:
        ledger.append("test", "held", {"because": "x"})
        ledger.append("test", "resumed", {"because": "x"})
    folder = project.root / "kept"
    folder.chmod(0o555)
    try:
        told, played = apply_elsewhere(project.root)
    finally:
        folder.chmod(0o755)
    assert told.startswith("LedgerError")
    assert played == NOTHING
    assert kinds(project) == []


def test_a_project_that_may_not_be_written_is_told(shop: Write) -> None:
    project = shop()
    project.root.chmod(0o555)
    try:
        told, played = apply_elsewhere(project.root)
    finally:
        project.root.chmod(0o755)
    assert told.startswith("StepFailed The lock of test cannot be written, nothing was begun")
    assert "Permission denied" in told
    assert played == NOTHING
