"""Probes of a project together, against a real server on loopback."""

from __future__ import annotations

import http.server
import socket
import threading
import time
import typing as t

import pytest

import surefoot.probe
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Impact
from surefoot.models import ProbeSpec
from surefoot.watch import Watch


class Server(http.server.ThreadingHTTPServer):
    """Answers with `status`."""

    daemon_threads = True
    status = 200
    asked = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = t.cast("Server", self.server)
        server.asked += 1
        self.send_response(server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> t.Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def spec(server: Server, name: str = "front", **http_keys: t.Any) -> ProbeSpec:
    return ProbeSpec.model_validate({"name": name, "http": {"url": f"http://127.0.0.1:{server.server_port}/", "rate": 50, "timeout": "5s", **http_keys}})


def until(condition: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_probes_nothing_is_measured_and_nothing_waited_for() -> None:
    begun = time.monotonic()
    with Watch([]) as watch:
        watch.settle(Impact(), threading.Event())
        assert watch.judge(Impact()) == ()
    assert time.monotonic() - begun < 1


def test_steady_answers_are_kept_impact(server: Server) -> None:
    with Watch([spec(server), spec(server, "other")]) as watch:
        watch.settle(Impact(), threading.Event())
        until(lambda: all(len(probe.samples()) > 10 for probe in watch._probes))
        found = watch.judge(Impact())
    assert [(one["probe"], one["verdict"], one["failed"]) for one in found] == [("front", "kept", 0), ("other", "kept", 0)]
    assert set(found[0]) == {"probe", "verdict", "reasons", "requests", "failed", "error_rate", "downtime", "p50", "p95", "slower"}


def test_failures_of_the_release_break_it_and_those_before_do_not(server: Server) -> None:
    server.status = 500
    with Watch([spec(server)]) as watch:
        until(lambda: len(watch._probes[0].samples()) > 3)
        server.status = 200
        until(lambda: watch._probes[0].samples()[-1].ok)
        watch.settle(Impact(), threading.Event())
        seen = len(watch._probes[0].samples())
        until(lambda: len(watch._probes[0].samples()) > seen + 5)
        assert watch.judge(Impact())[0]["verdict"] == "kept"
    with Watch([spec(server)]) as watch:
        watch.settle(Impact(), threading.Event())
        server.status = 500
        until(lambda: sum(not sample.ok for sample in watch._probes[0].samples()) > 3)
        (broken,) = watch.judge(Impact())
    assert broken["verdict"] == "broken"
    assert broken["failed"] >= 3  # a request may have been under way when the release began


def test_it_goes_on_watching_when_it_was_asked_and_says_when_nothing_can_be_made_good(server: Server) -> None:
    with Watch([spec(server)]) as watch:
        watch.settle(Impact(), threading.Event())
        assert watch.beyond_repair(Impact(), 0.0) == ()
        server.status = 500
        until(lambda: bool(watch.beyond_repair(Impact(), 3600)))
        assert all(reason.startswith("front: ") for reason in watch.beyond_repair(Impact(), 3600))
        assert watch.beyond_repair(Impact(downtime=3600), 0.0) == ()
        (failed,) = watch.judge(Impact(), at_once=True)
        server.status = 200
        watch.settle(Impact(), threading.Event())
        seen = server.asked
        until(lambda: server.asked > seen + 20)
        (back,) = watch.judge(Impact())
    assert (failed["verdict"], back["verdict"]) == ("broken", "broken")
    assert back["failed"] >= failed["failed"] >= 2
    assert back["requests"] >= failed["requests"] + 20


def test_what_was_broken_before_stops_nothing_that_may_mend_it(server: Server) -> None:
    server.status = 500
    with Watch([spec(server)]) as watch:
        watch.settle(Impact(), threading.Event())
        until(lambda: watch._probes[0].certain().failed > 3)
        assert watch.beyond_repair(Impact(), 0.0) == ()
        assert watch.judge(Impact())[0]["verdict"] == "broken"


def test_answers_under_way_are_waited_for_in_the_end_and_not_before_a_way_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = ProbeSpec.model_validate({"name": "front", "http": {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "rate": 20, "timeout": "1s"}})
        with Watch([slow]) as watch:
            watch.settle(Impact(), threading.Event())
            begun = time.time()
            until(lambda: sum(sent > begun for sent in list(watch._probes[0]._under_way.values())) > 3)
            asked = time.monotonic()
            (early,) = watch.judge(Impact(), at_once=True)
            assert time.monotonic() - asked < 0.9
            (late,) = watch.judge(Impact())
    assert late["failed"] == late["requests"] > early["requests"]


def test_a_long_soak_keeps_no_sample_for_long_and_forgets_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surefoot.probe, "MOST_KEPT", 10)
    with Watch([spec(server, rate=200)]) as watch:
        watch.settle(Impact(), threading.Event())
        before, most = server.asked, 0
        server.status = 500
        until(lambda: server.asked >= before + 20)
        server.status = 200

        def kept() -> bool:
            nonlocal most
            most = max(most, len(watch._probes[0].samples()))
            return server.asked >= before + 100

        until(kept)
        (broken,) = watch.judge(Impact())
    assert most <= 30
    # Those under way when the release began are not its own.
    assert broken["requests"] >= 60
    assert broken["failed"] >= 10
    assert broken["verdict"] == "broken"


def test_a_slowdown_can_only_be_judged_by_enough_answers_from_before(server: Server) -> None:
    with Watch([spec(server)]) as watch:
        watch.settle(Impact(slower=0.5), threading.Event())
        assert len(watch._probes[0].samples()) >= 20


def test_a_probe_that_gets_no_answer_does_not_keep_a_release_waiting_for_ever() -> None:
    silent = ProbeSpec.model_validate({"name": "front", "http": {"url": "http://127.0.0.1:1/", "rate": 100, "timeout": "200ms"}})
    begun = time.monotonic()
    with Watch([silent]) as watch:
        watch.settle(Impact(), threading.Event())
    assert time.monotonic() - begun < 3


def test_cancelling_ends_the_wait(server: Server) -> None:
    cancelled = threading.Event()
    cancelled.set()
    begun = time.monotonic()
    with Watch([spec(server, rate=1)]) as watch:
        watch.settle(Impact(), cancelled)
        assert time.monotonic() - begun < 1


def test_no_probe_goes_on_after_the_release(server: Server) -> None:
    with pytest.raises(ValueError, match="boom"), Watch([spec(server)]):
        raise ValueError("boom")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("probe ")]
