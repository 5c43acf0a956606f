"""The restart step against real processes and a real supervisord: what is stale, and what counts as healthy."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time

import pytest
from _restart import BIN, App, a_supervisord, perform, pid_of, run, starts_of, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import options
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import survey
from helpers import run_module


def test_stale_is_restarted_once(app: App) -> None:
    first = perform(app.options())
    assert (first.needed, first.before["running"], first.after["version"]) == (True, False, "1.0.0")
    app.release("2.0.0")
    app.activate("2.0.0")
    step = perform(app.options(member_drained=True))
    assert step.reason == "restart needed: shop runs 1.0.0, 2.0.0 is live"
    assert (step.before["version"], step.after["version"], step.undo) == ("1.0.0", "2.0.0", {})
    assert step.impact["unavailable_ms"] > 0
    assert step.impact["drained"] is True
    pid = pid_of(app.options())
    again = perform(app.options())
    assert (again.needed, again.reason) == (False, "no restart needed: shop runs 2.0.0, which is live")
    assert again.before == again.after == step.after
    assert (again.undo, again.impact["unavailable_ms"], pid_of(app.options())) == (None, 0, pid)


@pytest.mark.parametrize("hours", [-1000, 1000])
def test_clocks_do_not_matter_where_the_kernel_tells(app: App, hours: int) -> None:
    perform(app.options())
    app.release("2.0.0")
    app.activate("2.0.0", since=time.time() + hours * 3600)
    assert perform(app.options()).after["version"] == "2.0.0"
    assert not perform(app.options()).needed


def test_check_mode_touches_nothing(app: App) -> None:
    planned = perform(app.options(), check_mode=True)
    assert (planned.needed, planned.after, planned.impact["unavailable_ms"]) == (True, {"running": True, "version": "1.0.0", "started_at": None}, None)
    assert not (app.root / "pid").exists()
    perform(app.options())
    pid = pid_of(app.options())
    assert not perform(app.options(), check_mode=True).needed
    after_install = perform(app.options(expect_version="2.0.0"), check_mode=True)
    assert (after_install.needed, after_install.after["version"]) == (True, "2.0.0")
    assert perform(app.options(force=True), check_mode=True).needed
    assert pid_of(app.options()) == pid


def test_wrong_version_answered(app: App) -> None:
    app.release("2.0.0")
    (app.root / "releases/2.0.0/VERSION").write_text("1.9.9")
    app.activate("2.0.0")
    with pytest.raises(StepFailed, match=r"shop answers version 1\.9\.9, expected is 2\.0\.0; found: .*answered 200.*; next: it is left drained"):
        perform(app.options(member_drained=True))


def test_process_that_dies_at_once(app: App) -> None:
    perform(app.options())
    app.release("2.0.0", "dies")
    app.activate("2.0.0")
    with pytest.raises(StepFailed, match=r"shop went down and stays down; found: .*is gone.*; next: it is still in its pool"):
        perform(app.options(health_timeout=60, member_drained=False))


@pytest.mark.parametrize(("behavior", "seen"), [("sick", "answered 500"), ("silent", "timed out")])
def test_never_healthy_ends_at_the_deadline(app: App, behavior: str, seen: str) -> None:
    app.release("2.0.0", behavior)
    app.activate("2.0.0")
    with pytest.raises(StepFailed, match=rf"shop was not healthy within 1 s; found: process [0-9]+ is alive, .*{seen}"):
        perform(app.options(health_timeout=1))


def test_service_nailed_to_a_release_is_found_out(app: App) -> None:
    start = app.root / "start.py"
    start.write_text(start.read_text().replace('"current"', '"releases/1.0.0"'))
    app.release("2.0.0")
    app.activate("2.0.0")
    with pytest.raises(StepFailed, match=r"shop was restarted and still does not run 2\.0\.0; found: it runs in .*/releases/1\.0\.0"):
        perform(app.options(version_key=None))


def test_process_left_over_from_before_does_not_pass_for_the_new_one(app: App) -> None:
    """Its pid file was lost, and it holds the port: a new process would die for want of it, but not before the old one has answered."""
    perform(app.options())
    old = int((app.root / "pid").read_text())
    (app.root / "pid").unlink()
    try:
        with pytest.raises(StepFailed, match=r"shop is stopped, and something else answers in its place; found: .*answered 200.*shop was not started"):
            perform(app.options(version_key=None, stop_timeout=0.2))
        assert not (app.root / "pid").exists()
    finally:
        os.kill(old, signal.SIGKILL)


def test_nothing_live_is_refused(app: App) -> None:
    (app.root / "current").unlink()
    with pytest.raises(Refused, match="Nothing is live below"):
        perform(app.options())


def test_supervisor(app: App) -> None:
    with a_supervisord(app) as config:
        given = app.options(manager="supervisor", commands=None, supervisor_config=str(config))
        assert not perform(given).needed
        app.release("2.0.0")
        app.activate("2.0.0", since=time.time() + 86400)
        step = perform(given)
        assert (step.before["version"], step.after["version"]) == ("1.0.0", "2.0.0")
        assert not perform(given).needed
        subprocess.run([str(BIN / "supervisorctl"), "-c", str(config), "stop", "shop"], check=True, capture_output=True)
        assert perform(given).after["running"]
        with pytest.raises(Refused, match=r"supervisor knows no service store; found: supervisord says BAD_NAME"):
            perform({**given, "service": "store"})
        found = survey(with_defaults(options.ARGUMENT_SPEC, {**given, "service": "store"}), run)
        assert (found["known"], found["running"]) == (False, False)
        config.write_text(config.read_text().replace("secret-of-the-socket", "wrong-word"))
        with pytest.raises(Refused, match="401 Unauthorized") as refused:
            perform(given)
        assert "wrong-word" not in str(refused.value)
    with pytest.raises(Refused, match="supervisord does not answer at"):
        perform(given)


def test_supervisor_gives_up_on_a_process_that_dies_at_once(app: App) -> None:
    with a_supervisord(app) as config:
        given = app.options(manager="supervisor", commands=None, supervisor_config=str(config), health_timeout=60)
        app.release("2.0.0", "dies")
        app.activate("2.0.0")
        with pytest.raises(StepFailed, match=r"again and again|stays down; found: supervisord says FATAL"):
            perform(given)
        app.release("2.0.1")
        app.activate("2.0.1")
        assert perform(given).after["version"] == "2.0.1"


def test_supervisor_respawning_for_ever_is_not_healthy(app: App) -> None:
    """Each process lives long enough for supervisord to be content with it, and dies of the first question."""
    with a_supervisord(app, startsecs=0) as config:
        given = app.options(manager="supervisor", commands=None, supervisor_config=str(config), health_timeout=60)
        app.release("2.0.0", "dies after an answer")
        app.activate("2.0.0")
        with pytest.raises(StepFailed, match=r"shop dies and is started again and again; found: processes [0-9]+, [0-9]+, [0-9]+;"):
            perform(given)


def test_modules_run_for_real(app: App) -> None:
    drain_file = app.root / "drain"
    pool = {"backend": "file", "path": str(drain_file), "observe_url": app.url("/health"), "health_url": app.url("/live")}
    assert run_module("restart", app.options(), check=True)["changed"]
    assert not (app.root / "pid").exists()
    started = run_module("restart", app.options(health_headers={"Authorization": "Bearer 12345678"}))
    assert (started["changed"], started["step"]["after"]["version"]) == (True, "1.0.0"), started
    assert "12345678" not in str(started)
    assert not run_module("restart", app.options())["changed"]
    working = run_module("restart", app.options(services=[app.worker("mailer"), {"name": "shop"}]))
    assert (working["changed"], working["step"]["before"]["others"]["mailer"]["running"]) == (True, False), working
    assert (working["step"]["after"]["others"]["mailer"]["running"], starts_of(app)) == (True, ["mailer"])
    drained = run_module("pool_member", {**pool, "state": "drained"})
    assert (drained["changed"], drained["step"]["after"]) == (True, {"state": "drained"}), drained
    assert run_module("pool_member", {**pool, "state": "in_pool"}, check=True)["changed"]
    assert drain_file.exists()
    assert run_module("pool_member", {**pool, "state": "in_pool"})["changed"]
    failed = run_module("restart", app.options(health_timeout=0))
    assert (failed["failed"], failed["error"]["kind"]) == (True, "InvalidInput")


def test_a_staged_version_is_made_live_and_run_in_one_go(app: App) -> None:
    perform(app.options())
    artifact = app.root / "shop-2.0.0.tar"
    with tarfile.open(artifact, "w") as archive:
        for name in ("VERSION", "behavior"):
            (app.root / name).write_text({"VERSION": "2.0.0", "behavior": ""}[name])
            archive.add(app.root / name, name)
    given = app.options(activate={"path": str(app.root), "version": "2.0.0"})
    refused = run_module("restart", given)
    assert (refused["failed"], refused["error"]["kind"], app.get("/live")[1]["version"]) == (True, "Refused", "1.0.0")
    assert run_module("install", {"path": str(app.root), "version": "2.0.0", "state": "staged", "src": str(artifact)})["changed"]
    pid = pid_of(app.options())

    planned = run_module("restart", given, check=True)
    assert (planned["changed"], planned["activation"]["needed"], planned["step"]["needed"]) == (True, True, True)
    assert (str((app.root / "current").readlink()), pid_of(app.options())) == ("releases/1.0.0", pid)
    done = run_module("restart", given)
    assert (done["activation"]["kind"], done["activation"]["before"]["live"], done["activation"]["after"]["live"]) == ("install", "1.0.0", "2.0.0"), done
    assert done["activation"]["undo"] == {"version": "1.0.0"}
    assert (done["step"]["reason"], app.get("/live")[1]["version"]) == ("restart needed: shop runs 1.0.0, 2.0.0 is live", "2.0.0")
    again = run_module("restart", given)
    assert (again["changed"], again["activation"]["needed"], again["step"]["needed"]) == (False, False, False)
