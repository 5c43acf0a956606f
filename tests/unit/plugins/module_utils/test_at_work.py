"""Two steps never work on one thing of a host at once, and a dead one keeps nobody waiting."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import typing as t
import uuid

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.at_work import alone
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mark is one that only Linux has")

HOLDS = """
import json, sys
from ansible_collections.surefoot.release.plugins.module_utils.at_work import alone
with alone("restart", json.loads(sys.argv[1]), ["service"]):
    print("at work", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def thing() -> dict[str, t.Any]:
    return {"service": uuid.uuid4().hex}


@contextlib.contextmanager
def another(thing: t.Mapping[str, t.Any]) -> t.Iterator[subprocess.Popen[str]]:
    """A process that restarts the thing until its standard input is closed."""
    command = [sys.executable, "-c", HOLDS, json.dumps(thing)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        yield process
        process.kill()


def test_another_at_work_is_refused_and_named(thing: dict[str, t.Any]) -> None:
    with (
        another(thing) as process,
        pytest.raises(Refused, match="Another restart of the same is at work") as refused,
        alone("restart", thing, ["service"], wait=0),
    ):
        pass
    assert f"process {process.pid} of user" in str(refused.value.seen)
    assert "at work for" in str(refused.value.seen)


def test_what_was_killed_at_work_is_waited_for_no_longer(thing: dict[str, t.Any]) -> None:
    with another(thing) as process:
        process.kill()
        process.wait()
        with alone("restart", thing, ["service"], wait=0):
            pass


def test_another_that_ends_is_waited_for(thing: dict[str, t.Any]) -> None:
    with another(thing) as process:
        assert process.stdin is not None
        process.stdin.close()
        with alone("restart", thing, ["service"], wait=30):
            assert process.wait(30) == 0


def test_another_thing_and_another_kind_are_let_be(thing: dict[str, t.Any]) -> None:
    with another(thing), alone("restart", {"service": uuid.uuid4().hex}, ["service"], wait=0), alone("pool_member", thing, ["service"], wait=0):
        pass


def test_one_after_the_other_in_one_process(thing: dict[str, t.Any]) -> None:
    for _ in range(2):
        with alone("restart", thing, ["service"], wait=0):
            pass
