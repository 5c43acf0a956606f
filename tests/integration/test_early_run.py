"""A runner that is killed while the run it started early still waits leaves nothing that could begin, and nothing in the way of the next one."""

from __future__ import annotations

import pathlib
import signal
import subprocess

import pytest
from _migrate import until
from _small import a_small_project

from faults._kills import marked
from helpers import BIN, ansible_environment


@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN])
def test_what_waits_for_a_killed_runner_ends(tmp_path: pathlib.Path, hangup: signal.Handlers) -> None:
    small = a_small_project(tmp_path / "small")
    mark = f"EARLY_MARK={small.root}"
    argv = [str(BIN / "surefoot"), "apply", "--yes"]
    environment = ansible_environment(**dict([mark.split("=", 1)]))
    # Under nohup, for example, the end of its terminal does not end ansible-playbook.
    running = subprocess.Popen(
        argv, cwd=small.root, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGHUP, hangup)
    )
    until(lambda: any("release.yml" in what for what in marked(mark).values()))
    running.kill()
    running.wait()
    if hangup == signal.SIG_DFL:
        until(lambda: not marked(mark))
    assert small.flag() is None

    again = subprocess.run(argv, cwd=small.root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stdout + again.stderr
    until(lambda: not marked(mark))
    assert small.flag() is not None
