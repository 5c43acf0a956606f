"""How the looks of a gate become its verdict, with a clock that the test turns."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import ssl
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.gate.ask import ERROR, FAILED, INCONCLUSIVE, PASSED, Judgement, Observation, ask
from ansible_collections.surefoot.release.plugins.module_utils.gate.command import command_look
from ansible_collections.surefoot.release.plugins.module_utils.gate.web import OPTIONS, READ_AT_MOST, http_look


class Clock:
    """Time that passes only where somebody sleeps, or where a look takes its time."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def judge(*verdicts: str, timeout: float = 10, interval: float | None = 1.0, takes: float = 0.0) -> tuple[Judgement, list[float]]:
    """The judgement over these looks, the last of which repeats; and how long each was allowed to take."""
    clock, allowed = Clock(), list[float]()

    def look(at_most: float) -> Observation:
        allowed.append(at_most)
        clock.sleep(takes)
        return Observation(verdicts[min(len(allowed), len(verdicts)) - 1], f"look {len(allowed)}")

    return ask(look, timeout=timeout, interval=interval, now=clock.now, sleep=clock.sleep), allowed


def test_a_gate_that_passes_is_asked_no_more() -> None:
    assert judge(FAILED, ERROR, PASSED)[0] == Judgement(PASSED, "look 3", samples=3, waited=2.0)


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([FAILED], FAILED),
        ([ERROR], ERROR),
        ([INCONCLUSIVE], INCONCLUSIVE),
        ([ERROR, FAILED, ERROR], FAILED),
        ([ERROR, INCONCLUSIVE, ERROR], INCONCLUSIVE),
        ([INCONCLUSIVE, FAILED, INCONCLUSIVE], FAILED),
    ],
)
def test_an_error_tells_only_where_nothing_else_was_seen(looks: list[str], verdict: str) -> None:
    judgement, allowed = judge(*looks)
    assert (judgement.verdict, judgement.samples, judgement.waited) == (verdict, 10, 10.0)
    assert allowed == [float(left) for left in range(10, 0, -1)], "no look may outlast the gate"


def test_without_an_interval_it_is_asked_once() -> None:
    assert judge(FAILED, PASSED, interval=None)[0].samples == 1


def test_a_gate_without_time_is_still_asked_once() -> None:
    judgement, allowed = judge(PASSED, timeout=0)
    assert (judgement.verdict, judgement.samples) == (PASSED, 1)
    assert allowed[0] > 0


def test_the_last_look_may_come_late_and_the_wait_is_not_stretched() -> None:
    judgement, _allowed = judge(FAILED, timeout=2.5, interval=1.0, takes=0.5)
    assert (judgement.samples, judgement.waited) == (2, 2.5)


@contextlib.contextmanager
def answering(*pieces: bytes, pause: float = 0.0) -> t.Iterator[str]:
    """The URL of a server that answers every connection with these bytes, one piece after each pause."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                    over.wait(pause)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/page"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def asked(url: str, at_most: float = 10, **given: t.Any) -> Observation:
    defaults = {name: option.get("default") for name, option in OPTIONS.items()}
    return http_look({**defaults, "url": url, **given})(at_most)


def body(text: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.mark.parametrize(
    ("answer", "given", "verdict", "seen"),
    [
        (body("hello"), {}, PASSED, "status 200"),
        (body("hello"), {"contains": "hell", "lacks": "error"}, PASSED, "status 200"),
        (body("hello"), {"contains": "bye"}, FAILED, "the answer lacks 'bye'"),
        (body("hello"), {"lacks": "hell"}, FAILED, "the answer contains 'hell'"),
        (body("gone", "404 Not Found"), {"expect": 404}, PASSED, "status 404"),
        (body("gone", "404 Not Found"), {"expect": 404, "contains": "gone"}, PASSED, "status 404"),
        (body("down", "503 Busy"), {}, FAILED, "status 503 instead of 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", {}, FAILED, "status 302 instead of 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", {"expect": 302}, PASSED, "status 302"),
        (b"", {}, FAILED, "no answer"),
        (b"nonsense\r\n\r\n", {}, FAILED, "no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\nno gzip!!", {}, PASSED, "status 200"),
    ],
)
def test_http(answer: bytes, given: dict[str, t.Any], verdict: str, seen: str) -> None:
    with answering(answer) as url:
        found = asked(url, **given)
    assert found.verdict == verdict
    assert seen in found.seen


def test_nobody_listening_is_a_failure_as_it_is_for_a_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert asked(f"http://127.0.0.1:{port}/").verdict == FAILED


def test_an_answer_that_never_ends_fails_in_time_even_where_all_of_it_was_good() -> None:
    began = time.monotonic()
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", *[b"x"] * 900, pause=0.05) as url:
        found = asked(url, 0.5, lacks="error")
    assert (found.verdict, time.monotonic() - began < 20) == (FAILED, True)
    assert "did not end within 0.5 s" in found.seen


def test_only_the_beginning_of_a_large_answer_is_read() -> None:
    with answering(body("x" * READ_AT_MOST + "late")) as url:
        assert asked(url, contains="late").verdict == FAILED


def test_a_certificate_that_is_not_trusted_is_an_error_of_the_gate(tmp_path: pathlib.Path) -> None:
    pair = tmp_path / "pair.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2", "-keyout", pair, "-out", tmp_path / "cert.pem"],
        check=True,
        capture_output=True,
    )
    pair.write_text(pair.read_text() + (tmp_path / "cert.pem").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _turn in range(2):
                connection, _address = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
                    encrypted.recv(65536)
                    encrypted.sendall(body("hello"))

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        assert asked(url).verdict == ERROR
        assert asked(url, validate_certs=False).verdict == PASSED
        thread.join()


def test_a_name_that_nobody_knows_is_an_error_of_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert asked("http://shop.example/").verdict == ERROR


def test_a_url_that_cannot_be_sent_is_an_error_of_the_gate() -> None:
    assert asked("http://127.0.0.1/a page").verdict == ERROR


@pytest.mark.parametrize("url", ["", "shop", "ftp://shop/", "file:///etc/passwd", "http://", "http://shop:port/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not a URL that can be asked"):
        http_look({"url": url})


def run(command: list[str], *, cwd: str | None, **_options: t.Any) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "verdict", "seen"),
    [
        (["true"], PASSED, "exit code 0"),
        (["sh", "-c", "echo broken >&2; exit 3"], FAILED, "exit code 3: broken"),
        (["sh", "-c", "exit 1"], FAILED, "exit code 1"),
        (["no-such-command"], ERROR, "exit code 127"),
        (["/"], ERROR, "exit code 126"),
        (["sleep", "60"], FAILED, "no end within"),
        (["sh", "-c", "trap '' TERM; echo stubborn; while :; do sleep 0.1; done"], FAILED, "no end within"),
    ],
)
def test_command(command: list[str], verdict: str, seen: str) -> None:
    found = command_look(command, None, run)(1.0)
    assert found.verdict == verdict
    assert seen in found.seen


def test_only_the_end_of_what_a_command_said_is_told() -> None:
    found = command_look(["sh", "-c", "yes noise | head -c 100000; echo the end; exit 1"], None, run)(10)
    assert found.seen.endswith("the end")
    assert len(found.seen) < 2100


def test_a_machine_without_timeout_is_an_error_of_the_gate(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = command_look(["true"], None, run)(1)
    assert found.verdict == ERROR
    assert "could not be started" in found.seen


@pytest.mark.parametrize(("command", "chdir", "message"), [([], None, "needs a command"), ([""], None, "needs a command"), (["true"], "/none", "is missing")])
def test_a_command_that_cannot_be_run_is_refused(command: list[str], chdir: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        command_look(command, chdir, run)
