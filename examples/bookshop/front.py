#!/usr/bin/env python3
"""The shop's front: one address for users, several instances behind it.

It asks each backend's /healthz every 0.2 s and sends requests, in turn, only to those that answered 200. A backend that answers 503 is draining: what it
has is finished, nothing new goes there. A request that a backend did not take at all goes to the next one, and so does a GET or HEAD whose backend died before
it answered. `/__front__` shows all of this as JSON, `/__front__/<backend>` one of them, with 503 while it is not in the pool.

One request per connection, on both sides, keeps it small.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator

HEALTH_INTERVAL = 0.2
HEALTH_TIMEOUT = 3.0  # a backend that is gone refuses at once; only one that is slow takes this long
HEAD_TIMEOUT = 10.0
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 1024 * 1024
CHUNK = 64 * 1024
# What the client asked of its own connection says nothing about the one to the backend.
CONNECTION_HEADERS = (b"connection:", b"keep-alive:", b"proxy-connection:")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclasses.dataclass
class Backend:
    """One instance, as the front sees it: `state` is in_pool, drained (it answered 503) or down; `open` requests are under way there."""

    name: str
    host: str
    port: int
    state: str = "down"
    open: int = 0
    served: int = 0
    version: str | None = None

    def status(self) -> dict[str, object]:
        """What the status page shows of this backend."""
        return {"state": self.state, "open": self.open, "served": self.served, "version": self.version}


class BadRequest(Exception):
    """The client sent something that cannot be passed on."""


class NoAnswer(Exception):
    """A backend gave no answer; `taken` says whether it may have begun to work on the request."""

    def __init__(self, *, taken: bool) -> None:
        super().__init__()
        self.taken = taken


@dataclasses.dataclass(frozen=True)
class Request:
    """A whole request, ready to be sent, and to be sent again elsewhere."""

    method: str
    target: str
    head: bytes
    body: bytes

    @property
    def repeatable(self) -> bool:
        """Whether it does no harm to send it twice."""
        return self.method in ("GET", "HEAD")


class Front:
    """Who is healthy, and whose turn it is."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self.backends = list(backends)
        # asyncio itself holds tasks weakly: one whose client has left already would be dropped before it has seen its backend's last byte.
        self.clients: set[asyncio.Task[None] | None] = set()
        self._turn = 0

    def candidates(self) -> Iterator[Backend]:
        """The backends in the pool, beginning with the one whose turn it is."""
        self._turn += 1
        start = self._turn % len(self.backends)
        return (backend for backend in self.backends[start:] + self.backends[:start] if backend.state == "in_pool")

    async def watch(self, backend: Backend) -> None:
        """Keep the backend's state up to date, for ever."""
        while True:
            backend.state, backend.version = await ask_health(backend)
            await asyncio.sleep(HEALTH_INTERVAL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a client's connection."""
        self.clients.add(task := asyncio.current_task())
        writer.transport.set_write_buffer_limits(high=0)  # so that a drain waits until all is sent, and nothing is lost when the front ends
        try:
            request = await asyncio.wait_for(read_request(reader), HEAD_TIMEOUT)
            if request.target.startswith("/__front__"):
                await send(writer, *self.status_page(request.target))
            else:
                await self.forward(request, writer)
        except BadRequest as problem:
            await send(writer, 400, {"error": str(problem)})
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client went away, or never said what it wanted
        finally:
            with contextlib.suppress(OSError):
                writer.close()
            self.clients.discard(task)

    async def forward(self, request: Request, client: asyncio.StreamWriter) -> None:
        """Send the request to a healthy backend and its answer back; 503 if there is none, 502 if the one that took it died."""
        for backend in self.candidates():
            backend.open += 1
            try:
                await relay(request, backend, client)
                backend.served += 1
                return
            except NoAnswer as problem:
                backend.state = "down"  # until its next good health answer
                if problem.taken and not request.repeatable:
                    await send(client, 502, {"error": f"{backend.name} took the request and gave no answer"})
                    return
            finally:
                backend.open -= 1
        await send(client, 503, {"error": "No instance can take requests now"})

    def status_page(self, target: str) -> tuple[int, object]:
        """Status code and body for `/__front__` (all backends) or `/__front__/<name>`, which is 200 only for a backend in the pool."""
        name = target.split("?")[0].removeprefix("/__front__").strip("/")
        backends = {backend.name: backend for backend in self.backends}
        if not name:
            return 200, {"backends": {name: backend.status() for name, backend in backends.items()}}
        if name not in backends:
            return 404, {"error": f"There is no backend {name}"}
        return 200 if backends[name].state == "in_pool" else 503, backends[name].status()


async def read_request(reader: asyncio.StreamReader) -> Request:
    """The request of a client, body and all."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequest("The request's headers are too long") from None
    first, *headers = head[:-4].split(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("This is not an HTTP/1 request")
    length = body_length(headers)
    passed_on = [line for line in headers if not line.lower().startswith(CONNECTION_HEADERS)]
    head = b"\r\n".join([first, *passed_on, b"Connection: close", b"", b""])
    return Request(words[0], words[1], head, await reader.readexactly(length) if length else b"")


def body_length(headers: Iterable[bytes]) -> int:
    """How many bytes of body the headers announce."""
    length = b"0"
    for line in headers:
        name, _, value = line.partition(b":")
        if name.lower() == b"transfer-encoding":
            raise BadRequest("The front takes no chunked request; send a Content-Length")
        if name.lower() == b"content-length":
            length = value.strip()
    if not length.isdigit() or int(length) > BODY_LIMIT:
        raise BadRequest(f"Content-Length must be a number up to {BODY_LIMIT}")
    return int(length)


async def relay(request: Request, backend: Backend, client: asyncio.StreamWriter) -> None:
    """Send the request to the backend and pass its answer on as it comes. Raises NoAnswer as long as the client has seen nothing of it."""
    async with connection(backend) as (reader, writer):
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise NoAnswer(taken=True) from None
        client.write(answer)
        while chunk := await reader.read(CHUNK):
            client.write(chunk)
            await client.drain()
        await client.drain()


async def ask_health(backend: Backend) -> tuple[str, str | None]:
    """State and version that a backend's /healthz tells."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT), connection(backend) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % backend.host.encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            code = head.split(b" ", 2)[1]
            version = json.loads(body).get("version") if code in (b"200", b"503") else None
            return {b"200": "in_pool", b"503": "drained"}.get(code, "down"), version
    except (OSError, NoAnswer, ValueError, IndexError, AttributeError):
        return "down", None


@contextlib.asynccontextmanager
async def connection(backend: Backend) -> AsyncIterator[Streams]:
    """An open connection to the backend, closed at the end. Raises NoAnswer, with nothing taken, if the backend accepts none."""
    try:
        reader, writer = await asyncio.open_connection(backend.host, backend.port, limit=HEAD_LIMIT)
    except OSError:
        raise NoAnswer(taken=False) from None
    try:
        yield reader, writer
    finally:
        writer.close()


async def send(writer: asyncio.StreamWriter, code: int, body: object) -> None:
    """An answer of the front's own, as JSON."""
    content = json.dumps(body).encode() + b"\n"
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found", 502: "Bad Gateway", 503: "Service Unavailable"}[code]
    head = f"HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()


async def run(front: Front, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    watchers = [asyncio.create_task(front.watch(backend)) for backend in front.backends]
    server = await asyncio.start_server(front.serve, host, port, limit=HEAD_LIMIT, backlog=256)
    await stopped.wait()
    server.close()
    while front.clients:
        await asyncio.sleep(0.05)
    for watcher in watchers:
        watcher.cancel()


def parse_backend(text: str) -> Backend:
    """`bookshop1=127.0.0.1:18081` as a backend."""
    name, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    if not name or not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=HOST:PORT")
    return Backend(name, host, int(port))


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="A front for several instances that are healthy or not")
    parser.add_argument("--listen", default="127.0.0.1:18080", metavar="HOST:PORT")
    parser.add_argument("--pid", type=pathlib.Path, help="file to write the process id to")
    parser.add_argument("backends", nargs="+", type=parse_backend, metavar="NAME=HOST:PORT")
    options = parser.parse_args(arguments)
    if options.pid:
        options.pid.write_text(f"{os.getpid()}\n", encoding="utf-8")
    host, _, port = options.listen.rpartition(":")
    asyncio.run(run(Front(options.backends), host, int(port)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
