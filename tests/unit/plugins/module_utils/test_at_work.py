"""Two steps never work on one thing of a host at once, a dead one keeps nobody waiting, and surveys see what is at work for their application."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import typing as t
import uuid

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.at_work import alone, marked, seen, spoken
from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mark is one that only Linux has")

SOCKETS = pathlib.Path("/proc/net/unix")

HOLDS = """
import json, sys
from ansible_collections.surefoot.release.plugins.module_utils.at_work import alone, marked
params = json.loads(sys.argv[1])
with marked("restart", {"receipt": None, **params}, "service"), alone("restart", params, ["service"]):
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
        pytest.raises(Busy, match="Another restart of the same is at work") as refused,
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


def named(receipt: str) -> list[tuple[str, str]]:
    return [(step["kind"], step["what"]) for step in seen(receipt)]


@pytest.fixture
def receipt() -> str:
    return f"/var/lib/surefoot/{uuid.uuid4().hex}.json"


def test_a_step_at_work_is_seen_by_whoever_has_the_same_receipt(thing: dict[str, t.Any], receipt: str) -> None:
    with another({**thing, "receipt": receipt}) as process:
        (step,) = seen(receipt)
        assert (step["kind"], step["what"], step["pid"], step["user"]) == ("restart", thing["service"][:32], process.pid, os.getuid())
        assert 0 <= step["seconds"] < 60
        assert spoken(step).startswith(f"process {process.pid} of user {os.getuid()}, at work for ")
        # Another application, and another host on the same machine.
        assert seen(receipt + ".other") == []
        process.kill()
        process.wait()
        assert seen(receipt) == []


def test_one_that_waits_for_another_is_seen_too(thing: dict[str, t.Any], receipt: str) -> None:
    """Nobody waits for it any more, but when its time comes it changes something."""
    waits = [sys.executable, "-c", HOLDS, json.dumps({**thing, "receipt": receipt})]
    with another(thing), subprocess.Popen(waits, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        poll(lambda: seen(receipt), bool, timeout=30, interval=0.02)
        assert named(receipt) == [("restart", thing["service"][:32])]
        process.kill()


def test_two_steps_of_one_kind_are_seen_both(receipt: str) -> None:
    with another({"service": "shop@1", "receipt": receipt}), another({"service": "shop@2", "receipt": receipt}):
        assert named(receipt) == [("restart", "shop@1"), ("restart", "shop@2")]


def test_a_receipt_is_the_same_by_any_of_its_paths(tmp_path: pathlib.Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to("state")
    with marked("install", {"receipt": str(tmp_path / "link/shop.json"), "version": "2.0.0"}, "version"):
        assert named(str(tmp_path / "state/shop.json")) == [("install", "2.0.0")]


def test_a_step_that_is_told_no_receipt_is_nobodys(thing: dict[str, t.Any]) -> None:
    with another(thing), marked("restart", {**thing, "receipt": None}, "service"):
        assert thing["service"][:32] not in SOCKETS.read_text(errors="replace")


def test_it_is_told_whose_a_mark_is_however_often_it_is_asked(thing: dict[str, t.Any], receipt: str) -> None:
    with another({**thing, "receipt": receipt}) as process:
        assert {seen(receipt)[0]["pid"] for _ in range(50)} == {process.pid}


def test_what_it_is_about_cannot_forge_anything(receipt: str) -> None:
    with marked("flush_cache", {"receipt": receipt, "prefix": "a b\n0: 1 @surefoot\x1b[2J" + "ä" * 200}, "prefix"):
        assert named(receipt) == [("flush_cache", "a?b?0:?1?@surefoot??2J" + "?" * 10)]


def test_names_of_strangers_are_no_steps(receipt: str) -> None:
    with marked("install", {"receipt": receipt, "version": "2.0.0"}, "version"), socket.socket(socket.AF_UNIX) as stranger:
        (line,) = [line for line in SOCKETS.read_text(errors="replace").splitlines() if line.endswith(f" {os.getpid()} 2.0.0")]
        name = line.partition(" @")[2]
        stranger.bind(f"\0{name} and more")
        assert named(receipt) == [("install", "2.0.0")]


def test_a_mark_that_cannot_be_made_keeps_nobody_from_working(receipt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: t.Any) -> t.NoReturn:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    with marked("install", {"receipt": receipt, "version": "2.0.0"}, "version"):
        assert seen(receipt) == []


def test_where_the_kernel_has_no_such_marks_nothing_is_seen(receipt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    with marked("install", {"receipt": receipt, "version": "2.0.0"}, "version"):
        assert seen(receipt) == []
