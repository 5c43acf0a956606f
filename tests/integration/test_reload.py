"""Reload instead of restart, with a real gunicorn under a real supervisord."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import typing as t

import pytest
from _restart import App, a_supervisord, await_true, perform, pid_of, run, starts_of, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import options
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import survey


@contextlib.contextmanager
def a_gunicorn(app: App, *arguments: str) -> t.Iterator[dict[str, t.Any]]:
    """Gunicorn under supervisord; gives the options to reload it."""
    with a_supervisord(app, command=app.gunicorn(*arguments)) as config:
        await_true(app.both_workers_loaded)  # one that is late would load what is live by then
        try:
            yield app.options(manager="supervisor", commands=None, supervisor_config=str(config), method="reload", reload_signal="HUP")
        finally:
            (app.root / "go").touch()


def test_reload_takes_over_what_is_live_without_a_request_lost(app: App) -> None:
    with a_gunicorn(app) as given:
        pid = pid_of(given)
        assert not perform(given).needed
        app.release("2.0.0")
        app.activate("2.0.0")
        planned = perform(given, check_mode=True)
        assert planned.reason == "reload needed: shop answers version 1.0.0, expected is 2.0.0"
        assert (planned.after, planned.impact["unavailable_ms"]) == ({**planned.before, "version": "2.0.0", "reloaded": True}, None)
        assert app.get("/live")[1]["version"] == "1.0.0"

        answers: list[int] = []
        done = threading.Event()

        def users() -> None:
            while not done.is_set():
                answers.append(app.get("/live")[0])

        user = threading.Thread(target=users)
        user.start()
        try:
            step = perform(given)
        finally:
            done.set()
            user.join()
        assert (step.before, step.after, step.reason) == (planned.before, planned.after, planned.reason)
        assert set(answers) == {200}
        assert {app.get("/live")[1]["version"] for _ in range(20)} == {"2.0.0"}
        again = perform(given)
        assert (again.needed, again.before, again.reason) == (False, again.after, "no restart needed: shop answers version 2.0.0, as expected")
        assert pid_of(given) == pid
        forced = perform({**given, "force": True})
        assert (forced.reason, forced.after["reloaded"], pid_of(given)) == ("reload forced: shop answers version 2.0.0, as expected", True, pid)


def test_reload_is_not_enough_while_a_worker_from_before_is_left(app: App) -> None:
    with a_gunicorn(app) as given:
        slow = threading.Thread(target=app.get, args=("/slow",))
        slow.start()
        time.sleep(0.3)
        app.release("2.0.0")
        app.activate("2.0.0")
        with pytest.raises(StepFailed, match=r"reloaded, and that was not enough within 1 s; found: .*process [0-9]+ is still there from before the reload"):
            perform({**given, "reload_timeout": 1})
        found = survey(with_defaults(options.ARGUMENT_SPEC, given), run)
        assert (found["stale"], found["version"]) == (True, "2.0.0")
        assert "and 2.0.0 went live" in found["reason"]
        threading.Timer(0.5, (app.root / "go").touch).start()
        assert perform(given).after["version"] == "2.0.0"
        slow.join()
        assert not perform(given).needed


def test_reload_of_what_keeps_its_code_ends_in_a_restart_or_a_failure(app: App) -> None:
    with a_gunicorn(app, "--preload") as given:
        pid = pid_of(given)
        app.release("2.0.0")
        app.activate("2.0.0")
        with pytest.raises(StepFailed, match=r"not enough within 1 s; found: .*expected is version 2\.0\.0; next: restart it, by method restart or auto"):
            perform({**given, "reload_timeout": 1})
        assert pid_of(given) == pid
        step = perform({**given, "reload_timeout": 1, "method": "auto"})
        assert "then restarted, because shop was reloaded, and that was not enough" in step.reason
        assert (step.after["version"], step.after.get("reloaded"), step.impact["unavailable_ms"] > 0) == ("2.0.0", None, True)
        assert pid_of(given) != pid
        assert not perform({**given, "method": "auto"}).needed


def test_reload_by_a_command(app: App) -> None:
    """A command that changes nothing in the service, for a service that then answers by itself what is live."""
    (app.root / "releases/1.0.0/app.py").write_text("")
    script = app.root / "app.py"
    script.write_text(
        script.read_text()
        .replace('(here / "VERSION").read_text()', '(here / "VERSION").read_text()', 1)
        .replace('body = json.dumps({"version": version', 'body = json.dumps({"version": (root / "told").read_text()')
    )
    (app.root / "told").write_text("1.0.0")
    tell = "import os, pathlib, sys; root = pathlib.Path(sys.argv[1]); (root / 'told').write_text(os.path.basename(os.readlink(root / 'current')))"
    given = app.options(method="auto", commands={**app.commands, "reload": [sys.executable, "-c", tell, str(app.root)]})
    assert perform(given).reason.startswith("restart needed: shop does not run")
    pid = pid_of(given)
    app.release("2.0.0")
    app.activate("2.0.0")
    step = perform(given)
    assert (step.after["version"], step.after["reloaded"], pid_of(given)) == ("2.0.0", True, pid)
    assert not perform(given).needed


def test_reload_that_nobody_could_do_or_judge_is_refused_before_anything_is_touched(app: App) -> None:
    perform(app.options())
    pid = pid_of(app.options())
    app.release("2.0.0")
    app.activate("2.0.0")
    with pytest.raises(Refused, match=r"command has no way to reload shop; .*; next: give it one \(commands.reload\), or method auto"):
        perform(app.options(method="reload"))
    with pytest.raises(InvalidInput, match="Nothing tells whether a reload of shop is enough"):
        perform(app.options(method="reload", version_key=None))
    with pytest.raises(Refused, match="command has no way to reload shop"):
        perform(app.options(services=[app.worker("mailer"), {"name": "shop", "method": "reload"}]))
    assert (pid_of(app.options()), starts_of(app)) == (pid, [])
    assert perform(app.options(method="auto")).after["version"] == "2.0.0"
