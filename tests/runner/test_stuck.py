"""An ansible-playbook that waits for ever for a lock that a killed worker took with it is found, and one that only waits for its workers is not."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest

from surefoot.stuck import STUCK_SECONDS, Stuck

FOR_EVER = "import multiprocessing; lock = multiprocessing.Lock(); lock.acquire(); print(flush=True); lock.acquire()"
FOR_WORKERS = "import time; print(flush=True)\nwhile True: time.sleep(0.001)"


@contextlib.contextmanager
def playbook(program: str, name: str) -> t.Iterator[int]:
    environment = {**os.environ, "AWX_ISOLATED_DATA_DIR": f"/tmp/{name}/artifacts"}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def until_it_waits(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not pathlib.Path(f"/proc/{pid}/wchan").read_text().startswith("futex"):
        assert time.monotonic() < deadline, "it never waited for the lock"
        time.sleep(0.01)


def looks(stuck: Stuck, now: list[float], seconds: float) -> bool:
    for _ in range(int(seconds)):
        now[0] += 1.0
        stuck.look()
    return stuck.look()


def test_one_that_waits_for_a_lock_that_nobody_gives_back_is_stuck() -> None:
    now = [0.0]
    with playbook(FOR_EVER, "surefoot-run-stuck") as pid:
        until_it_waits(pid)
        stuck = Stuck("surefoot-run-stuck", clock=lambda: now[0])
        assert not looks(stuck, now, STUCK_SECONDS)
        assert looks(stuck, now, 2)


@pytest.mark.parametrize(("program", "name"), [(FOR_WORKERS, "surefoot-run-stuck"), (FOR_EVER, "surefoot-run-another")])
def test_one_that_waits_for_its_workers_is_not_nor_is_that_of_another_run(program: str, name: str) -> None:
    now = [0.0]
    with playbook(program, name):
        assert not looks(Stuck("surefoot-run-stuck", clock=lambda: now[0]), now, 3 * STUCK_SECONDS)


def test_one_that_is_not_there_yet_is_not_stuck() -> None:
    now = [0.0]
    assert not looks(Stuck("surefoot-run-none", clock=lambda: now[0]), now, 3 * STUCK_SECONDS)
