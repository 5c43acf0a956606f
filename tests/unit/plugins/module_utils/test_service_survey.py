"""What a service runs, decided from what was seen."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time
import typing as t

import pytest
from _restart import with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.service import process
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Status
from ansible_collections.surefoot.release.plugins.module_utils.service.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.service.process import Home, Live, Process
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import Observation, clock, judge, survey
from ansible_collections.surefoot.release.plugins.module_utils.undeclared import undeclared

NOON = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
RUNNING = Status("running", Process(7, 100, NOON), "running")
LIVE = Live("2.0.0", NOON + 60)
OLD, NEW = Process(8, 159, NOON + 59), Process(9, 161, NOON + 61)


def observation(**changes: t.Any) -> Observation:
    seen: dict[str, t.Any] = {"service": "shop", "status": RUNNING, "live": LIVE, "home": None, "answered": None, "expected": "2.0.0"}
    return Observation(**{**seen, **changes})


@pytest.mark.parametrize(
    ("changes", "stale", "reason"),
    [
        ({"home": Home("1.0.0", False, "/x")}, True, "shop runs 1.0.0, 2.0.0 is live"),
        ({"home": Home("2.0.0", False, "/x")}, False, "shop runs 2.0.0, which is live"),
        ({"home": Home("2.0.0", True, "/x")}, True, "shop runs in a copy of 2.0.0 that is gone from disk"),
        ({"answered": "1.0.0"}, True, "shop answers version 1.0.0, expected is 2.0.0"),
        ({"answered": "2.0.0"}, False, "shop answers version 2.0.0, as expected"),
        ({"answered": "1.0.0", "live": None}, True, "shop answers version 1.0.0, expected is 2.0.0"),
        ({"answered": "2.0.0", "workers": ()}, False, "shop answers version 2.0.0, as expected"),
        ({"answered": "2.0.0", "workers": (NEW,)}, False, "shop answers version 2.0.0, as expected"),
        (
            {"answered": "2.0.0", "workers": (OLD, NEW)},
            True,
            "shop answers version 2.0.0, but its process 8 started 12:00:59, and 2.0.0 went live 12:01:00",
        ),
        ({"answered": "2.0.0", "workers": (OLD,), "live": None}, False, "shop answers version 2.0.0, as expected"),
        ({"answered": "2.0.0", "workers": (OLD,), "live": Live("2.0.0", NOON + 86400)}, False, "shop answers version 2.0.0, as expected"),
        ({"answered": "1.0.0", "workers": (NEW,)}, True, "shop answers version 1.0.0, expected is 2.0.0"),
        ({"answered": None, "workers": (NEW,)}, True, "shop does not say which version it runs"),
        ({}, True, "shop started 12:00:00, 2.0.0 went live 12:01:00"),
        ({"live": Live("2.0.0", NOON - 60)}, False, "shop started 12:00:00, 2.0.0 went live 11:59:00"),
        ({"live": None, "expected": None}, False, "shop runs, and nothing is live that it could be compared with"),
        ({"status": Status("running", None, "")}, True, "nothing tells what shop runs"),
        ({"status": Status("stopped", None, "exited")}, False, "shop does not run: exited"),
        ({"status": Status("unknown", None, "not-found")}, False, "shop is not known: not-found"),
    ],
)
def test_judgment(changes: dict[str, t.Any], stale: bool, reason: str) -> None:
    assert judge(observation(**changes), now=NOON + 120) == (stale, reason)


def test_working_directory_counts_more_than_clocks() -> None:
    tomorrow = Live("2.0.0", NOON + 86400)
    assert judge(observation(home=Home("1.0.0", False, "/x"), live=Live("2.0.0", NOON - 86400)), now=NOON)[0]
    assert not judge(observation(home=Home("2.0.0", False, "/x"), live=tomorrow), now=NOON)[0]


def test_a_live_link_from_the_future_is_not_believed() -> None:
    stale, reason = judge(observation(live=Live("2.0.0", NOON + 86400)), now=NOON + 1)
    assert stale
    assert reason == "nothing tells what shop runs: 2.0.0 went live 2026-03-05 12:00:00, which this host's clock has not reached"


def test_clock_names_the_day_only_where_it_is_another() -> None:
    assert clock(NOON, NOON + 5) == "12:00:00"
    assert clock(NOON, NOON + 86400) == "2026-03-04 12:00:00"


@pytest.fixture
def sleeper(tmp_path: pathlib.Path) -> t.Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "releases/1.0.0/app").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1.0.0")
    child = subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path / "current/app", stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


def test_home_is_what_the_kernel_resolved_at_start(sleeper: subprocess.Popen[bytes], tmp_path: pathlib.Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(tmp_path)
    assert process.home_of(sleeper.pid, str(tmp_path)) == Home("1.0.0", False, str(tmp_path / "releases/1.0.0/app"))
    assert process.home_of(sleeper.pid, str(alias)) == process.home_of(sleeper.pid, str(tmp_path))
    assert process.home_of(sleeper.pid, str(tmp_path / "elsewhere")) is None


def test_home_that_was_replaced_by_its_namesake_is_known_as_deleted(sleeper: subprocess.Popen[bytes], tmp_path: pathlib.Path) -> None:
    shutil.rmtree(tmp_path / "releases/1.0.0")
    (tmp_path / "releases/1.0.0/app").mkdir(parents=True)
    home = process.home_of(sleeper.pid, str(tmp_path))
    assert home
    assert (home.version, home.deleted) == ("1.0.0", True)


def test_process_is_named_by_pid_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    found = process.find(sleeper.pid)
    assert found
    assert found == process.find(sleeper.pid)
    assert abs(found.started_at - time.time()) < 60
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert process.find(sleeper.pid) is None, "a zombie does not run"


def test_a_process_is_the_same_when_the_clock_was_set_back(sleeper: subprocess.Popen[bytes], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pid").write_text(str(sleeper.pid))
    commands = {"start": ["true"], "stop": ["true"], "pid_file": str(tmp_path / "pid")}
    params = with_defaults(ARGUMENT_SPEC, {"manager": "command", "service": "shop", "commands": commands, "path": str(tmp_path)})
    now = time.time()
    before = survey(params, t.cast("t.Any", None))
    monkeypatch.setattr("time.time", lambda: now - 3600)
    after = survey(params, t.cast("t.Any", None))
    assert after["started_at"] < before["started_at"] - 3000
    assert undeclared({"service": before}, {"service": after}, ()) == []


def test_workers_are_the_living_children_oldest_first() -> None:
    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
    pids = [child.pid for child in children]
    try:
        found = process.workers_of(os.getpid())
        assert [worker.pid for worker in found if worker.pid in pids] == sorted(pids, key=lambda pid: process.find(pid).ticks)  # type: ignore[union-attr]
        assert all(worker.ticks <= process.now_in_ticks() for worker in found)
        children[0].kill()
        os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
        assert {worker.pid for worker in process.workers_of(os.getpid())} & set(pids) == {pids[1]}
        assert process.workers_of(pids[1]) == ()
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_live_needs_a_link(tmp_path: pathlib.Path) -> None:
    assert process.live_in(str(tmp_path)) is None
    (tmp_path / "current").mkdir()
    assert process.live_in(str(tmp_path)) is None


def test_survey_of_a_host_without_the_manager_is_data(tmp_path: pathlib.Path) -> None:
    given = {"manager": "supervisor", "service": "shop", "supervisor_config": str(tmp_path / "none.conf")}
    found = survey(with_defaults(ARGUMENT_SPEC, given), run=lambda *a, **k: (1, "", ""))
    assert (found["known"], found["running"], found["stale"]) == (False, False, False)
    assert "none.conf" in found["reason"]
