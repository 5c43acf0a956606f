"""The example's front against backends that misbehave."""

import asyncio
import contextlib
import json
import typing as t

import pytest
from examples.bookshop import front

Handler = t.Callable[[bytes], bytes | None]
GET = b"GET /books HTTP/1.1\r\nHost: shop\r\nX-User: staff\r\nConnection: keep-alive\r\n\r\n"
POST = b"POST /books HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n{}"


def ok(_: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def dies(_: bytes) -> None:
    return None


@contextlib.asynccontextmanager
async def backend(name: str, handler: Handler, state: str = "in_pool") -> t.AsyncIterator[tuple[front.Backend, list[bytes]]]:
    """A backend that answers what `handler` returns, or closes the connection at None; and the requests it has read."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(65536))
        answer = handler(seen[-1])
        if answer is not None:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield front.Backend(name, "127.0.0.1", port, state), seen
    finally:
        server.close()


async def gone(name: str) -> front.Backend:
    """A backend that the front believes in and nobody listens for."""
    async with backend(name, ok) as (found, _):
        return found


async def ask(backends: list[front.Backend], request: bytes) -> tuple[int, bytes]:
    """Status and body of the front's answer."""
    server = await asyncio.start_server(front.Front(backends).serve, "127.0.0.1", 0, limit=front.HEAD_LIMIT)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    server.close()
    return int(head.split(b" ")[1]), body


def test_a_request_arrives_whole_and_the_connection_to_the_backend_is_its_own():
    async def story() -> None:
        async with backend("one", ok) as (one, seen):
            assert await ask([one], GET) == (200, b"ok")
            assert seen == [b"GET /books HTTP/1.1\r\nHost: shop\r\nX-User: staff\r\nConnection: close\r\n\r\n"]
            assert (one.open, one.served) == (0, 1)

    asyncio.run(story())


@pytest.mark.parametrize("request_", [GET, POST], ids=["get", "post"])
def test_a_request_that_nobody_took_goes_to_the_next(request_: bytes):
    async def story() -> None:
        async with backend("two", ok) as (two, _):
            one = await gone("one")
            one_more = await gone("three")
            assert (await ask([one, one_more, two], request_))[0] == 200
            assert (one.state, one_more.state, two.state).count("down") >= 1
            assert two.state == "in_pool"

    asyncio.run(story())


def test_a_get_is_repeated_when_the_backend_died_over_it():
    async def story() -> None:
        async with backend("one", dies) as (one, first), backend("two", dies) as (two, second), backend("three", ok) as (three, _):
            assert (await ask([one, two, three], GET))[0] == 200
            assert len(first) + len(second) >= 1

    asyncio.run(story())


def test_a_post_is_never_sent_twice():
    async def story() -> None:
        async with backend("one", dies) as (one, first), backend("two", dies) as (two, second):
            status, body = await ask([one, two], POST)
            assert status == 502
            assert b"took the request" in body
            assert len(first) + len(second) == 1

    asyncio.run(story())


def test_a_drained_backend_gets_nothing_new():
    async def story() -> None:
        async with backend("one", ok, "drained") as (one, seen):
            assert (await ask([one], GET))[0] == 503
            assert seen == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "state", "version"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"version": "2.0.0"}', "in_pool", "2.0.0"),
        (b'HTTP/1.1 503 Unavailable\r\n\r\n{"version": "2.0.0"}', "drained", "2.0.0"),
        (b"HTTP/1.1 500 Oops\r\n\r\n<html>", "down", None),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "down", None),
        (b"nonsense", "down", None),
        (None, "down", None),
    ],
)
def test_health_is_what_the_backend_says_and_nonsense_is_down(answer: bytes | None, state: str, version: str | None):
    async def story() -> None:
        async with backend("one", lambda _: answer) as (one, _):
            assert await front.ask_health(one) == (state, version)

    asyncio.run(story())


def test_nobody_listening_is_down():
    async def story() -> None:
        assert await front.ask_health(await gone("one")) == ("down", None)

    asyncio.run(story())


def test_the_status_page_says_who_is_in_the_pool():
    async def story() -> None:
        backends = [front.Backend("one", "127.0.0.1", 1, "in_pool", open=2), front.Backend("two", "127.0.0.1", 2, "drained")]
        status, body = await ask(backends, b"GET /__front__ HTTP/1.1\r\n\r\n")
        assert status == 200
        assert {name: (found["state"], found["open"]) for name, found in json.loads(body)["backends"].items()} == {"one": ("in_pool", 2), "two": ("drained", 0)}
        assert (await ask(backends, b"GET /__front__/one HTTP/1.1\r\n\r\n"))[0] == 200
        assert (await ask(backends, b"GET /__front__/two HTTP/1.1\r\n\r\n"))[0] == 503
        assert (await ask(backends, b"GET /__front__/three HTTP/1.1\r\n\r\n"))[0] == 404

    asyncio.run(story())


@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"GET / SPDY/1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * (front.HEAD_LIMIT + 1) + b"\r\n\r\n",
    ],
    ids=["no-http", "other-protocol", "chunked", "negative", "huge", "long-head"],
)
def test_what_cannot_be_passed_on_is_the_clients_mistake(request_: bytes):
    async def story() -> None:
        async with backend("one", ok) as (one, seen):
            assert (await ask([one], request_))[0] == 400
            assert seen == []

    asyncio.run(story())


@pytest.mark.parametrize("text", ["bookshop1", "=127.0.0.1:1", "one=127.0.0.1", "one=127.0.0.1:x"])
def test_a_backend_is_written_name_host_port(text: str):
    with pytest.raises(front.argparse.ArgumentTypeError, match="NAME=HOST:PORT"):
        front.parse_backend(text)
