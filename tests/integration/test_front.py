"""The example's shop as it really runs: supervisord, three instances, the front; and users who must not notice a thing."""

import collections.abc
import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import typing as t
import urllib.error
import urllib.request

import pytest

from helpers import ROOT

EXAMPLE = ROOT / "examples" / "bookshop"


def shop(root: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One call of shop.py for the shop in `root`."""
    return subprocess.run([sys.executable, str(EXAMPLE / "shop.py"), "--dir", str(root), *arguments], text=True, capture_output=True, timeout=120)


def started(root: pathlib.Path) -> dict[str, t.Any]:
    """shop.json of the shop in `root`, which is up when this returns."""
    done = shop(root, "start", "--base-port", "0")
    assert done.returncode == 0, done.stderr
    return t.cast("dict[str, t.Any]", json.loads((root / "shop.json").read_text()))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[dict[str, t.Any]]:
    root = tmp_path_factory.mktemp("shop") / "dir"
    try:
        yield started(root)
    finally:
        shop(root, "stop")


def answer(url: str, data: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def until(condition: t.Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


def seen_by_front(shop_json: dict[str, t.Any], name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(answer(f"{shop_json['front_url']}/__front__/{name}")[1]))


class Users(t.NamedTuple):
    """What a number of users have seen so far: how many good answers, and everything that was none."""

    good: list[int]
    bad: list[object]


@contextlib.contextmanager
def users(url: str, number: int = 4) -> collections.abc.Iterator[Users]:
    """Users who ask for `url` again and again until the block ends."""
    seen, done = Users([], []), threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                status, body = answer(url)
                (seen.good if status == 200 and b"Middlemarch" in body else seen.bad).append(status)
            except OSError as error:
                seen.bad.append(error)

    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        asking = [pool.submit(ask) for _ in range(number)]
        try:
            yield seen
        finally:
            done.set()
    for one in asking:
        one.result()


def supervisorctl(running: dict[str, t.Any], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "supervisor.supervisorctl", "-c", running["supervisor_config"], *arguments], check=True, capture_output=True)


def pid_of(running: dict[str, t.Any], name: str) -> int:
    return int((pathlib.Path(running["supervisor_config"]).parent / "run" / f"{name}.pid").read_text())


def test_no_request_is_lost_while_each_instance_is_drained_and_restarted(running: dict[str, t.Any]):
    with users(running["front_url"] + "/") as seen:
        for name, instance in running["instances"].items():
            before = pid_of(running, name)
            pathlib.Path(instance["drain_file"]).touch()
            until(lambda name=name: (found := seen_by_front(running, name))["state"] == "drained" and found["open"] == 0)
            supervisorctl(running, "restart", name)
            until(lambda url=instance["url"]: reachable(url + "/livez"))
            assert pid_of(running, name) != before
            pathlib.Path(instance["drain_file"]).unlink()
            until(lambda name=name: seen_by_front(running, name)["state"] == "in_pool")
    assert seen.bad == []
    assert len(seen.good) > 20


def test_no_page_is_lost_when_an_instance_is_killed(running: dict[str, t.Any]):
    with users(running["front_url"] + "/") as seen:
        until(lambda: len(seen.good) > 20)
        before = pid_of(running, "bookshop2")
        os.kill(before, signal.SIGKILL)
        until(lambda: pid_of(running, "bookshop2") != before and seen_by_front(running, "bookshop2")["state"] == "in_pool")
    assert seen.bad == []


def test_with_every_instance_drained_users_are_told_so_at_once(running: dict[str, t.Any]):
    files = [pathlib.Path(instance["drain_file"]) for instance in running["instances"].values()]
    for file in files:
        file.touch()
    try:
        until(lambda: all(seen_by_front(running, name)["state"] == "drained" for name in running["instances"]))
        status, body = answer(running["front_url"] + "/")
        assert (status, json.loads(body)) == (503, {"error": "No instance can take requests now"})
    finally:
        for file in files:
            file.unlink()
        until(lambda: all(seen_by_front(running, name)["state"] == "in_pool" for name in running["instances"]))


def test_the_smoke_gate_passes_from_the_copy_of_the_project(running: dict[str, t.Any]):
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/smoke"], cwd=running["project"], text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_second_shop_on_the_same_ports_is_refused_and_nothing_is_laid_out(running: dict[str, t.Any], tmp_path: pathlib.Path):
    done = shop(tmp_path / "other", "start", "--base-port", str(running["base_port"]))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Port {running['base_port']}" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: pathlib.Path):
    (tmp_path / "thesis.txt").write_text("all my work")
    done = shop(tmp_path, "start", "--base-port", "0", "--fresh")
    assert done.returncode == 1
    assert "is not empty and holds no shop" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_stop_ends_what_a_killed_supervisord_left_and_start_goes_on_with_the_same_shop(tmp_path: pathlib.Path):
    root = tmp_path / "shop"
    try:
        running = started(root)
        os.kill(pid_of(running, "supervisord"), signal.SIGKILL)
        assert shop(root, "stop").returncode == 0
        assert not any(reachable(url) for url in (running["front_url"], *(instance["url"] for instance in running["instances"].values())))
        (root / "hosts" / "bookshop1" / "flags.json").write_text('{"flags": {}, "metadata": {"kept": true}}')
        assert started(root) == running
        assert "kept" in (root / "hosts" / "bookshop1" / "flags.json").read_text()
        assert answer(running["front_url"] + "/")[0] == 200
    finally:
        shop(root, "stop")
    assert shop(root, "stop").stdout == "0 processes ended\n"


def reachable(url: str) -> bool:
    try:
        return answer(url)[0] == 200
    except OSError:
        return False
