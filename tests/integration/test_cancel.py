"""Cancelled in the middle of a long module: the outcome is told within a second, and nothing is left at work."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import threading
import time
import typing as t

import pytest
from _small import Small, a_small_project, gone

from faults._kills import marked
from helpers import BIN, ansible_environment, take_signals
from surefoot import Project
from surefoot.events import ReleaseEnded

WITHIN = 1.0


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Small:
    small = a_small_project(tmp_path / "small")
    small.take(long=True)
    return small


def by_command(small: Small) -> float:
    """How many seconds after Ctrl-C `surefoot apply` told the outcome."""
    mark = f"ROAD_MARK={small.root}"
    argv = [str(BIN / "surefoot"), "apply", "--yes", "--json"]
    options: dict[str, t.Any] = {"text": True, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = ansible_environment(**dict([mark.split("=", 1)]))
    with subprocess.Popen(argv, cwd=small.root, env=environment, start_new_session=True, preexec_fn=take_signals, **options) as running:
        pid = small.module_at_work()
        asked = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.stdout is not None
        told = next(event for line in running.stdout if (event := json.loads(line)).get("event") == "ReleaseEnded")
        took = time.monotonic() - asked
        running.communicate(timeout=30)
    assert told["outcome"] == "cancelled"
    assert running.returncode == 3
    assert gone(pid)
    assert marked(mark) == {}
    return took


def by_api(small: Small) -> float:
    """How many seconds after `cancel` from another thread the outcome came."""
    work = Project.load(small.path).apply("dark")
    asked: list[float] = []
    pids: list[int] = []

    def cancel() -> None:
        pids.append(small.module_at_work())
        asked.append(time.monotonic())
        work.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    told, when = next((event, time.monotonic()) for event in work if isinstance(event, ReleaseEnded))
    thread.join()
    rest = list(work)
    assert work.result is not None
    assert (told.outcome, work.result.ok, rest) == ("cancelled", False, [])
    assert gone(pids[0])
    return when - asked[0]


def test_cancelled_in_the_middle_of_a_long_module_the_outcome_is_told_within_a_second(small: Small) -> None:
    took = [by_command(small), by_api(small)]
    if max(took) > WITHIN:  # by us, or by whatever else this machine did at that very moment
        took.append(by_command(small))
    assert sorted(took)[1] <= WITHIN, f"told after {', '.join(f'{seconds:.2f} s' for seconds in took)}"
    assert small.flag() is None
    small.take(long=False)
    assert Project.load(small.path).apply("dark").finish().ok, "what was cancelled goes on"
    assert small.flag() == "off"
