"""The probe without time and network: its schedule by a clock of the test's, its answers by a transport of the test's."""

from __future__ import annotations

import asyncio
import typing as t

import httpx
import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.impact import Sample
from surefoot.models import HttpProbe
from surefoot.probe import Probe, ask, at_a_steady_rate, new_client

Answer = t.Callable[[httpx.Request], httpx.Response | t.Awaitable[httpx.Response]]


def spec(**keys: t.Any) -> HttpProbe:
    return HttpProbe.model_validate({"url": "http://shop.example/", **keys})


def reply(status: int) -> httpx.Response:
    return httpx.Response(status, headers={"Location": "/"}, stream=httpx.ByteStream(b"hello"))


class Clock:
    """Time that passes only in pauses."""

    def __init__(self, stop_at: float) -> None:
        self.now = 0.0
        self.stop_at = stop_at

    def read(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> bool:
        await asyncio.sleep(0)
        self.now += seconds
        return self.now >= self.stop_at - 1e-9


def test_late_answers_do_not_slow_the_schedule() -> None:
    clock, sent, ended = Clock(stop_at=1.0), [], []

    async def scenario() -> None:
        release = asyncio.Event()

        async def never_before_the_end() -> None:
            sent.append(round(clock.now, 6))
            if len(sent) == 10:
                release.set()
            await release.wait()
            ended.append(clock.now)

        await at_a_steady_rate(never_before_the_end, interval=0.1, pause=clock.pause, now=clock.read)

    asyncio.run(scenario())
    assert sent == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert len(ended) == 10


def test_missed_moments_are_left_out_and_the_rhythm_is_kept() -> None:
    clock, sent = Clock(stop_at=1.0), []

    async def one() -> None:
        sent.append(round(clock.now, 6))

    async def stalling(seconds: float) -> bool:
        if await clock.pause(seconds):
            return True
        if 0.25 < clock.now < 0.35:
            clock.now += 0.34
        return False

    asyncio.run(at_a_steady_rate(one, interval=0.1, pause=stalling, now=clock.read))
    assert sent == pytest.approx([0.0, 0.1, 0.2, 0.64, 0.7, 0.8, 0.9])


def sample_of(answer: Answer, **keys: t.Any) -> Sample:
    async def scenario() -> Sample:
        ticks = iter([100.0, 100.25])
        async with new_client(httpx.MockTransport(t.cast("t.Any", answer))) as client:
            return await ask(client, spec(**keys), lambda: next(ticks))

    return asyncio.run(scenario())


def test_a_good_answer() -> None:
    assert sample_of(lambda _: reply(200)) == Sample(sent=100.0, latency=0.25, ok=True, status=200)


def test_the_expected_status_decides() -> None:
    assert sample_of(lambda _: reply(403), expect=403).ok
    assert sample_of(lambda _: reply(200), expect=403).error == "status 200"
    assert sample_of(lambda _: reply(302)).error == "status 302"


def test_headers_are_sent() -> None:
    assert sample_of(lambda request: reply(200 if request.headers["x-user"] == "staff" else 403), headers={"X-User": "staff"}).ok


def raising(error: Exception) -> Answer:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError("refused"), "no connection"),
        (httpx.ReadError("reset"), "broken answer (ReadError)"),
        (httpx.RemoteProtocolError("nothing"), "broken answer (RemoteProtocolError)"),
        (OSError("too many open files"), "broken answer (OSError)"),
        (TimeoutError(), "timeout"),
    ],
)
def test_failures_are_samples(failure: Exception, error: str) -> None:
    sample = sample_of(raising(failure))
    assert (sample.ok, sample.status, sample.error) == (False, None, error)


def test_an_answer_that_breaks_off_is_no_good_answer() -> None:
    class Half(httpx.AsyncByteStream):
        async def __aiter__(self) -> t.AsyncIterator[bytes]:
            yield b"hel"
            raise httpx.ReadError("reset")

    assert sample_of(lambda _: httpx.Response(200, stream=Half())).error == "broken answer (ReadError)"


def test_an_answer_that_never_comes_is_a_timeout() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert sample_of(answer, timeout="1ms").error == "timeout"


@pytest.mark.parametrize("keys", [{"url": "http://"}, {"url": "{{ api }}/"}, {"url": "http://x:port/"}, {"headers": {"X": "ü€"}}, {"headers": {"X": "a\nb"}}])
def test_a_request_that_cannot_be_sent_is_refused_at_once(keys: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidInput, match="cannot be sent"):
        Probe("front", spec(**keys))


def test_measured_splits_before_and_since() -> None:
    probe = Probe("front", spec(rate=10))
    probe._samples = [Sample(sent=float(n), latency=0.1 if n < 30 else 0.2, ok=n != 40, status=200) for n in range(60)]
    probe.begin(30.0)
    measured = probe.measured()
    assert (measured.requests, measured.failed) == (30, 1)
    assert measured.slower == pytest.approx(1.0)


def test_stopping_what_was_never_started() -> None:
    probe = Probe("front", spec())
    probe.stop()
    assert probe.samples() == ()
