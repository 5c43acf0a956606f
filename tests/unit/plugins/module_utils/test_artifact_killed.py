"""Killed at every change it makes to the disk, and out of room at every size: run again, the end state is that of an unbroken run."""

from __future__ import annotations

import os
import pathlib
import resource
import signal
import sys
import tarfile
import threading
import time
import typing as t

import pytest
from _artifacts import artifact, found, install, names, snapshot

from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.utime", "subprocess.Popen"}
PREPARE = [["sh", "-c", "echo 1 > prepared"], ["sh", "-c", "cat prepared > again"]]


def in_child(work: t.Callable[[], object]) -> int:
    """The exit status of `work` in a forked process: 0, 1 when it failed as a step fails, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            work()
            status = 0
        except StepFailed:
            status = 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying(at: int, directory: pathlib.Path, work: t.Callable[[], object]) -> t.Callable[[], object]:
    """`work`, killed right before its change number `at` to what is below `directory`."""

    def run() -> object:
        left = at

        def watch(event: str, arguments: tuple[t.Any, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if (writes and str(arguments[0]).startswith(str(directory))) or event in CHANGES:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        return work()

    return run


def scene(directory: pathlib.Path, name: str) -> pathlib.Path:
    """An application with three releases, the second of them live."""
    app = directory / name
    for version in ("0.7.0", "0.8.0", "0.9.0"):
        install(app, version, src="a", uploaded=str(directory / f"app-{version}.tar.gz"), state="staged", shared=["media/"])
    install(app, "0.8.0")
    return app


@pytest.mark.parametrize("state", ["staged", "live"])
def test_killed_anywhere_and_run_again(tmp_path: pathlib.Path, state: str) -> None:
    for version in ("0.7.0", "0.8.0", "0.9.0", "1.0.0"):
        artifact(tmp_path, version)

    def release(app: pathlib.Path) -> t.Any:
        return install(app, "1.0.0", src="a", uploaded=str(tmp_path / "app-1.0.0.tar.gz"), state=state, shared=["media/"], prepare=PREPARE, keep=1)

    unbroken = scene(tmp_path, "unbroken")
    release(unbroken)
    wanted = snapshot(unbroken)
    assert found(unbroken)[1] == ["0.8.0", "0.9.0", "1.0.0"]
    at = 0
    while True:
        at += 1
        app = scene(tmp_path, str(at))
        status = in_child(dying(at, app, lambda app=app: release(app)))  # type: ignore[misc]
        if status == 0:
            break
        assert status == -signal.SIGKILL
        live, staged = found(app)
        assert live in (("0.8.0", "1.0.0") if state == "live" else ("0.8.0",))
        assert (app / "current/VERSION").read_text() == live
        if "1.0.0" in staged:
            assert (app / "releases/1.0.0/again").read_text() == "1\n"
            assert (app / "releases/1.0.0/app/main.py").exists()
        release(app)
        assert snapshot(app) == wanted, f"killed before change {at}"
    assert at > 30


def test_killed_again_and_again_until_it_gets_through(tmp_path: pathlib.Path) -> None:
    for version in ("0.7.0", "0.8.0", "0.9.0", "1.0.0"):
        artifact(tmp_path, version)
    app = scene(tmp_path, "app")

    def release() -> t.Any:
        return install(app, "1.0.0", src="a", uploaded=str(tmp_path / "app-1.0.0.tar.gz"), prepare=PREPARE, keep=0)

    for at in (*range(1, 60, 4), *range(60, 1, -7)):
        assert in_child(dying(at, app, release)) in (0, -signal.SIGKILL)
    release()
    assert found(app) == ("1.0.0", ["0.8.0", "1.0.0"])
    assert names(app / ".surefoot") == ["artifacts", "lock"]
    assert names(app / "releases") == ["0.8.0", "1.0.0"]


def test_another_version_after_a_killed_one_cleans_up(tmp_path: pathlib.Path) -> None:
    for version in ("0.7.0", "0.8.0", "0.9.0", "1.0.0", "1.0.1"):
        artifact(tmp_path, version)
    app = scene(tmp_path, "app")
    kill = ["sh", "-c", "kill -9 $PPID"]
    assert in_child(lambda: install(app, "1.0.0", src="a", uploaded=str(tmp_path / "app-1.0.0.tar.gz"), prepare=[kill])) == -signal.SIGKILL
    assert (app / "releases/1.0.0").is_dir()
    assert found(app) == ("0.8.0", ["0.7.0", "0.8.0", "0.9.0"])
    install(app, "1.0.1", src="a", uploaded=str(tmp_path / "app-1.0.1.tar.gz"))
    assert names(app / "releases") == ["0.7.0", "0.8.0", "0.9.0", "1.0.1"]


def test_a_command_left_behind_by_a_killed_run_is_waited_for(tmp_path: pathlib.Path) -> None:
    packed, app = artifact(tmp_path, "1.0.0"), tmp_path / "app"
    go_on = tmp_path / "go-on"
    orphan = ["sh", "-c", f"kill -9 $PPID; while [ ! -e {go_on} ]; do sleep 0.02; done; echo late > late"]
    assert in_child(lambda: install(app, "1.0.0", src="a", uploaded=str(packed), prepare=[orphan])) == -signal.SIGKILL
    again = threading.Thread(target=install, args=(app, "1.0.0"), kwargs=dict(src="a", uploaded=str(packed)))
    again.start()
    time.sleep(0.3)
    assert again.is_alive()
    assert (app / ".surefoot/staging-1.0.0").exists()
    go_on.touch()
    again.join(timeout=20)
    assert found(app) == ("1.0.0", ["1.0.0"])
    assert not (app / "current/late").exists()


@pytest.mark.parametrize("room", [0, 1, 10, 100, 5000, 60000])
def test_out_of_room_leaves_nothing_half(tmp_path: pathlib.Path, room: int) -> None:
    for version in ("0.7.0", "0.8.0", "0.9.0"):
        artifact(tmp_path, version)
    large = artifact(tmp_path, "1.0.0", {"blob": os.urandom(70000)})
    app = scene(tmp_path, "app")
    before = snapshot(app)

    def release() -> t.Any:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        return install(app, "1.0.0", src="a", uploaded=str(large))

    assert in_child(release) == 1
    assert snapshot(app) == before


def test_out_of_room_for_the_record_alone(tmp_path: pathlib.Path) -> None:
    app, packed = tmp_path / "app", tmp_path / "tiny.tar"
    (tmp_path / "one").write_text("1")
    with tarfile.open(packed, "w") as archive:
        archive.add(tmp_path / "one", "one")

    def release() -> t.Any:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))
        return install(app, "1.0.0", src="a", uploaded=str(packed))

    assert in_child(release) == 1
    assert found(app) == (None, [])
    assert names(app / "releases") == []
    assert names(app / ".surefoot/artifacts") == []
