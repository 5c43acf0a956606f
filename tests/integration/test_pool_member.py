"""Out of the pool and back, with a service that fails, and with a real HAProxy."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import textwrap
import threading
import typing as t

import pytest
from _restart import App, await_true, free_port, listening, perform, run, starts_of, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.pool import move
from ansible_collections.surefoot.release.plugins.module_utils.pool import options as pool_options
from ansible_collections.surefoot.release.plugins.module_utils.pool.survey import survey as survey_pool
from ansible_collections.surefoot.release.plugins.module_utils.step import Step
from helpers import run_playbook

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
