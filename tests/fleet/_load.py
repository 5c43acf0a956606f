"""Users of the shop: a steady number of requests a second, each counted, for as long as something else goes on."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
import typing as t


class Load:
    """Requests to `http://ADDRESS/`, `rate` of them a second whether answers come or not, at most `longest` seconds long.

    Every other user keeps the connection, so both ways in which a balancer meets a member that leaves are tried.
    """

    def __init__(self, address: str, *, rate: int, longest: float = 240) -> None:
        self._address, self._rate, self._longest = address, rate, longest
        # The one that rested longest goes first, so that none rests until the balancer closes it, which would look like a failure
        self._users: collections.deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = collections.deque()
        self._end = threading.Event()
        self.answers: collections.Counter[str] = collections.Counter()
        self._failures: list[float] = []
        self.seconds = 0.0

    @property
    def requests(self) -> int:
        return sum(self.answers.values())

    @property
    def failed(self) -> dict[str, int]:
        """What was answered instead of 200, and how often."""
        return {answer: count for answer, count in self.answers.items() if answer != "200"}

    @property
    def trouble(self) -> float:
        """Seconds from the first failed request to the last one."""
        return self._failures[-1] - self._failures[0] if self._failures else 0.0

    async def _run(self) -> None:
        began = time.monotonic()
        underway: set[asyncio.Task[None]] = set()
        number = 0
        while not self._end.is_set() and time.monotonic() - began < self._longest:
            due = int((time.monotonic() - began) * self._rate)
            for visit in range(number, due):
                task = asyncio.create_task(self._visit(keeps=visit % 2 == 0))
                underway.add(task)
                task.add_done_callback(underway.discard)
            number = max(number, due)
            await asyncio.sleep(0.005)
        self.seconds = time.monotonic() - began
        await asyncio.gather(*underway)
        for _reader, writer in self._users:
            writer.close()

    async def _visit(self, *, keeps: bool) -> None:
        try:
            async with asyncio.timeout(5):
                answer = await self._ask(keeps=keeps)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            answer = type(error).__name__
        self.answers[answer] += 1
        if answer != "200":
            self._failures.append(time.monotonic())

    async def _ask(self, *, keeps: bool) -> str:
        reader, writer = self._users.popleft() if keeps and self._users else await asyncio.open_connection(self._address, 80)
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: shop\r\nConnection: {'keep-alive' if keeps else 'close'}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:"))
            await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if keeps:
            self._users.append((reader, writer))
        else:
            writer.close()
        return head.split()[1]


@contextlib.contextmanager
def users(address: str, *, rate: int) -> t.Iterator[Load]:
    """A load that goes on from before the block until after it."""
    load = Load(address, rate=rate)
    thread = threading.Thread(target=lambda: asyncio.run(load._run()), name="users")
    thread.start()
    try:
        time.sleep(1)
        yield load
        time.sleep(1)
    finally:
        load._end.set()
        thread.join()
