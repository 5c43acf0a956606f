"""The example in its fleet setting: the same application on PostgreSQL and Redis."""

import collections.abc
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import _postgres
import _redis
import pytest
from examples.bookshop import build

redis_server = _redis.redis_server_fixture


@pytest.fixture
def database() -> collections.abc.Iterator[str]:
    """The URL of an empty database."""
    with _postgres.serving() as server:
        yield server.database()


def answer(url: str, body: object = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"X-User": "staff", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "the shop ended"
        try:
            assert answer(f"{url}/healthz")[0] == 200
            return
        except OSError:
            assert time.monotonic() < deadline, "the shop did not come up"
            time.sleep(0.05)


def test_the_same_shop_runs_on_postgresql_and_redis(database: str, redis_server: _redis.Server, tmp_path: pathlib.Path):
    release = tmp_path / "release"
    for name, content in build.tree("2.1.0").items():
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / name).write_bytes(content)
    (tmp_path / "flags.json").write_text('{"flags": {"reviews": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"}}}')
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = "{}:{}".format(*probe.getsockname())
    environment = {
        "BOOKSHOP_BIND": address,
        "BOOKSHOP_DATABASE_URL": database,
        "BOOKSHOP_CACHE_URL": redis_server.url,
        "BOOKSHOP_FLAGS": str(tmp_path / "flags.json"),
    }
    for module in (["alembic", "upgrade", "head"], ["bookshop.seed"]):
        subprocess.run([sys.executable, "-m", *module], cwd=release, env=environment, check=True, capture_output=True)
    shop = subprocess.Popen([sys.executable, "-m", "gunicorn"], cwd=release, env=environment)
    try:
        healthy(f"http://{address}", shop)
        assert "Middlemarch" in answer(f"http://{address}/")[1]
        assert answer(f"http://{address}/api/books/1/reviews", {"rating": 4, "text": "Good"})[0] == 201
        assert "4 of 5" in answer(f"http://{address}/books/1")[1]
        assert sorted(redis_server.client.keys()) == [b"page:book:1", b"page:index"]
        redis_server.client.set("page:index", "out of Redis")
        assert answer(f"http://{address}/")[1] == "out of Redis"
    finally:
        shop.terminate()
        assert shop.wait(timeout=15) == 0
