"""How each manager's words are read."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from _restart import with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import open_manager
from ansible_collections.surefoot.release.plugins.module_utils.service.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.service.supervisor_config import read_address

ACTIVE = "MainPID={pid}\nResult=success\nNRestarts=0\nExecMainStatus=0\nLoadState=loaded\nActiveState=active\nSubState=running\n"
FAILED = "MainPID=0\nResult=exit-code\nNRestarts=5\nExecMainStatus=1\nLoadState=loaded\nActiveState=failed\nSubState=failed\n"
LOOPING = "MainPID=0\nResult=exit-code\nNRestarts=2\nExecMainStatus=1\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n"
UNKNOWN = "MainPID=0\nResult=success\nNRestarts=0\nExecMainStatus=0\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"


class Systemctl:
    """Answers C(systemctl show) with recorded output, and notes what else it was told."""

    def __init__(self, shown: str, **outcomes: tuple[int, str, str]) -> None:
        self.shown = shown.format(pid=os.getpid())
        self.outcomes = outcomes
        self.told: list[list[str]] = []

    def __call__(self, argv: list[str], **_: t.Any) -> tuple[int, str, str]:
        assert argv[0] == "systemctl"
        assert argv[-2:] == ["--", "shop.service"]
        if argv[1] == "show":
            return self.outcomes.get("show", (0, self.shown, ""))
        self.told.append(argv[1:-2])
        return self.outcomes.get(argv[1].replace("-", "_"), (0, "", ""))


def systemd(run: Systemctl) -> t.Any:
    return open_manager(with_defaults(ARGUMENT_SPEC, {"manager": "systemd", "service": "shop.service"}), run)


@pytest.mark.parametrize(
    ("shown", "phase", "detail"),
    [
        (ACTIVE, "running", "systemd says active (running)"),
        (FAILED, "stopped", "systemd says failed (failed), result exit-code, exit status 1, started again 5 times"),
        (LOOPING, "starting", "systemd says activating (auto-restart), result exit-code, exit status 1, started again 2 times"),
        (UNKNOWN, "unknown", "systemd says not-found"),
    ],
)
def test_systemd_status(shown: str, phase: str, detail: str) -> None:
    status = systemd(Systemctl(shown)).status()
    assert (status.phase, status.detail) == (phase, detail)
    assert (status.process is not None) == (phase == "running")


def test_systemd_says_whether_a_unit_can_be_reloaded() -> None:
    assert systemd(Systemctl(ACTIVE + "CanReload=yes\n")).status().reloadable
    assert not systemd(Systemctl(ACTIVE + "CanReload=no\n")).status().reloadable
    assert not systemd(Systemctl(ACTIVE)).status().reloadable


def test_systemd_reload() -> None:
    told = Systemctl(ACTIVE)
    systemd(told).reload()
    assert told.told == [["reload"]]
    with pytest.raises(StepFailed, match=r"could not reload shop\.service; found: exit code 1 \(Job failed\)"):
        systemd(Systemctl(ACTIVE, reload=(1, "", "Job failed"))).reload()


def test_systemd_main_process_that_is_gone_does_not_run() -> None:
    assert systemd(Systemctl(ACTIVE.replace("{pid}", "999999999"))).status().phase == "starting"


def test_systemd_restart_gets_past_the_start_limit() -> None:
    limited, fine = Systemctl(FAILED), Systemctl(ACTIVE)
    systemd(limited).restart(lambda: None)
    systemd(fine).restart(lambda: None)
    assert limited.told == [["reset-failed"], ["restart"]]
    assert fine.told == [["restart"]]


def test_systemd_leaves_a_moment_only_where_the_unit_is_down() -> None:
    def refuse() -> None:
        raise StepFailed("Something answers")

    systemd(Systemctl(ACTIVE)).restart(refuse)
    down = Systemctl(FAILED)
    with pytest.raises(StepFailed, match="Something answers"):
        systemd(down).restart(refuse)
    assert down.told == []


def test_systemd_failures_carry_what_was_seen() -> None:
    with pytest.raises(StepFailed, match=r"could not restart shop\.service; found: exit code 1 \(Job failed\); systemd says failed"):
        systemd(Systemctl(FAILED, restart=(1, "", "Job failed"))).restart(lambda: None)
    with pytest.raises(Refused, match="Host is down"):
        systemd(Systemctl("", show=(1, "", "Failed to connect to bus: Host is down"))).status()


def test_host_without_systemctl_is_a_refusal() -> None:
    def run(argv: list[str], **_: t.Any) -> t.NoReturn:
        raise FileNotFoundError(2, "No such file or directory", argv[0])

    with pytest.raises(Refused, match=r"systemd does not answer about shop\.service; found: could not be started"):
        systemd(t.cast("Systemctl", run)).status()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[unix_http_server]\nfile = %(here)s/s.sock   ; (the path)\n", "{here}/s.sock"),
        ("[unix_http_server]\nfile=/run/s.sock\n[supervisorctl]\nserverurl=unix:///run/other.sock\n", "/run/other.sock"),
        ("[unix_http_server]\nfile=%(ENV_SHOP_RUN)s/s.sock\n", "/run/shop/s.sock"),
        ("[inet_http_server]\nport = *:9001\n", "localhost:9001"),
        ("[supervisorctl]\nserverurl=http://127.0.0.1:9002\n", "127.0.0.1:9002"),
    ],
)
def test_supervisor_address(text: str, address: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_RUN", "/run/shop")
    config = tmp_path / "supervisord.conf"
    config.write_text(text)
    assert str(read_address(str(config))) == address.format(here=tmp_path)


def test_supervisor_password_is_not_shown(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "supervisord.conf"
    config.write_text("[unix_http_server]\nfile=/run/s.sock\nusername=me\npassword=hush\n")
    address = read_address(str(config))
    assert address.password == "hush"
    assert "hush" not in f"{address} {address!r}"


def test_supervisor_configuration_that_says_nothing(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "supervisord.conf"
    config.write_text("[supervisord]\n")
    with pytest.raises(InvalidInput, match="does not say where supervisord listens"):
        read_address(str(config))
    config.write_text("[inet_http_server]\nport = everywhere\n")
    with pytest.raises(InvalidInput, match="no port"):
        read_address(str(config))


def command(run: t.Any = None, **commands: t.Any) -> t.Any:
    given = {"manager": "command", "service": "shop", "commands": {"start": ["start"], "stop": ["stop"], **commands}}
    return open_manager(with_defaults(ARGUMENT_SPEC, given), run or (lambda *a, **k: (0, "", "")))


def test_command_needs_a_way_to_tell() -> None:
    with pytest.raises(InvalidInput, match=r"commands\.pid_file or commands\.status"):
        command()
    with pytest.raises(InvalidInput, match=r"commands\.start and commands\.stop"):
        open_manager(with_defaults(ARGUMENT_SPEC, {"manager": "command", "service": "shop"}), lambda *a, **k: (0, "", ""))


@pytest.mark.parametrize(
    ("content", "phase"), [(None, "stopped"), ("", "stopped"), ("x", "stopped"), ("999999999", "stopped"), ("0", "stopped"), ("{pid}\n", "running")]
)
def test_pid_file(content: str | None, phase: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pid"
    if content is not None:
        path.write_text(content.format(pid=os.getpid()))
    assert command(pid_file=str(path)).status().phase == phase


def test_pid_file_written_late_is_waited_for(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pid"
    path.write_text("999999998")
    manager = command(pid_file=str(path))
    manager.restart(lambda: None)
    assert manager.status().phase == "starting"
    path.write_text("999999999")
    assert manager.status().phase == "stopped", "this one was started, and is gone"


def test_command_that_fails_is_named_with_what_it_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StepFailed, match=r"The start command of shop failed; found: exit code 7 \(no disk\); next: run it by hand: start"):
        command(lambda *a, **k: (7, "", "no disk"), pid_file=str(tmp_path / "pid")).restart(lambda: None)


def test_command_can_reload_where_it_has_a_command_for_it() -> None:
    told: list[list[str]] = []

    def run(argv: list[str], **_: t.Any) -> tuple[int, str, str]:
        told.append(argv)
        return (0, "", "") if argv == ["status"] else (1, "", "no such process")

    assert not command(run, status=["status"]).status().reloadable
    manager = command(run, status=["status"], reload=["reload", "it"])
    assert manager.status().reloadable
    with pytest.raises(StepFailed, match=r"The reload command of shop failed; found: exit code 1 \(no such process\)"):
        manager.reload()
    assert told[-1] == ["reload", "it"]


def test_process_that_does_not_stop_is_not_started_twice(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pid"
    path.write_text(str(os.getpid()))
    told: list[str] = []

    def run(argv: list[str], **_: t.Any) -> tuple[int, str, str]:
        told.append(argv[0])
        return 0, "", ""

    given = {"manager": "command", "service": "shop", "stop_timeout": 0.2, "commands": {"start": ["start"], "stop": ["stop"], "pid_file": str(path)}}
    with pytest.raises(StepFailed, match=r"did not stop within 0\.2 s"):
        open_manager(with_defaults(ARGUMENT_SPEC, given), run).restart(lambda: None)
    assert told == ["stop"]


def test_status_command_without_a_pid_file() -> None:
    assert command(lambda *a, **k: (0, "up", ""), status=["status"]).status().phase == "running"
    assert command(lambda *a, **k: (3, "down", ""), status=["status"]).status().phase == "stopped"
