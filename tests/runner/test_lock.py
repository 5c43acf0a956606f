"""The lock of this machine: one holder, and none that is dead."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed
from surefoot.lock import LockHeld, hold

HOLDER = """
import pathlib, sys, time
from surefoot.lock import LockHeld, hold
try:
    with hold(pathlib.Path(sys.argv[1]), "test", "surefoot apply", "t1"):
        print("held", flush=True)
        sys.stdin.read()
except LockHeld:
    print("refused", flush=True)
"""


@pytest.fixture
def holders(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[[], subprocess.Popen[str]]]:
    begun: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        begun.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def test_the_second_is_told_who_the_first_is(tmp_path: pathlib.Path) -> None:
    with hold(tmp_path, "test", "surefoot apply reviews", "t0"):
        with pytest.raises(LockHeld) as held, hold(tmp_path, "test", "surefoot apply other", "t0"):
            pass
        assert f"process {os.getpid()}" in str(held.value.seen)
        assert "surefoot apply reviews" in str(held.value.seen)
        with hold(tmp_path, "other", "surefoot apply", "t0"):
            pass
    with hold(tmp_path, "test", "surefoot apply again", "t0"):
        pass


def test_a_holder_that_was_killed_holds_nothing(tmp_path: pathlib.Path, holders: t.Callable[[], subprocess.Popen[str]]) -> None:
    holder = holders()
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LockHeld), hold(tmp_path, "test", "me", "t0"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    with hold(tmp_path, "test", "me", "t0") as dead:
        assert dead == "t1"
        assert json.loads((tmp_path / "test.lock").read_text())["pid"] == os.getpid()


def test_of_many_starts_at_once_exactly_one_wins(holders: t.Callable[[], subprocess.Popen[str]]) -> None:
    racing = [holders() for _ in range(8)]
    said = [process.stdout.readline() for process in racing if process.stdout]
    assert sorted(said) == ["held\n", *["refused\n"] * 7]


def test_fifty_threads_and_one_winner(tmp_path: pathlib.Path) -> None:
    start, done, won = threading.Barrier(50), threading.Barrier(50), []

    def race(number: int) -> None:
        start.wait()
        try:
            with hold(tmp_path, "test", str(number), "t0"):
                won.append(number)
                done.wait()
        except LockHeld:
            done.wait()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_the_lock_is_let_go_after_an_error_and_no_death_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="boom"), hold(tmp_path, "test", "me", "t0"):
        raise ValueError("boom")
    with hold(tmp_path, "test", "me", "t2") as dead:
        assert dead is None


def test_a_lock_that_cannot_be_written_is_told_before_anything_is_begun(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StepFailed, match="nothing was begun"), hold(tmp_path / "file", "test", "me", "t0"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"user": "x"}', "\0\xff"])
def test_a_holder_whose_note_cannot_be_read_holds_all_the_same(tmp_path: pathlib.Path, content: str) -> None:
    with hold(tmp_path, "test", "me", "t0"):
        (tmp_path / "test.lock").write_text(content)
        with pytest.raises(LockHeld, match="left no name"), hold(tmp_path, "test", "other", "t0"):
            pass
