"""The probe against a real server on loopback that is killed and started again under it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.impact import Declared, judge
from surefoot.models import HttpProbe
from surefoot.probe import Probe

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
RATE = 50


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def server(port: int) -> t.Iterator[None]:
    """A server that answers; it is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)])
    try:
        until(lambda: answers(port))
        yield
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def until(condition: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited for 20 s"
        time.sleep(0.01)


def probe_of(port: int, **keys: t.Any) -> Probe:
    return Probe("front", HttpProbe.model_validate({"url": f"http://127.0.0.1:{port}/", "rate": RATE, "timeout": "1s", **keys}))


def failures(probe: Probe) -> int:
    return sum(not sample.ok for sample in probe.samples())


def test_a_server_that_stays_up_is_felt_by_nobody(port: int) -> None:
    with server(port), probe_of(port) as probe:
        until(lambda: len(probe.samples()) >= 60)
        probe.stop()
        measured = probe.measured()
    assert judge(Declared(), measured).verdict == "kept", measured
    assert measured.requests >= 60
    assert measured.p95 is not None


def test_a_killed_server_is_measured_as_downtime(port: int) -> None:
    with server(port):
        probe = probe_of(port)
        probe.start()
        until(lambda: len(probe.samples()) >= 20)
    killed = time.time()
    until(lambda: failures(probe) >= 30)
    back = time.time()
    with server(port):
        until(lambda: len(probe.samples()) > 20 and all(sample.ok for sample in probe.samples()[-10:]))
        probe.stop()
    measured = probe.measured()
    assert measured.downtime is not None
    assert measured.downtime >= back - killed
    assert measured.failed_in_a_row >= 30
    assert set(measured.errors) <= {"no connection", "broken answer (ReadError)", "broken answer (RemoteProtocolError)", "timeout"}
    assert judge(Declared(), measured).verdict == "broken"
    assert judge(Declared(downtime=measured.downtime, errors=0.1), measured).verdict == "kept"


def test_answers_that_hang_do_not_slow_the_schedule(port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        started = time.monotonic()
        with probe_of(port, timeout="500ms") as probe:
            until(lambda: len(probe.samples()) >= 40)
        elapsed = time.monotonic() - started
    assert {sample.error for sample in probe.samples()} == {"timeout"}
    assert elapsed < 40 * 0.5, "one after the other, 40 timeouts would take 20 s"


def test_dropping_what_is_under_way_stops_at_once(port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        probe = probe_of(port, timeout="1m")
        probe.start()
        with contextlib.closing(listener.accept()[0]):
            started = time.monotonic()
            probe.stop(finish=False)
            assert time.monotonic() - started < 5, "a minute would be the timeout"
    assert probe.samples() == ()
