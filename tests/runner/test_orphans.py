"""What a killed runner left at work is found by its mark and ended; what only carries the mark is left alone."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.environment_lock import MARK
from surefoot import orphans

SLEEPS = "import signal, sys, time\nif 'deaf' in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"


@contextlib.contextmanager
def process(directory: pathlib.Path, name: str, token: str, *arguments: str) -> t.Iterator[subprocess.Popen[str]]:
    """A real process that is called `name` and carries the mark of `token`."""
    program = directory / name
    program.write_text(SLEEPS)
    command = [sys.executable, str(program), *arguments]
    running = subprocess.Popen(command, env={**os.environ, MARK: token}, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def test_ansible_of_a_dead_holder_is_ended(tmp_path: pathlib.Path) -> None:
    with process(tmp_path, "ansible-playbook", "t1") as running:
        (ended,) = orphans.end("t1", patience=0.1)
        assert "ansible-playbook" in ended
        assert running.wait(5) == -signal.SIGTERM


def test_a_module_that_came_through_a_pipe_is_ended() -> None:
    """With pipelining there is no file whose name would tell it."""
    options: dict[str, t.Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable], env={**os.environ, MARK: "t1"}, **options) as running:
        assert running.stdin is not None
        running.stdin.write(SLEEPS)
        running.stdin.close()
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        assert len(orphans.end("t1", patience=0.1)) == 1
        assert running.wait(5) == -signal.SIGTERM


def test_a_module_that_runs_directly_is_ended() -> None:
    name = "ansible_collections.surefoot.release.plugins.modules.restart"
    options: dict[str, t.Any] = {"stdout": subprocess.PIPE, "text": True, "env": {**os.environ, MARK: "t1"}}
    with subprocess.Popen([sys.executable, "-c", SLEEPS, name], **options) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        assert len(orphans.end("t1", patience=0.1)) == 1
        assert running.wait(5) == -signal.SIGTERM


def test_what_does_not_listen_is_killed(tmp_path: pathlib.Path) -> None:
    with process(tmp_path, "AnsiballZ_migrate.py", "t1", "deaf") as running:
        orphans.end("t1", patience=0.2)
        assert running.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize(("name", "token"), [("ansible-playbook", "t2"), ("bookshop", "t1")])
def test_other_holders_and_services_are_left_alone(tmp_path: pathlib.Path, name: str, token: str) -> None:
    with process(tmp_path, name, token) as running:
        assert orphans.end("t1", patience=0.1) == ()
        assert running.poll() is None
