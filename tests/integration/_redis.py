"""A real Redis on a loopback port, for tests."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
import socket
import subprocess
import time
import typing as t

import pytest
import redis


@dataclasses.dataclass(frozen=True)
class Server:
    """A running server: `client` may do everything there, and `url` leads to the same database without a password."""

    port: int
    client: redis.Redis

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def running(directory: pathlib.Path, *arguments: str) -> t.Iterator[Server]:
    """A server with its files in `directory`, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "", "--appendonly", "no", *arguments]
    with (directory / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        _wait(process, client, directory / "redis.log")
        yield Server(port, client)
    finally:
        client.close()
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(name="redis_server")
def redis_server_fixture(tmp_path: pathlib.Path) -> t.Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on this machine")
    with running(tmp_path) as server:
        yield server


def _wait(process: subprocess.Popen[bytes], client: redis.Redis, log: pathlib.Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"redis-server did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return
