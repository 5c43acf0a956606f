"""Whether a holder is dead is told with certainty or not at all."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.action.environment_lock import is_gone, process_of


def sleeper(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    code = "import time; print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code, *words], env={**os.environ, **environment}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def entry(process: subprocess.Popen[bytes], token: str = "some-token") -> dict[str, t.Any]:
    return {"token": token, "pid": process.pid, "process": process_of(process.pid)}


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_a_process_that_runs_is_alive_and_one_that_was_killed_is_gone() -> None:
    process = sleeper()
    holder = entry(process)
    assert not is_gone(holder)
    process.kill()
    # Dead, though nobody has asked for its exit code yet.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(holder)
    process.communicate()
    assert is_gone(holder)


def test_a_process_that_got_the_number_of_a_dead_one_is_not_the_holder() -> None:
    process = sleeper()
    holder = entry(process)
    assert is_gone({**holder, "process": {**holder["process"], "started": "1"}})
    end(process)


@pytest.mark.parametrize(
    "other", [{"boot": "another"}, {"host": "another"}, {"namespace": "pid:[1]"}, {"user": -1}, {"boot": None}], ids=lambda other: next(iter(other))
)
def test_nothing_is_said_of_a_process_elsewhere(other: dict[str, t.Any]) -> None:
    process = sleeper()
    holder = entry(process)
    end(process)
    assert is_gone(holder)
    assert not is_gone({**holder, "process": {**holder["process"], **other}})


@pytest.mark.parametrize("broken", [{"process": None}, {"process": {}}, {"pid": "1"}, {"pid": 0}, {"pid": -1}, {"pid": 10**30}])
def test_nothing_is_said_of_an_entry_that_makes_no_sense(broken: dict[str, t.Any]) -> None:
    process = sleeper()
    holder = entry(process)
    end(process)
    assert not is_gone({**holder, **broken})


def test_ansible_that_outlives_its_runner_keeps_the_holder_alive_but_a_service_does_not(tmp_path: pathlib.Path) -> None:
    runner = sleeper()
    holder = entry(runner, "the-token")
    end(runner)
    service = sleeper("gunicorn", SUREFOOT_LOCK="the-token")
    other = sleeper("ansible-playbook", SUREFOOT_LOCK="another-token")
    assert is_gone(holder)
    orphan = sleeper("ansible-playbook", SUREFOOT_LOCK="the-token")
    assert not is_gone(holder)
    end(orphan)
    assert is_gone(holder)
    end(service)
    end(other)
