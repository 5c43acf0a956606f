"""When a service counts as healthy, with a manager whose answers are written down and an HTTP server that is real."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from _restart import free_port, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import process, watch
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Status
from ansible_collections.surefoot.release.plugins.module_utils.service.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.service.process import Process


class Script:
    """A manager that says one thing after the other, and the last one for ever."""

    def __init__(self, *statuses: Status) -> None:
        self.statuses = list(statuses)
        self.asked = 0

    def status(self) -> Status:
        self.asked += 1
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def restart(self, when_stopped: t.Callable[[], None]) -> None:
        raise AssertionError("watching does not restart")

    def reload(self) -> None:
        raise AssertionError("watching does not reload")


def life(number: int) -> Status:
    return Status("running", Process(number, number, time.time()), f"process {number}")


DOWN = Status("stopped", None, "exited with 1")
STARTING = Status("starting", None, "starting")


@contextlib.contextmanager
def answering(status: int = 200, body: bytes = b'{"version": "2.0.0"}', wait: float = 0) -> t.Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stop.wait(wait)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: t.Any) -> None:
            pass

    stop = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live"
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def wait(manager: Script, expected: str | None = "2.0.0", **given: t.Any) -> watch.Healthy:
    options = {"manager": "systemd", "service": "shop", "health_timeout": 5, "health_interval": 0.01, **given}
    return watch.until_healthy(manager, with_defaults(ARGUMENT_SPEC, options), expected=expected)


def test_first_good_answer_is_enough() -> None:
    with answering() as url:
        healthy = wait(Script(STARTING, STARTING, life(1)), health_url=url, version_key="version")
    assert (healthy.version, healthy.status) == ("2.0.0", life(1))


def test_wrong_version_fails_at_once() -> None:
    began = time.monotonic()
    with answering() as url, pytest.raises(StepFailed, match=r"shop answers version 2\.0\.0, expected is 3\.0\.0; found: process 1, http://.* answered 200"):
        wait(Script(life(1)), "3.0.0", health_url=url, version_key="version", health_timeout=60)
    assert time.monotonic() - began < 30


def test_deadline_carries_the_last_observation() -> None:
    url = f"http://127.0.0.1:{free_port()}/live"
    with pytest.raises(StepFailed, match=r"shop was not healthy within 0.2 s; found: process 1, http://.*/live gave no answer \(.*refused"):
        wait(Script(life(1)), health_url=url, health_timeout=0.2)
    with answering(503, b"starting") as url, pytest.raises(StepFailed, match="answered 503 'starting', expected is 200"):
        wait(Script(life(1)), health_url=url, health_timeout=0.2)
    with answering(200, b"{}") as url, pytest.raises(StepFailed, match="no version in it"):
        wait(Script(life(1)), health_url=url, health_timeout=0.2, version_key="version")


def test_server_that_never_answers_does_not_outlast_the_deadline() -> None:
    began = time.monotonic()
    with answering(wait=60) as url, pytest.raises(StepFailed, match=r"gave no answer \(timed out\)"):
        wait(Script(life(1)), health_url=url, health_timeout=0.3)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("member_drained", "says"), [(True, "left drained, so no user"), (False, "still in its pool, so users"), (None, "not put back in any pool")]
)
def test_failure_says_where_users_are(member_drained: bool | None, says: str) -> None:
    with pytest.raises(StepFailed, match=says):
        wait(Script(life(1)), health_url=f"http://127.0.0.1:{free_port()}/", health_timeout=0.1, member_drained=member_drained)


def test_the_manager_is_not_bothered_while_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline it is, so that the last observation is whole."""
    monkeypatch.setattr(watch, "_MANAGER_SECONDS", 60)
    manager = Script(STARTING)
    with pytest.raises(StepFailed, match=r"not healthy within 0\.2 s; found: starting"):
        wait(manager, health_url=f"http://127.0.0.1:{free_port()}/", health_timeout=0.2)
    assert manager.asked == 2


def test_nor_is_it_while_the_process_that_it_named_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_MANAGER_SECONDS", 0)
    manager = Script(Status("running", process.find(os.getpid()), "it is this one"))
    with pytest.raises(StepFailed, match=r"not healthy within 0\.2 s; found: it is this one"):
        wait(manager, health_url=f"http://127.0.0.1:{free_port()}/", health_timeout=0.2)
    assert manager.asked == 2


def test_service_that_dies_again_and_again_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_MANAGER_SECONDS", 0.01)
    lives = [status for number in range(1, 9) for status in (life(number), STARTING)]
    with pytest.raises(StepFailed, match=r"shop dies and is started again and again; found: processes 1, 2, 3;"):
        wait(Script(*lives), health_url=f"http://127.0.0.1:{free_port()}/", health_timeout=60)


def test_service_that_answers_and_dies_each_time_is_recognized() -> None:
    with answering() as url, pytest.raises(StepFailed, match="again and again"):
        wait(Script(*(life(number) for number in range(1, 9))), health_url=url, health_timeout=60)


def test_answer_of_another_process_does_not_count() -> None:
    """The new process dies for want of the port, while one left over from before answers in its place."""
    with answering() as url, pytest.raises(StepFailed, match="went down and stays down; found: exited with 1"):
        wait(Script(life(2), DOWN), health_url=url, health_timeout=60)


def test_successor_of_a_dead_process_must_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_DOUBT_SECONDS", 0.3)
    began = time.monotonic()
    with answering() as url:
        wait(Script(life(1), life(2)), health_url=url)
    assert time.monotonic() - began >= 0.3


def test_without_anything_to_ask_it_must_run_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_DOUBT_SECONDS", 0.2)
    assert wait(Script(life(1)), None).version is None
    with pytest.raises(StepFailed, match="went down"):
        wait(Script(life(1), life(1), life(1), DOWN), None)


def test_what_only_its_process_tells_of_is_not_doubted_again_after_a_long_life() -> None:
    long = Status("running", Process(1, 1, time.time() - 3600), "process 1")
    began = time.monotonic()
    wait(Script(long), None, stable_for=1800)
    assert time.monotonic() - began < 1
    with answering() as url, pytest.raises(StepFailed, match=r"for less than 1800 s"):
        wait(Script(long), None, stable_for=1800, health_url=url, health_timeout=0.1)


def test_the_version_before_is_no_failure_while_a_service_reloads_but_not_enough() -> None:
    options = {"manager": "systemd", "service": "shop", "version_key": "version", "health_interval": 0.01, "reload_timeout": 0.2}
    with answering() as url:
        params = with_defaults(ARGUMENT_SPEC, {**options, "health_url": url})
        with pytest.raises(StepFailed, match=r"not enough within 0\.2 s; found: .*'\{\"version\": \"2\.0\.0\"\}', expected is version 3\.0\.0"):
            watch.until_reloaded(Script(life(1)), params, expected="3.0.0", since=0)
        assert watch.until_reloaded(Script(life(1)), params, expected="2.0.0", since=0).version == "2.0.0"


def test_a_worker_from_before_the_reload_is_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    options = {"manager": "systemd", "service": "shop", "version_key": "version", "health_interval": 0.01, "reload_timeout": 0.2}
    parent = Status("running", process.find(os.getpid()), "this test")
    try:
        started = process.find(child.pid)
        assert started
        with answering() as url:
            params = with_defaults(ARGUMENT_SPEC, {**options, "health_url": url})
            with pytest.raises(StepFailed, match=rf"process .*{child.pid}.* is still there from before the reload"):
                watch.until_reloaded(Script(parent), params, expected="2.0.0", since=started.ticks + 1)
            assert watch.until_reloaded(Script(parent), params, expected="2.0.0", since=0).version == "2.0.0"
    finally:
        child.kill()
        child.communicate()


def test_version_of_a_member_that_answers_503_because_it_is_drained() -> None:
    with answering() as live, answering(503, json.dumps({"build": {"version": 7}}).encode()) as health_of_the_balancer:
        assert wait(Script(life(1)), "7", health_url=live, version_url=health_of_the_balancer, version_key="build.version").version == "7"
