"""The terminal of a child that has ended is closed without waiting; one that still lives is ended as pexpect ends it."""

from __future__ import annotations

import pexpect
import pytest
from ansible_runner import runner

from surefoot.ended_child import close_at_once


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "pexpect", pexpect)
    close_at_once()


def test_only_ansible_runner_has_it() -> None:
    assert runner.pexpect.spawn is not pexpect.spawn
    assert runner.pexpect.EOF is pexpect.EOF
    assert runner.pexpect.exceptions is pexpect.exceptions


def test_what_has_ended_is_not_waited_for() -> None:
    child = runner.pexpect.spawn("/bin/sh", ["-c", "exit 3"])
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert child.ptyproc.delayafterclose == 0
    assert child.exitstatus == 3


def test_what_still_lives_is_given_time_and_then_ended() -> None:
    child = runner.pexpect.spawn("/bin/sh", ["-c", "echo here; exec sleep 60"])
    child.expect("here")
    child.close()
    assert child.ptyproc.delayafterclose > 0
    assert not child.isalive()
