"""Gates as a playbook runs them: real servers, real commands, and nothing of them left."""

from __future__ import annotations

import contextlib
import http.server
import os
import pathlib
import threading
import typing as t

import pytest

from helpers import run_module


class Shop(http.server.BaseHTTPRequestHandler):
    """Answers 200 to staff and 404 to others."""

    def do_GET(self) -> None:
        known = self.headers.get("X-User") == "staff" and self.headers.get("Authorization") == "Bearer hush-hush"
        body = b"the reviews" if known else b"no such page"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: t.Any) -> None:
        pass


@pytest.fixture(name="shop")
def shop_fixture() -> t.Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/reviews"
        server.shutdown()
        thread.join()


def gate(check: bool = False, **args: t.Any) -> dict[str, t.Any]:
    return run_module("gate", {"name": "the gate", "timeout": 2, **args}, check=check)


STAFF = {"X-User": "staff", "Authorization": "Bearer hush-hush"}


def test_http(shop: str) -> None:
    passed = gate(http={"url": shop, "headers": STAFF, "contains": "reviews"})
    assert (passed["failed"], passed["changed"]) == (False, False)
    assert {key: passed["gate"][key] for key in ("name", "verdict", "seen", "samples")} == {
        "name": "the gate",
        "verdict": "passed",
        "seen": "status 200",
        "samples": 1,
    }
    assert "hush" not in str(passed), "what tells of a credential by its name is masked"
    failed = gate(http={"url": shop}, timeout=0.5)
    assert (failed["failed"], failed["gate"]["verdict"], failed["gate"]["seen"]) == (True, "failed", "status 404 instead of 200")
    assert failed["msg"] == "Gate the gate failed: status 404 instead of 200"
    assert failed["gate"]["samples"] > 1


def test_a_gate_is_asked_in_check_mode_too(shop: str) -> None:
    assert gate(check=True, http={"url": shop, "expect": 404})["gate"]["verdict"] == "passed"


def test_a_command_says_what_it_said(tmp_path: pathlib.Path) -> None:
    script = "echo $0 $HOME; pwd; exit ${1:-0}"
    passed = gate(command=["sh", "-c", script], chdir=str(tmp_path))
    assert (passed["failed"], passed["gate"]["verdict"]) == (False, "passed")
    failed = gate(command=["sh", "-c", script, "$HOME", "3"], chdir=str(tmp_path))
    assert failed["gate"]["verdict"] == "failed"
    assert failed["gate"]["seen"] == f"exit code 3: $HOME {os.environ['HOME']}\n{tmp_path}", "the words of a command are not touched"


@pytest.mark.parametrize(
    ("args", "seen"),
    [
        ({"command": ["no-such-command"]}, "exit code 127"),
        ({"command": ["true"], "chdir": "/none"}, "The directory of a command gate is missing"),
        ({"http": {"url": "ftp://shop/"}}, "is not a URL that can be asked"),
    ],
)
def test_a_gate_that_cannot_be_asked_is_an_error_and_no_failure(args: dict[str, t.Any], seen: str) -> None:
    found = gate(**args)
    assert (found["failed"], found["gate"]["verdict"]) == (True, "error")
    assert seen in found["gate"]["seen"]
    assert found["msg"].startswith("Gate the gate could not be asked: ")


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_command_out_of_time_fails_and_leaves_no_process(tmp_path: pathlib.Path, stubborn: bool) -> None:
    script = f"{'trap : TERM;' if stubborn else ''} echo $$ >> pids; sh -c 'echo $$ >> pids; while :; do sleep 0.1; done' & while :; do sleep 0.1; done"
    found = gate(command=["sh", "-c", script], chdir=str(tmp_path), timeout=1)
    assert (found["gate"]["verdict"], found["gate"]["samples"]) == ("failed", 1)
    assert "no end within" in found["gate"]["seen"]
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert [pid for pid in pids if _lives(pid)] == []


def _lives(pid: int) -> bool:
    """Whether a process is there and does anything; one that is dead may still wait for its parent to notice."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of the following is required: http, command"),
        ({"command": ["true"], "http": {"url": "http://shop/"}}, "mutually exclusive"),
        ({"http": {}}, "url"),
    ],
)
def test_a_gate_is_of_one_kind(args: dict[str, t.Any], message: str) -> None:
    assert message in gate(**args)["msg"]
