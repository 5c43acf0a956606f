"""surefoot in the process of somebody else: several projects at once, none of which leaves a trace in it."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import signal
import sys
import threading

import pytest
from _small import a_small_project, gone

from surefoot import Applied, Project
from surefoot.lock import LockHeld


def apply(path: pathlib.Path) -> Applied:
    return Project.load(path).apply("dark").finish()


def test_two_projects_at_work_in_one_process_know_nothing_of_each_other(tmp_path: pathlib.Path) -> None:
    """While one of them is at its release, the other goes through its own, is refused a second time, and the first is cancelled in the end."""
    slow, quick = a_small_project(tmp_path / "slow", "slow"), a_small_project(tmp_path / "quick", "quick")
    slow.take(long=True)
    process = ({number: signal.getsignal(number) for number in signal.valid_signals()}, dict(os.environ), pathlib.Path.cwd(), list(sys.argv), os.umask(0o022))
    os.umask(process[-1])

    work = Project.load(slow.path).apply("dark")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(work.finish)
        try:
            pid = slow.module_at_work()
            assert apply(quick.path).ok
            assert (quick.flag(), slow.flag()) == ("off", None)
            assert not first.done()
            with pytest.raises(LockHeld) as held:
                apply(slow.path)
            assert "Project.apply('dark', 'test')" in str(held.value.seen)
            assert f"process {os.getpid()}" in str(held.value.seen)
        finally:
            work.cancel()
        assert [outcome.state for outcome in first.result().outcomes.values()] == ["cancelled"]
    assert gone(pid)

    for small, told in ((quick, ["started", "released", "verified"]), (slow, ["started", "failed"])):
        entries = Project.load(small.path).history()
        assert [entry.kind for entry in entries] == told
    assert (quick.root / "receipts/quick.json").exists()
    assert not (slow.root / "receipts/slow.json").exists()
    now = ({number: signal.getsignal(number) for number in signal.valid_signals()}, dict(os.environ), pathlib.Path.cwd(), list(sys.argv), os.umask(0o022))
    os.umask(now[-1])
    assert now == process
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("surefoot")] == []

    slow.take(long=False)
    assert apply(slow.path).ok, "what was cancelled goes on"
    assert slow.flag() == "off"
