"""A step that outlives the ansible that began it is not joined by a second of its kind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from _restart import App, await_true

from helpers import BIN, ROOT, ansible_environment, run_module

MODULE = "surefoot.release.restart"
SLOW_STOP = """
import os, pathlib, signal, time
root = pathlib.Path({root!r})
with (root / "stops").open("a") as stops:
    stops.write("stop\\n")
while not (root / "go on").exists():
    time.sleep(0.02)
os.kill(int((root / "pid").read_text()), signal.SIGTERM)
"""


def modules_at_work(marker: str) -> list[int]:
    """The living restart modules that ansible runs for one of the runs of this test."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if any(word.endswith(b"AnsiballZ_restart.py") for word in words[1:2]) and marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def kill_ansible(process: subprocess.Popen[bytes], marker: str) -> None:
    """kill -9 for ansible and its workers, and not for the modules."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if any(word.endswith(b"/ansible") for word in words[:2]) and marker.encode() in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
    process.wait(20)


def test_a_second_restart_waits_for_one_that_nobody_waits_for_any_more(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = app.root / "stop.py"
    stop.write_text(SLOW_STOP.format(root=str(app.root)))
    options = app.options(stop_timeout=60, health_timeout=60)
    options["commands"] = {**options["commands"], "stop": [sys.executable, str(stop)]}
    (app.root / "go on").touch()
    assert not run_module("restart", options)["failed"]
    (app.root / "go on").unlink()
    app.release("2.0.0")
    app.activate("2.0.0")

    marker = f"ROAD_MARK={app.root}"
    monkeypatch.setenv(*marker.split("="))
    command = [str(BIN / "ansible"), "localhost", "-m", MODULE, "-a", json.dumps(options), "-e", f"ansible_python_interpreter={sys.executable}"]
    with subprocess.Popen(command, cwd=ROOT, env=ansible_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        await_true(lambda: (app.root / "stops").exists(), timeout=60)
        (orphan,) = modules_at_work(marker)
        kill_ansible(first, marker)
    assert modules_at_work(marker) == [orphan]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        second = pool.submit(run_module, "restart", options)
        await_true(lambda: len(modules_at_work(marker)) == 2, timeout=60)
        with pytest.raises(concurrent.futures.TimeoutError):
            second.result(1)
        (app.root / "go on").touch()
        result = second.result(60)
    assert not result["failed"], result
    assert not result["changed"]
    assert (app.root / "stops").read_text() == "stop\n"
