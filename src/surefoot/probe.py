"""Steady traffic of our own against one URL, in a thread of its own; what it felt is measured by plugin_utils/impact.py."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import typing as t

import httpx

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.impact import Measured, Sample, Tally

if t.TYPE_CHECKING:
    from surefoot.models import HttpProbe

MOST_KEPT = 10_000
"""How many samples are kept one by one; a soak may last for days."""

Pause = t.Callable[[float], t.Awaitable[bool]]
"""Waits that many seconds at most; True as soon as it is time to stop."""


class Probe:
    """Asks `http.url`, without variables, `http.rate` times a second from `start` to `stop`, or inside a `with` block.

    Times of samples are seconds since the epoch by a clock that is never set back. Raises InvalidInput for a URL or headers that cannot be sent.
    """

    def __init__(self, name: str, http: HttpProbe) -> None:
        self.name = name
        self._http = http
        self._since: float | None = None
        self._samples: list[Sample] = []
        self._before: list[Sample] = []
        self._tally = self._new_tally()
        self._under_way: dict[object, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._halt: t.Callable[[bool], None] = lambda _finish: None
        self._crash: BaseException | None = None
        _check_request(http)

    def __enter__(self) -> t.Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to ask, in a thread of its own; returns once it does."""
        begun = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(begun,), name=f"probe {self.name}", daemon=True)
        self._thread.start()
        begun.wait()

    def stop(self, *, finish: bool = True) -> None:
        """Ask no more. Requests under way end within the probe's timeout, or with `finish` False are dropped at once and leave no sample."""
        if self._thread is not None:
            self._halt(finish)
            self._thread.join()
            self._thread = None
        if self._crash is not None:
            raise self._crash

    def samples(self) -> tuple[Sample, ...]:
        """What was asked lately and came to an end, in the order of ending; all of it until `begin` was called."""
        return tuple(self._samples)

    def begin(self, since: float) -> None:
        """From now on only what was felt by requests sent from the moment `since` on counts; earlier ones are what their speed is compared with."""
        with self._lock:
            self._before = [sample for sample in self._samples if sample.sent < since]
            self._since = since

    @property
    def had_answers(self) -> bool:
        """Whether it had any good answer before it was told to `begin`."""
        return any(sample.ok for sample in self._before)

    def measured(self) -> Measured:
        """What was felt since the moment the probe was told to `begin`, or else since it was started.

        Of a probe that goes on these are the requests before the first one that has not come to its end.
        """
        return self._told(lambda tally: tally.measured(self._before))

    def certain(self) -> Measured:
        """What of it nothing that comes can make better."""
        return self._told(Tally.certain)

    def all_ended(self, sent_before: float) -> bool:
        """Whether every request sent before that moment has come to its end."""
        with self._lock:
            return self._known() >= sent_before

    def _told(self, told: t.Callable[[Tally], Measured]) -> Measured:
        if self._crash is not None:
            raise self._crash
        with self._lock:
            self._fold()
            return told(self._tally)

    def _new_tally(self) -> Tally:
        return Tally(interval=1 / self._http.rate, timeout=self._http.timeout)

    def _known(self) -> float:
        """The moment before which every request sent has come to its end."""
        return next(iter(self._under_way.values()), math.inf)

    def _fold(self) -> None:
        """Keep no sample that all samples sent before it are there for."""
        known, since = self._known(), self._since or 0.0
        self._tally.fold(sample for sample in self._samples if since <= sample.sent < known)
        self._samples = [sample for sample in self._samples if sample.sent >= known]

    def _live(self, begun: threading.Event) -> None:
        try:
            asyncio.run(self._ask_steadily(begun))
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the thread that stops the probe
            self._crash = error
        finally:
            begun.set()

    async def _ask_steadily(self, begun: threading.Event) -> None:
        stopping, loop, me = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()
        offset = time.time() - time.monotonic()

        def halt(finish: bool) -> None:
            if not loop.is_closed() and me is not None:
                loop.call_soon_threadsafe(stopping.set if finish else me.cancel)

        async def pause(seconds: float) -> bool:
            try:
                return await asyncio.wait_for(stopping.wait(), seconds)
            except TimeoutError:
                return False

        async with new_client() as client:

            def clock() -> float:
                return time.monotonic() + offset

            async def one() -> None:
                request = object()
                with self._lock:
                    self._under_way[request] = clock()
                try:
                    sample = await ask(client, self._http, clock)
                    with self._lock:
                        self._samples.append(sample)
                finally:
                    with self._lock:
                        del self._under_way[request]
                        if self._since is not None and len(self._samples) >= MOST_KEPT:
                            self._fold()

            self._halt = halt
            begun.set()
            await at_a_steady_rate(one, interval=1 / self._http.rate, pause=pause, now=time.monotonic)


def new_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that opens a connection for every request, as a new visitor does: a kept one would hide a port nobody listens on.

    It has no time limit of its own, because one for a whole request is set around it.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(limits=limits, timeout=None, follow_redirects=False, trust_env=False, transport=transport)  # noqa: S113


async def at_a_steady_rate(one: t.Callable[[], t.Coroutine[t.Any, t.Any, None]], *, interval: float, pause: Pause, now: t.Callable[[], float]) -> None:
    """Begin `one` every `interval` seconds, whether earlier ones have ended or not, until `pause` says stop; then wait for those under way.

    Moments that were missed are left out and not made up for by a burst, which no steady traffic would have.
    """
    async with asyncio.TaskGroup() as under_way:
        begun, moment = now(), 0
        while not await pause(max(0.0, begun + moment * interval - now())):
            under_way.create_task(one())
            moment = max(moment + 1, math.ceil((now() - begun) / interval))


async def ask(client: httpx.AsyncClient, http: HttpProbe, now: t.Callable[[], float]) -> Sample:
    """One request with its outcome; whatever keeps a user from a good answer is a sample, not an error."""
    sent = now()
    status, error = None, None
    try:
        async with asyncio.timeout(http.timeout), client.stream("GET", http.url, headers=http.headers) as response:
            async for _ in response.aiter_raw():
                pass
            status = response.status_code
    except TimeoutError:
        error = "timeout"
    except (httpx.HTTPError, OSError) as failure:
        error = "no connection" if isinstance(failure, httpx.ConnectError) else f"broken answer ({type(failure).__name__})"
    if status is not None and status != http.expect:
        error = f"status {status}"
    return Sample(sent=sent, latency=max(0.0, now() - sent), ok=error is None, status=status, error=error)


def _check_request(http: HttpProbe) -> None:
    try:
        request = httpx.Request("GET", http.url, headers=http.headers)
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
        raise InvalidInput("The probe's request cannot be sent", seen=type(error).__name__, todo="check its URL and headers in surefoot.yml") from error
    unsendable = any("\n" in value or "\r" in value or "\0" in value for value in http.headers.values())
    if request.url.scheme not in {"http", "https"} or not request.url.host or unsendable:
        raise InvalidInput("The probe's request cannot be sent", todo="check its URL and headers in surefoot.yml")
