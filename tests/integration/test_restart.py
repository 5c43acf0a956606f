"""The restart step and pool membership against real processes, a real supervisord and a real HAProxy."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import typing as t

import pytest
from _restart import BIN, App, a_supervisord, an_app, await_true, free_port, listening, run, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.pool import move
from ansible_collections.surefoot.release.plugins.module_utils.pool import options as pool_options
from ansible_collections.surefoot.release.plugins.module_utils.pool.survey import survey as survey_pool
from ansible_collections.surefoot.release.plugins.module_utils.service import options, restart
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import survey
from ansible_collections.surefoot.release.plugins.module_utils.step import Step
from helpers import run_module, run_playbook


@pytest.fixture
def app(tmp_path: pathlib.Path) -> t.Iterator[App]:
    with an_app(tmp_path / "shop") as app:
        yield app


def perform(given: dict[str, t.Any], *, check_mode: bool = False) -> Step:
    return restart.perform(with_defaults(options.ARGUMENT_SPEC, given), check_mode=check_mode, run=run)


def pid_of(given: dict[str, t.Any]) -> int | None:
    return t.cast("int | None", survey(with_defaults(options.ARGUMENT_SPEC, given), run)["pid"])


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


def starts_of(app: App) -> list[str]:
    path = app.root / "starts"
    return path.read_text().split() if path.exists() else []


def test_units_are_restarted_in_the_declared_order_and_only_where_stale(app: App) -> None:
    given = app.options(services=[app.worker("mailer"), {"name": "shop"}, app.worker("clock")])
    first = perform(given, check_mode=True)
    assert (first.needed, starts_of(app), (app.root / "pid").exists()) == (True, [], False)
    assert first.after["others"] == {name: {"running": True, "version": "1.0.0", "started_at": None} for name in ("mailer", "clock")}
    assert perform(given).needed
    assert starts_of(app) == ["mailer", "clock"]

    app.release("2.0.0")
    app.activate("2.0.0")
    perform(app.options(services=[app.worker("clock"), {"name": "shop"}]))
    (app.root / "starts").unlink()
    pid = pid_of(app.options())
    step = perform(given)
    assert step.reason.split("; ") == [
        "restart needed: mailer runs 1.0.0, 2.0.0 is live",
        "no restart needed: shop runs 2.0.0, which is live",
        "no restart needed: clock runs 2.0.0, which is live",
    ]
    assert (step.before["version"], step.before["others"]["mailer"]["version"], step.before["others"]["clock"]["version"]) == ("2.0.0", "1.0.0", "2.0.0")
    assert (step.after["others"]["mailer"]["version"], step.after["others"]["clock"]) == ("2.0.0", step.before["others"]["clock"])
    assert (step.impact["unavailable_ms"], starts_of(app), pid_of(app.options())) == (0, ["mailer"], pid)
    again = perform(given)
    assert (again.needed, again.before, starts_of(app)) == (False, again.after, ["mailer"])
    found = survey(with_defaults(options.ARGUMENT_SPEC, given), run)
    assert [(unit["name"], unit["version"], unit["stale"]) for unit in (found, *found["others"])] == [
        ("shop", "2.0.0", False),
        ("mailer", "2.0.0", False),
        ("clock", "2.0.0", False),
    ]


def test_a_worker_that_dies_leaves_those_after_it_alone(app: App) -> None:
    given = app.options(services=[app.worker("mailer"), {"name": "shop"}], member_drained=True)
    perform(given)
    pid = pid_of(app.options())
    app.release("2.0.0", "worker dies")
    app.activate("2.0.0")
    with pytest.raises(StepFailed, match=r"mailer went down and stays down; .*left drained.*; not touched yet: shop"):
        perform(given)
    assert (pid_of(app.options()), app.get("/live")[1]["version"]) == (pid, "1.0.0")
    app.release("2.0.1")
    app.activate("2.0.1")
    assert perform(given).after["others"]["mailer"]["version"] == "2.0.1"


@pytest.mark.parametrize("told_by", ["pid_file", "status"])
def test_a_worker_that_died_while_the_next_unit_was_waited_for_is_found(app: App, told_by: str) -> None:
    """The web server takes the worker down with it, and nobody starts it again."""
    mailer = app.worker("mailer")
    if told_by == "status":
        mailer["commands"]["status"] = ["sh", "-c", f"readlink /proc/$(cat {mailer['commands'].pop('pid_file')})/exe"]
    given = app.options(services=[mailer, {"name": "shop"}])
    start = app.root / "start.py"
    start.write_text(start.read_text() + "import os; os.kill(int((root / 'mailer.pid').read_text()), 9)")
    with pytest.raises(StepFailed, match="mailer went down and stays down"):
        perform(given)


def test_a_unit_that_was_taken_along_is_not_restarted_twice(app: App) -> None:
    """The order to start the first starts the second too, as with PartOf in systemd."""
    clock, mailer = app.worker("clock"), app.worker("mailer")
    given = app.options(services=[mailer, clock, {"name": "shop"}])
    perform(given)
    (app.root / "starts").unlink()
    start = app.root / "start_worker.py"
    start.write_text(
        f"import subprocess, sys; sys.argv[2] == 'mailer' and (subprocess.run({clock['commands']['stop']}), subprocess.run({clock['commands']['start']}))"
        + start.read_text()
    )
    app.release("2.0.0")
    app.activate("2.0.0")
    step = perform(given)
    assert (starts_of(app), step.after["others"]["clock"]["version"]) == (["clock", "mailer"], "2.0.0")
    assert not perform(given).needed


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


PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {vars}
  tasks:
    - ansible.builtin.import_role: {{name: surefoot.release.restart, tasks_from: drain}}
    - ansible.builtin.file: {{src: "releases/{{{{ version }}}}", path: "{root}/current", state: link}}
    - ansible.builtin.import_role: {{name: surefoot.release.restart}}
    - ansible.builtin.import_role: {{name: surefoot.release.restart, tasks_from: restore}}
"""


def test_failed_restart_leaves_the_member_drained_and_the_next_run_puts_it_back(app: App) -> None:
    drain_file = app.root / "drain"
    services = [app.worker("mailer"), {"name": "shop"}]
    variables = {f"restart_{name}": value for name, value in app.options(health_timeout=1, services=services).items() if name != "path"}
    pool = {"backend": "file", "path": str(drain_file), "observe_url": app.url("/health"), "timeout": 5}
    variables |= {f"restart_pool_{name}": value for name, value in pool.items()} | {"install_path": str(app.root)}
    (app.root / "play.yml").write_text(PLAY.format(vars=variables, root=app.root))
    app.release("2.0.0", "sick")
    app.release("2.0.1")

    def play(version: str) -> subprocess.CompletedProcess[str]:
        return run_playbook("play.yml", "-e", f"version={version}", cwd=app.root, ANSIBLE_CONNECTION="local")

    assert play("1.0.0").returncode == 0
    assert app.get("/health")[0] == 200
    assert starts_of(app) == ["mailer"]
    failed = play("2.0.0")
    assert failed.returncode == 2
    assert "it is left drained, so no user is sent to it" in failed.stdout
    assert drain_file.exists()
    mended = play("2.0.1")
    assert mended.returncode == 0, mended.stdout
    assert not drain_file.exists()
    assert app.get("/health")[0] == 200
    pid = (app.root / "pid").read_text()
    again = play("2.0.1")
    assert "changed=2" in again.stdout.partition("RECAP")[2], "drained and put back, and nothing else"
    assert (app.root / "pid").read_text() == pid
    assert starts_of(app) == ["mailer"] * 3


HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"


@contextlib.contextmanager
def a_haproxy(app: App) -> t.Iterator[tuple[list[str], int]]:
    """HAProxy before the application: its two admin sockets, a path and an address, and the port of its front."""
    front, admin = free_port(), free_port()
    config = app.root / "haproxy.cfg"
    config.write_text(
        textwrap.dedent(
            f"""
            global
                stats socket {app.root}/admin level admin
                stats socket 127.0.0.1:{admin} level admin
                stats socket {app.root}/reader level user
            defaults
                mode http
                timeout connect 2s
                timeout client 30s
                timeout server 30s
            listen shop
                bind 127.0.0.1:{front}
                option httpchk GET /live
                default-server check inter 100ms fall 1 rise 1
                server one 127.0.0.1:{app.port}
                server two 127.0.0.1:{free_port()} disabled
            """
        )
    )
    daemon = subprocess.Popen([HAPROXY, "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_true(lambda: listening(front))
        yield [str(app.root / "admin"), f"127.0.0.1:{admin}"], front
    finally:
        daemon.terminate()
        daemon.wait(20)


@pytest.mark.skipif(not pathlib.Path(HAPROXY).exists(), reason="needs haproxy")
def test_haproxy(app: App) -> None:
    perform(app.options())
    with a_haproxy(app) as (sockets, front):
        through = App(app.root, front)
        given = {"backend": "haproxy", "haproxy_sockets": sockets, "haproxy_backend": "shop", "haproxy_server": "one", "timeout": 5, "interval": 0.02}

        def to(state: str, **changes: t.Any) -> Step:
            params = with_defaults(pool_options.ARGUMENT_SPEC, {**given, "state": state, **changes})
            return move.perform(params, check_mode=False, run=run, warn=lambda _: None)

        def standing(**changes: t.Any) -> str:
            return str(survey_pool(with_defaults(pool_options.ARGUMENT_SPEC, {**given, **changes}), run)["state"])

        assert standing() == "in_pool"
        slow = threading.Thread(target=through.get, args=("/slow",))
        slow.start()
        await_true(lambda: app.get("/open")[1]["connections"] == 1)
        with pytest.raises(StepFailed, match=r"still had open requests after 0.3 s of draining; found: [12] open, shop/one"):
            to("drained", timeout=0.3)
        threading.Timer(0.3, (app.root / "go").touch).start()
        assert to("drained").impact["open_requests"] == 0
        slow.join()
        assert through.get_status("/live") == 503

        os.kill(int((app.root / "pid").read_text()), signal.SIGKILL)
        await_true(lambda: "DOWN" in str(survey_pool(with_defaults(pool_options.ARGUMENT_SPEC, given), run)["reason"]))
        with pytest.raises(Refused, match=r"its balancer does not find it healthy; found: .*DOWN.*left drained"):
            to("in_pool", timeout=0.3)
        assert standing() == "drained"
        perform(app.options())
        assert to("in_pool").after == {"state": "in_pool"}
        assert through.get_status("/live") == 200
        assert not to("in_pool").needed

        assert standing(haproxy_server="two") == "drained"
        assert "somebody else" in to("in_pool", haproxy_server="two").reason
        assert not to("drained", haproxy_server="two").needed
        with pytest.raises(Refused, match=r"knows no server shop/three; found: \['one', 'two'\]"):
            to("drained", haproxy_server="three")
        with pytest.raises(Refused, match="knows no backend store"):
            to("drained", haproxy_backend="store")
        assert standing(haproxy_server="three") == "unknown"
        with pytest.raises((Refused, StepFailed), match=r"[Pp]ermission denied|level admin"):
            to("drained", haproxy_sockets=[str(app.root / "reader")])
    with pytest.raises(Refused, match="HAProxy does not answer at"):
        to("drained")
