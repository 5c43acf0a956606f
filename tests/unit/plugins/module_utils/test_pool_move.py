"""Draining and putting back, with real files and a real application that follows them."""

from __future__ import annotations

import json
import os
import pathlib
import threading
import time
import typing as t

import pytest
from _restart import App, an_app, await_true, free_port, listening, run, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.pool import move
from ansible_collections.surefoot.release.plugins.module_utils.pool.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.pool.survey import survey
from ansible_collections.surefoot.release.plugins.module_utils.step import Step


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[App]:
    with an_app(tmp_path_factory.mktemp("pool") / "shop") as app:
        run(app.commands["start"])
        await_true(lambda: listening(app.port))
        yield app


@pytest.fixture(autouse=True)
def _tidy(app: App) -> t.Iterator[None]:
    yield
    (app.root / "drain").unlink(missing_ok=True)
    (app.root / "go").unlink(missing_ok=True)


def options(app: App, **given: t.Any) -> dict[str, t.Any]:
    return with_defaults(ARGUMENT_SPEC, {"backend": "file", "path": str(app.root / "drain"), "timeout": 5, "interval": 0.02, **given})


def perform(params: dict[str, t.Any], *, check_mode: bool = False, warnings: list[str] | None = None) -> Step:
    return move.perform(params, check_mode=check_mode, run=run, warn=(warnings if warnings is not None else []).append)


def drain(app: App, **given: t.Any) -> Step:
    return perform(options(app, state="drained", **given))


def restore(app: App, **given: t.Any) -> Step:
    return perform(options(app, state="in_pool", **given))


def test_drain_and_back(app: App) -> None:
    step = drain(app, observe_url=app.url("/health"), connections_url=app.url("/live"))
    assert (step.needed, step.before, step.after, step.undo) == (True, {"state": "in_pool"}, {"state": "drained"}, {"state": "in_pool"})
    assert step.impact["open_requests"] == 0
    assert app.get("/health")[0] == 503
    again = drain(app, observe_url=app.url("/health"))
    assert (again.needed, again.before, again.after, again.undo) == (False, {"state": "drained"}, {"state": "drained"}, None)
    assert restore(app, observe_url=app.url("/health"), health_url=app.url("/live")).after == {"state": "in_pool"}
    assert app.get("/health")[0] == 200
    assert not restore(app).needed


def test_check_mode_does_nothing(app: App) -> None:
    step = perform(options(app, state="drained", settle=60), check_mode=True)
    assert (step.needed, step.after) == (True, {"state": "drained"})
    assert not (app.root / "drain").exists()
    drain(app)
    assert perform(options(app, state="in_pool"), check_mode=True).after == {"state": "in_pool"}
    assert (app.root / "drain").exists()


def test_open_requests_end_before_the_drain_does(app: App) -> None:
    slow = threading.Thread(target=app.get, args=("/slow",))
    slow.start()
    await_true(lambda: app.get("/open")[1]["connections"] == 1)
    with pytest.raises(StepFailed, match=r"still had open requests after 0\.2 s of draining; found: .*connections.*left drained"):
        drain(app, connections_url=app.url("/open"), timeout=0.2)
    assert survey(options(app), run)["state"] == "drained"
    assert drain(app, connections_url=app.url("/open"), timeout=0.1, on_timeout="proceed").impact["open_requests"] == 1
    assert drain(app, connections_url=app.url("/open"), timeout=0.1, connections_idle=1).impact["open_requests"] == 0
    threading.Timer(0.3, (app.root / "go").touch).start()
    assert drain(app, connections_url=app.url("/open")).impact["open_requests"] == 0
    slow.join()


def test_answer_without_the_number_is_not_taken_for_none_open(app: App) -> None:
    with pytest.raises(StepFailed, match="no number under sessions"):
        drain(app, connections_url=app.url("/open"), connections_key="sessions", timeout=0.1)


def test_dead_service_has_no_open_requests(app: App) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    assert drain(app, observe_url=nobody, connections_url=nobody).impact["open_requests"] == 0


def test_application_that_ignores_the_drain_file_is_found_out(app: App) -> None:
    with pytest.raises(StepFailed, match=r"still answers as if it were not; found: .*/live answered 200"):
        drain(app, observe_url=app.url("/live"), timeout=0.1)


def test_settling_is_not_begun_again_by_a_second_run(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(move.time, "sleep", slept.append)
    drain(app, settle=30)
    drain(app, settle=30)
    os.utime(app.root / "drain", (time.time() - 31, time.time() - 31))
    drain(app, settle=30)
    os.utime(app.root / "drain", (time.time() + 500, time.time() + 500))
    drain(app, settle=30)
    assert [round(seconds, -1) for seconds in slept] == [30, 30, 30], "whole, the rest, nothing, and whole again where the clock cannot be trusted"


def test_member_that_is_not_healthy_is_not_put_back(app: App) -> None:
    drain(app)
    with pytest.raises(Refused, match=r"not put back, because it is not healthy; found: .*refused.*left drained"):
        restore(app, health_url=f"http://127.0.0.1:{free_port()}/", timeout=0.1)
    assert (app.root / "drain").exists()
    restore(app, health_url=app.url("/live"))
    assert not (app.root / "drain").exists(), "the second run puts it back"


def test_member_put_back_that_is_never_seen_to_serve(app: App) -> None:
    drain(app)
    with pytest.raises(StepFailed, match="the balancer still gets no good answer"):
        restore(app, observe_url=f"http://127.0.0.1:{free_port()}/", timeout=0.1)


@pytest.mark.parametrize("content", ["", "out for repair, Ann", '{"drained_by": "ann"}', "[1]"])
def test_drain_file_of_somebody_else_stays(app: App, content: str) -> None:
    (app.root / "drain").write_text(content)
    assert not drain(app).needed
    warnings: list[str] = []
    step = perform(options(app, state="in_pool"), warnings=warnings)
    assert (step.needed, step.after) == (False, {"state": "drained"})
    assert "somebody else" in step.reason
    assert len(warnings) == 1
    assert (app.root / "drain").read_text() == content
    assert not survey(options(app), run)["ours"]


def test_drain_file_is_readable_and_says_who(app: App) -> None:
    drain(app)
    assert json.loads((app.root / "drain").read_text())["drained_by"] == "surefoot"
    assert (app.root / "drain").stat().st_mode & 0o777 == 0o644


def test_directory_that_is_not_there(app: App) -> None:
    params = options(app, path=str(app.root / "none/drain"))
    with pytest.raises(Refused, match="nobody looks there"):
        perform(params)
    assert survey(params, run)["state"] == "unknown"


@pytest.mark.parametrize(
    "given",
    [
        {"backend": "file", "path": None},
        {"backend": "command"},
        {"backend": "haproxy"},
        {"backend": "haproxy", "haproxy_sockets": ["/s"], "haproxy_backend": "b", "haproxy_server": "s state ready; shutdown"},
        {"backend": "file", "timeout": 0},
        {"backend": "file", "health_url": "http://shop/health", "observe_url": "http://shop/health"},
        {"backend": "file", "health_url": "shop", "state": "in_pool"},
    ],
)
def test_options_that_cannot_be_used(app: App, given: dict[str, t.Any]) -> None:
    if given.get("state") == "in_pool":
        drain(app)
    with pytest.raises(InvalidInput):
        perform(options(app, **given))


def test_no_pool(app: App) -> None:
    step = perform(options(app, backend="none"))
    assert (step.needed, step.before, step.after) == (False, {"state": "in_pool"}, {"state": "in_pool"})


def commands(root: pathlib.Path, status: str | None) -> dict[str, t.Any]:
    told = {"drain": ["sh", "-c", f"echo drained > {root}/word"], "restore": ["sh", "-c", f"echo in_pool > {root}/word"]}
    return {"backend": "command", "commands": {**told, **({"status": ["sh", "-c", status]} if status else {})}}


def test_commands(app: App, tmp_path: pathlib.Path) -> None:
    (tmp_path / "word").write_text("in_pool\n")
    given = commands(tmp_path, f"cat {tmp_path}/word")
    assert drain(app, **given).needed
    assert not drain(app, **given).needed
    assert restore(app, **given).after == {"state": "in_pool"}


def test_commands_without_status_move_each_time(app: App, tmp_path: pathlib.Path) -> None:
    step = drain(app, **commands(tmp_path, None))
    assert (step.needed, step.before, step.undo) == (True, {"state": "unknown"}, None)
    assert drain(app, **commands(tmp_path, None)).needed


@pytest.mark.parametrize(("status", "seen"), [("echo perhaps", "'perhaps', exit code 0"), ("echo in_pool; exit 1", "exit code 1")])
def test_status_that_does_not_tell_is_refused_and_nothing_is_moved(app: App, tmp_path: pathlib.Path, status: str, seen: str) -> None:
    with pytest.raises(Refused, match=seen):
        drain(app, **commands(tmp_path, status))
    assert not (tmp_path / "word").exists()


def test_pool_that_does_not_obey(app: App, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StepFailed, match="still not drained"):
        drain(app, **commands(tmp_path, "echo in_pool"), timeout=0.1)
    failing = {"backend": "command", "commands": {"drain": ["sh", "-c", "echo no >&2; exit 4"], "restore": ["true"]}}
    with pytest.raises(StepFailed, match=r"The drain command of the pool failed; found: exit code 4 \(no\)"):
        drain(app, **failing)
