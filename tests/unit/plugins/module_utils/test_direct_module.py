"""What stands for AnsibleModule in a direct run does what AnsibleModule would do."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import typing as t

import pytest
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.surefoot.release.plugins.module_utils.direct.module import DirectModule, expand, invocation, masked


def module(**more: t.Any) -> DirectModule:
    return DirectModule({"params": {"path": "/a"}, "check_mode": True, "no_log": ["hush"], "marker": "M:", **more})


def told(capsys: pytest.CaptureFixture[str]) -> t.Any:
    return json.loads(capsys.readouterr().out.partition("M:")[2])


def test_it_ends_well_with_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    here = module()
    here.warn("look out")
    with pytest.raises(SystemExit) as ended:
        here.exit_json(changed=True, said="hush now")
    assert ended.value.code == 0
    assert told(capsys) == {"changed": True, "said": "******** now", "warnings": ["look out"], "invocation": {"module_args": {"path": "/a"}}}


def test_it_ends_badly_with_one_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        module().fail_json("no hush", error={"kind": "Refused"})
    assert ended.value.code == 1
    answer = told(capsys)
    assert (answer["failed"], answer["msg"], answer["error"], answer["changed"]) == (True, "no ********", {"kind": "Refused"}, False)


def test_commands_are_run_as_they_are(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    run = module().run_command
    assert run(["sh", "-c", 'echo "$0" $KEPT $ADDED; pwd; cat; echo oops >&2; exit 7', "$HOME"], cwd=str(tmp_path), environ_update={"ADDED": "2"}) == (
        7,
        f"$HOME 1 2\n{tmp_path}\n",
        "oops\n",
    )
    assert run(["printf", r"\377"])[1] == "\udcff"
    with pytest.raises(FileNotFoundError):
        run(["/none/such"])


@pytest.mark.parametrize("option", [{"check_rc": True}, {"data": "x"}, {"expand_user_and_vars": True}])
def test_a_way_to_run_commands_that_it_does_not_know_is_an_error(option: dict[str, t.Any]) -> None:
    with pytest.raises(TypeError, match="knows no other way"):
        module().run_command(["true"], **option)


def test_a_service_that_a_command_leaves_running_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    """It has the output of what started it, and never closes it."""
    script = f"sleep 600 & echo $! > {tmp_path}/pid; echo started; echo as told >&2; exit 4"
    try:
        assert module().run_command(["sh", "-c", script]) == (4, "started\n", "as told\n")
        os.kill(int((tmp_path / "pid").read_text()), 0)
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_all_that_is_said_is_heard_and_a_closed_output_is_no_end() -> None:
    many = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done"
    code, out, err = module().run_command(["sh", "-c", f"{many}; {many} >&2; exec >&- 2>&-; sleep 0.1; exit 5"])
    assert (code, len(out), len(err)) == (5, 220_000, 220_000)


def test_a_descriptor_is_handed_on_where_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "lock").open("w") as stream:
        os.set_inheritable(stream.fileno(), False)
        look = ["sh", "-c", f"test -e /proc/self/fd/{stream.fileno()}"]
        assert module().run_command(look, pass_fds=[stream.fileno()])[0] == 0
        assert module().run_command(look)[0] != 0


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "hush",
        "a hush and a hushed hush",
        ["hush", {"key": "hush-hush", "number": 12345, "off": None, "yes": True}],
        {"nested": {"deep": ["x hush y"]}, "real": 1.5},
    ],
)
def test_secrets_are_masked_as_ansible_masks_them(value: t.Any) -> None:
    secrets = {"hush", "hushed", "12345"}
    assert masked(value, secrets) == remove_values(value, secrets)


def test_home_directories_are_those_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/shop")
    monkeypatch.setenv("RUN", "/run/shop")
    request = {"params": {"path": "~/app", "plain": "~/app", "units": [{}, {"pid_file": "$RUN/pid"}]}}
    expand(request, [["params", "path"], ["params", "units", 1, "pid_file"]])
    assert request["params"] == {"path": "/home/shop/app", "plain": "~/app", "units": [{}, {"pid_file": "/run/shop/pid"}]}


def test_the_hosts_own_log_holds_nothing_secret() -> None:
    params = {"path": "/a", "token": "hush", "health_url": "http://u:p@h/", "headers": {"Cookie": "x"}, "src": "https://u:p@h/a", "keep": 5, "unset": None}
    said = invocation(params, {"hush"})
    hidden = "NOT_LOGGING_PARAMETER"
    assert said == f"Invoked with path=/a token=VALUE_SPECIFIED_IN_NO_LOG_PARAMETER health_url={hidden} headers={hidden} src={hidden} keep=5"
