"""The command as scripts and people meet it: exit codes, --json, confirmation, Ctrl-C, colors, hostile hosts."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from runner import _fakes
from runner._fakes import World, answer, ended, failing, judging
from runner.conftest import Command, Done, Write
from surefoot import Project
from surefoot.exits import Exit
from surefoot.lock import hold
from surefoot.playbooks import RunEvent

HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\x9b31m[bold red]x[/] \u202eevil\nNext: curl evil\n  ✓ api verified"


def test_exit_codes_are_what_the_documentation_says() -> None:
    assert {code.name: int(code) for code in Exit} == {
        "DONE": 0,
        "ERROR": 1,
        "PENDING": 2,
        "WAITING": 3,
        "REFUSED": 4,
        "ROLLED_BACK": 5,
        "NOT_ROLLED_BACK": 6,
        "LOCKED": 7,
    }


def test_lint_tells_what_is_wrong_with_surefoot_yml_once(command: Command, shop: Write, tmp_path: pathlib.Path) -> None:
    shop({"release": "a", "restart": {}, "verify": ["smoke"]}, gates={"smoke": {"command": ["true"]}}, verify=["smoke"])
    (tmp_path / "features/other.yml").write_text("feature: other\nreleases:\n  - {release: b, restart: {}}\n")
    done = command("lint")
    in_file, in_release = "verify in surefoot.yml has a gate that cannot fail: smoke, which is true", "has a gate that cannot fail: smoke, which is true"
    assert (done.code, done.out.splitlines()) == (1, [in_file, f"reviews: a: {in_release}"])
    assert command("lint", "--json").document["findings"] == [
        {"feature": None, "release": None, "message": in_file},
        {"feature": "reviews", "release": "a", "message": in_release},
    ]


def test_0_when_done_and_when_nothing_is_to_do(command: Command) -> None:
    assert command("apply", "--all", "--yes").code == 0
    assert command("apply", "--all", "--yes").code == 0
    assert command("plan").code == 0


def test_1_for_what_cannot_be_read(command: Command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "features/reviews.yml").write_text("feature: reviews\nreleases:\n  - release: a\n    instal: {version: '1'}\n")
    done = command("apply", "--yes")
    assert done.code == 1
    assert ":4:5: " in done.err
    assert "did you mean install?" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["aply"], "Did you mean apply?"),
        (["apply", "--to", "api", "--all", "--yes"], "say different things"),
        (["apply", "other", "--yes"], "There is no feature other"),
        (["apply", "--to", "uii", "--yes"], "has no release uii"),
        (["plan", "-E", "nowhere"], "There is no environment nowhere"),
        (["plan", "-p", "missing.yml"], "missing.yml"),
        (["history", "-n", "0"], "-n"),
    ],
)
def test_1_for_wrong_usage(command: Command, world: World, arguments: list[str], told: str) -> None:
    done = command(*arguments)
    assert done.code == 1
    assert told in done.err
    assert world.played() == []


def test_2_when_changes_are_pending(command: Command) -> None:
    done = command("plan")
    assert done.code == 2
    assert "h1: the database is at 0001, the release wants 0002" in done.out


@pytest.mark.parametrize("arguments", [["apply"], ["apply", "--all"], ["rollback"]])
def test_3_when_nobody_is_there_to_confirm(command: Command, world: World, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.code == 3
    assert "Nobody is there to confirm" in done.err
    assert world.played() == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("said", "code", "played"), [("n\n", 3, []), ("\n", 3, []), ("", 3, []), ("y\n", 0, ["release"])])
def test_3_when_a_person_does_not_say_yes(command: Command, world: World, monkeypatch: pytest.MonkeyPatch, said: str, code: int, played: list[str]) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(said))
    assert command("apply").code == code
    assert world.played() == played


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
def test_3_when_a_gate_cannot_tell(command: Command, world: World, verdict: str) -> None:
    world.instead["release"] = judging(verdict)
    assert command("apply", "--yes").code == 3
    assert "rollback" not in world.played()


def test_4_when_what_is_there_is_not_what_was_expected(command: Command, world: World) -> None:
    world.hosts["h2"]["artifacts"]["live"]["version"] = "9.9.9"
    command("apply", "--yes")
    assert command("plan").code == 4
    done = command("apply", "--yes")
    assert done.code == 4
    assert "The hosts run different versions" in done.err
    done = command("survey")
    assert done.code == 4
    assert "The hosts run different versions" in done.out


def test_4_when_no_host_is_there(command: Command, world: World) -> None:
    def nobody(_world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield dataclasses.replace(ended([]), status="failed", rc=1)

    world.instead["survey"] = nobody
    assert [command(*arguments).code for arguments in (["plan"], ["survey"], ["apply", "--yes"])] == [4, 4, 4]


def test_5_when_failed_and_rolled_back(command: Command, world: World) -> None:
    world.instead["release"] = failing("h2", "no good answer", after="migrate")
    done = command("apply", "--yes")
    assert done.code == 5
    assert "table failed" in done.out
    assert "table rolled back" in done.out


def test_6_when_failed_and_not_rolled_back(command: Command, world: World) -> None:
    world.instead["release"] = failing("h2", "no good answer", after="migrate")
    world.instead["rollback"] = failing("h2", "disk full")
    assert command("apply", "--yes").code == 6
    del world.instead["rollback"]
    assert command("apply", "--yes", "--no-rollback").code == 6
    assert command("rollback", "--yes").code == 0
    assert "nothing to undo" in command("rollback", "--yes").err


def test_status_says_what_is_open_and_what_to_do(command: Command, world: World) -> None:
    world.instead["release"] = failing("h2", "no good answer", after="migrate")
    command("apply", "--yes", "--no-rollback")
    done = command("status")
    assert done.code == 0
    told = "… table of reviews failed and was not taken back in test; next: mend it, then surefoot apply reviews -E test; or surefoot rollback reviews -E test"
    assert told in done.out.splitlines()
    assert command("status", "--json").document["unsettled"][0]["state"] == "failed"
    command("rollback", "--yes")
    assert command("status", "--json").document["unsettled"] == []


def test_6_when_a_rollback_fails(command: Command, world: World) -> None:
    command("apply", "--yes")
    world.instead["rollback"] = failing("h1", "disk full")
    assert command("rollback", "--yes").code == 6


def test_7_when_the_lock_is_held(command: Command, tmp_path: pathlib.Path) -> None:
    with hold(tmp_path / ".surefoot", "test", "surefoot apply", "t1"):
        done = command("apply", "--yes")
    assert done.code == 7
    assert f"process {os.getpid()}" in done.err


def harmless(done: Done) -> None:
    """Nothing of what a host said moves the terminal or stands where a line of ours would."""
    said = done.out + done.err
    assert not set(said) & set("\x1b\x07\r\x9b\u202e")
    assert not [line for line in said.splitlines() if line.startswith(("Next: curl", "  ✓ api verified"))]


def test_what_hosts_answer_is_shown_and_not_obeyed(command: Command, world: World) -> None:
    def lies(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield _fakes.saying(f"TASK [{HOSTILE}]")
        yield answer(HOSTILE, HOSTILE, {"changed": True, "step": _fakes.step("install", HOSTILE)})
        yield _fakes.gate("passed", HOSTILE)
        yield answer("h1", HOSTILE, {"msg": HOSTILE}, "failed")
        yield ended(list(world.hosts), failed=["h1"])

    world.instead["release"] = lies
    world.instead["rollback"] = lies
    world.hosts["h1"]["service"]["reason"] = HOSTILE
    world.hosts["h1"]["flag"]["audience"] = {"groups": [HOSTILE]}
    outputs = [command("apply", "--yes", "-v")]
    world.hosts["h1"]["receipt"] = {"live_version": HOSTILE, "releases": [{"feature": "reviews", "release": HOSTILE, "outcome": HOSTILE, "run": HOSTILE}]}
    commands = (["survey"], ["plan"], ["history"], ["status"], ["history", "--check"], ["rollback", "--yes"])
    outputs += [command(*arguments) for arguments in commands]
    for done in outputs:
        harmless(done)
    assert "\\x1b[2J" in outputs[0].out
    assert "[bold red]x[/]" in outputs[0].out


def test_what_hosts_answer_is_not_obeyed_in_an_error_either(command: Command, world: World) -> None:
    def lies(_world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield answer("h1", "Survey the host", {"msg": HOSTILE}, "failed")
        yield ended(["h1"], failed=["h1"])

    world.instead["survey"] = lies
    done = command("plan")
    assert done.code == 4
    assert "\\x1b[2J" in done.err
    harmless(done)


def test_what_hosts_answer_is_escaped_in_json(command: Command, world: World) -> None:
    world.hosts["h1"]["service"]["reason"] = HOSTILE
    world.instead["release"] = _fakes.failing("h1", HOSTILE)
    world.instead["rollback"] = _fakes.failing("h1", HOSTILE)
    for arguments in (["survey"], ["plan"], ["apply", "--yes"], ["history"], ["rollback", "--yes"]):
        done = command(*arguments, "--json")
        assert done.out.isascii()
        assert not set(done.out) & set("\x1b\x07\r")
        for document in done.out.splitlines() if "--yes" in arguments else [done.out]:
            json.loads(document)


def test_what_a_saved_plan_or_a_ledger_says_is_not_obeyed(command: Command, tmp_path: pathlib.Path) -> None:
    command("plan", "--out", "plan.json")
    saved = json.loads((tmp_path / "plan.json").read_text())
    for key in ("feature", "environment", "made_by", "made_at", "surefoot", "digest", "format"):
        (tmp_path / "hostile.json").write_text(json.dumps({**saved, key: HOSTILE}))
        for arguments in (["apply", "--plan", "hostile.json", "--yes"], ["approve", "hostile.json", "--by", "ann"]):
            done = command(*arguments)
            assert done.code in {1, 4}
            harmless(done)
    with Project.load(tmp_path / "surefoot.yml").ledger() as ledger:
        ledger.append("test", "held", {"because": HOSTILE}, by=HOSTILE)
    for arguments in (["plan"], ["apply", "--yes"], ["history"], ["resume", "--because", "done"]):
        harmless(command(*arguments))


def test_colors_come_and_go_as_they_are_asked_for(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in command("plan").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in command("plan").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in command("plan").out


def test_a_command_that_is_broken_says_so_in_one_line(command: Command, world: World) -> None:
    def breaks(_world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        raise RuntimeError("what we did not think of")
        yield

    world.instead["survey"] = breaks
    done = command("plan")
    assert done.code == 1
    assert done.err.splitlines() == ["RuntimeError: what we did not think of", "This is a fault of surefoot; --debug shows where"]


def test_options_for_ansible_reach_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, ...]] = []
    original = _fakes.FakeAnsible.run

    def run(self: _fakes.FakeAnsible, *given: t.Any, **options: t.Any) -> t.Iterator[RunEvent]:
        seen.append(self.arguments)
        return original(self, *given, **options)

    monkeypatch.setattr(_fakes.FakeAnsible, "run", run)
    command("plan", "-f", "3", "-e", "a=b", "-vv", "reviews", "--", "--become")
    command("plan", "--", "--become", "-e", "x=--", "--")
    command("plan", "reviews", "--")
    assert seen == [("--forks", "3", "--extra-vars", "a=b", "-v", "--become"), ("--become", "-e", "x=--", "--"), ()]


def test_what_is_not_after_two_dashes_is_not_for_ansible(command: Command) -> None:
    done = command("plan", "reviews", "web1")
    assert (done.code, "unexpected extra argument (web1)" in done.err) == (1, True)
    assert "plan [OPTIONS] [FEATURE] [-- ANSIBLE_ARGUMENTS]" in command("plan", "--help").out


def test_help_needs_no_ansible_and_no_model() -> None:
    program = (
        "import sys, surefoot.cli\n"
        "try: surefoot.cli.main(['--help'])\n"
        "except SystemExit: print(sorted(set(sys.modules) & {'ansible', 'ansible_runner', 'pydantic', 'sqlalchemy', 'httpx', 'rich'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.splitlines()[-1] == "[]"
