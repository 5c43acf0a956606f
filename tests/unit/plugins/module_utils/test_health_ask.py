"""One question over HTTP, and what is made of the answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils import health
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

PARAMS: dict[str, t.Any] = {"health_headers": {"X-Check": "1"}, "health_validate_certs": True}


@contextlib.contextmanager
def raw(*pieces: bytes, pause: float = 0) -> t.Iterator[tuple[str, list[bytes]]]:
    """A server that answers each connection with these bytes, one piece after each pause; and what it was sent."""
    heard: list[bytes] = []
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                heard.append(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)
                    over.wait(pause)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/live", heard
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def ask(url: str, **given: t.Any) -> health.Answer:
    return health.ask(PARAMS, url, **given)


def test_a_user_and_password_in_the_url_are_a_header_and_nothing_else() -> None:
    with raw(b"HTTP/1.1 200 OK\r\n\r\n") as (url, heard):
        assert ask(url.replace("//", "//me:p%40ss@")).accepted
    assert b"Authorization: Basic bWU6cEBzcw==\r\n" in heard[0]
    assert b"me:" not in heard[0]
    assert b"X-Check: 1\r\n" in heard[0]


def test_answer() -> None:
    with raw(b'HTTP/1.1 200 OK\r\nX-Version: 2.0.0\r\n\r\n{"a": {"version": 3}}') as (url, heard):
        answer = ask(url)
    assert answer.accepted
    assert health.version_in(answer, key=None, header="x-version") == "2.0.0"
    assert health.version_in(answer, key="a.version", header=None) == "3"
    assert health.version_in(answer, key="a.b.c", header=None) is None
    assert b"X-Check: 1" in heard[0]


@pytest.mark.parametrize("start", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"])
def test_broken_answer_is_no_exception(start: bytes) -> None:
    with raw(start) as (url, _):
        assert isinstance(str(ask(url)), str)


def test_redirect_is_an_answer() -> None:
    with raw(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n") as (url, _):
        answer = ask(url)
    assert answer.status == 302
    assert not answer.accepted


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with raw(b"HTTP/1.1 200 OK\r\n\r\n") as (url, _):
        assert ask(url).accepted


def test_drop_by_drop_does_not_outlast_the_timeout() -> None:
    began = time.monotonic()
    with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 900, pause=0.05) as (url, _):
        assert ask(url, timeout=0.5).status == 200
        assert time.monotonic() - began < 20


def test_refused_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}/").refused


@pytest.mark.parametrize("url", ["", "shop", "ftp://shop/", "http://", "http://shop:port/", "http://shop:99999/", "file:///etc/passwd"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not a URL that can be asked"):
        ask(url)


def test_secrets() -> None:
    params = {"health_headers": {"Authorization": "Bearer t", "X-Api-Key": "k", "X-Check": "1"}, "health_url": "http://me:hush@shop/", "version_url": None}
    assert health.secrets_in(params) == {"Bearer t", "k", "hush"}
    assert health.secrets_in({"services": [{"name": "shop", "version_url": "http://me:quiet@shop/"}, {"name": "mailer", "health_url": None}]}) == {"quiet"}
    assert str(health.Answer("http://me:hush@shop/", 200)) == "http://shop/ answered 200"


def test_poll_looks_once_more_than_the_time_allows() -> None:
    seen = iter(range(100))
    assert poll(lambda: next(seen), lambda number: number == 0, timeout=0, interval=1) == (0, True)
    assert poll(lambda: next(seen), lambda number: False, timeout=0, interval=1) == (1, False)
    assert poll(lambda: next(seen), lambda number: number == 5, timeout=60, interval=0.001) == (5, True)
