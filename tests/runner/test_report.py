"""What people read: plans, progress and tables out of plain data."""

from __future__ import annotations

import io
import typing as t

import pytest
from rich.text import Text

from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal
from runner import _fakes
from runner.conftest import Write
from surefoot.events import (
    AnsibleOutput,
    Event,
    GateAsked,
    HostFailed,
    LeftDrained,
    OrphansEnded,
    PhaseStarted,
    Planned,
    ReleaseEnded,
    ReleaseStarted,
    Soaking,
    StepDone,
    SurveyStarted,
    WaitingForOrphans,
)
from surefoot.ledger import Entry
from surefoot.project import Surveyed
from surefoot.report.console import SafeConsole, console
from surefoot.report.plan_view import show_plan
from surefoot.report.progress_view import ProgressView
from surefoot.report.tables import history_table, status_table, survey_table

EVERY_EVENT: t.Sequence[Event] = (
    OrphansEnded(processes=("python ansible-playbook",)),
    SurveyStarted(feature="reviews", environment="test"),
    ReleaseStarted(release="api", why="The API", position=2, total=5, run="r1"),
    Planned(release="api", plan={"needed": False, "steps": [{"kind": "install"}]}),
    PhaseStarted(release="api", title="Roll, batch by batch"),
    StepDone(release="api", host="h1", step=_fakes.step("install", "1.0.0 is live"), changed=True),
    StepDone(release="api", host="h2", step=_fakes.step("install", "2.0.0 is already live"), changed=False),
    GateAsked(release="api", name="smoke", verdict="inconclusive", seen="", waited=0.2),
    GateAsked(release="api", name="smoke", verdict="passed", seen="first line\nstatus 200", waited=0.2),
    HostFailed(release="api", host="h3", task="Restart", message="no answer\nlast: 500", unreachable=False),
    HostFailed(release="api", host="h3", task="Stage", message="no route", unreachable=True),
    Soaking(release="api", left=90.0),
    AnsibleOutput(text="PLAY RECAP"),
    ReleaseEnded(
        release="api",
        outcome="failed",
        reasons=("h3: no answer",),
        impact=({"probe": "front", "verdict": "broken", "reasons": ["3 of 20 requests failed"]},),
        seconds=12.5,
    ),
    ReleaseEnded(release="api", outcome="not rolled back", reasons=("nothing was live before",)),
    ReleaseEnded(release="api", outcome="rolled_back", seconds=3.0),
    ReleaseEnded(release="api", outcome="cancelled", reasons=("cancelled while it soaked",)),
    WaitingForOrphans(at_work=({"host": "h1", "kind": "restart", "what": "shop", "pid": 7, "user": 0, "since": 1.0, "seconds": 12.0},), left=50.0),
    WaitingForOrphans(at_work=({"host": "h1", "kind": "restart", "what": "shop", "pid": 7, "user": 0, "since": 1.0, "seconds": 22.0},), left=40.0),
    LeftDrained(hosts=("h3",), message="h3 is left drained"),
)


def shown(events: t.Sequence[Event], *, verbose: bool = False, terminal: bool = False) -> str:
    out = io.StringIO()
    with ProgressView(SafeConsole(file=out, width=160, force_terminal=terminal, markup=False, highlight=False), verbose=verbose) as view:
        for event in events:
            view.show(event)
    return out.getvalue()


def test_every_event_can_be_shown() -> None:
    text = shown(EVERY_EVENT)
    for told in (
        "! ended what a killed run had left at work: python ansible-playbook",
        "! waiting for restart (shop) on h1, process 7 of user 0, at work for 12 s",
        "! h3 is left drained",
        "2/5  api   The API",
        "✓ install         h1           1.0.0 is live",
        "· install         h2           2.0.0 is already live",
        "? gate            smoke",
        "✓ gate            smoke   status 200",
        "✗ h3 failed: Restart",
        "      last: 500",
        "✗ h3 unreachable: Stage",
        "✗ impact          front broken: 3 of 20 requests failed",
        "✗ api failed   12.5s",
        "      h3: no answer",
        "nothing was live before",
        "↩ api rolled back",
        "■ api cancelled",
    ):
        assert told in text
    assert "PLAY RECAP" not in text
    assert text.count("waiting for restart") == 1


def test_ansible_is_heard_only_when_asked_for() -> None:
    assert "PLAY RECAP" in shown(EVERY_EVENT, verbose=True)


def test_on_a_terminal_the_last_line_says_what_goes_on() -> None:
    assert "roll, batch by batch" in shown(EVERY_EVENT[:5], terminal=True)


@pytest.mark.parametrize("text", ["\x1b[31m", "\x9b31m", "a\rb", "\x07", "\x00", "\u202e", "\x1b]8;;http://evil/\x1b\\link", "\x7f", "\ud800"])
def test_no_control_character_reaches_the_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console().print(Text(text))
    written = capsys.readouterr().out
    assert not set(written) & set("\x1b\x9b\r\x07\x00\u202e\x7f\ud800")


def test_lines_and_letters_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(Text("Grüße, 世界 ✓\nsecond"))
    assert capsys.readouterr().out == "Grüße, 世界 ✓\nsecond\n"


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"ANSIBLE_FORCE_COLOR": "true"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
    ],
)
def test_colors(environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "ANSIBLE_FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console().print(Text("text", style="red"))
    assert ("\x1b[31m" in capsys.readouterr().out) == colored


def printed(thing: t.Any) -> str:
    out = io.StringIO()
    SafeConsole(file=out, width=200, markup=False, highlight=False).print(thing)
    return out.getvalue()


def test_a_plan_says_what_why_who_notices_and_the_way_back(shop: Write) -> None:
    project = shop()
    out = io.StringIO()
    show_plan(SafeConsole(file=out, width=160), project.plan("reviews"), probes=["front"])
    for told in ("reviews in test", "table", "next", "h1: the database is at 0001", "nothing (measured by front)", "undoes migrate", "surefoot apply reviews"):
        assert told in out.getvalue()
    out = io.StringIO()
    show_plan(SafeConsole(file=out, width=160), project.plan("reviews"), probes=[])
    assert "not measured" in out.getvalue()


def test_a_plan_that_is_refused_says_so_and_names_no_next_command(shop: Write, world: _fakes.World) -> None:
    project = shop()
    world.hosts["h1"]["artifacts"]["problem"] = "current is a directory"
    out = io.StringIO()
    show_plan(SafeConsole(file=out, width=160), project.plan("reviews"), probes=[])
    assert "current is a directory" in out.getvalue()
    assert "nothing would be changed" in out.getvalue()
    assert "surefoot apply" not in out.getvalue()


def test_a_plan_with_nothing_left(shop: Write) -> None:
    project = shop()
    project.apply("reviews", everything=True).finish()
    out = io.StringIO()
    show_plan(SafeConsole(file=out, width=160), project.plan("reviews"), probes=[])
    assert "Nothing to do" in out.getvalue()


def test_a_survey_of_hosts_that_hold_little_is_a_table_too() -> None:
    bare: dict[str, t.Any] = dict.fromkeys(("receipt", "artifacts", "service", "pool", "migrations", "cache", "flag"))
    text = printed(survey_table(Surveyed(surveys={"h1": bare, "h2": _fakes.survey(), "h3": {}}, hosts={})))
    assert [line.split()[0] for line in text.splitlines()] == ["host", "h1", "h2", "h3"]


def test_a_survey_names_workers_that_do_not_run_what_is_live() -> None:
    found = _fakes.survey("2.0.0")
    mailer = {"name": "mailer", "running": True, "version": "1.0.0", "stale": True}
    found["service"]["others"] = [mailer, {**mailer, "name": "clock", "version": "2.0.0", "stale": False}, {**mailer, "name": "courier", "running": False}]
    text = printed(survey_table(Surveyed(surveys={"h1": found}, hosts={})))
    assert "2.0.0; mailer 1.0.0, stale; courier stopped" in text
    assert "clock" not in text


def test_status_has_a_column_for_each_environment() -> None:
    release = {"release": "api", "environments": {"test": {"state": "verified", "since": "2026-01-02T03:04:05.000Z"}, "live": {"state": "none", "since": ""}}}
    text = printed(status_table([{"feature": "reviews", "releases": [release]}]))
    assert "test" in text.splitlines()[0]
    assert "live" in text.splitlines()[0]
    assert "verified 2026-01-02 03:04" in text
    assert printed(status_table([])).strip() != "None"


def test_history_says_who_and_why() -> None:
    told = {"environment": "test", "feature": "reviews", "release": "api", "run": "r1", "by": "ada@desk", "prev": "", "hash": ""}
    entry = Entry(seq=7, at="2026-01-02T03:04:05.678Z", kind="failed", payload={"reasons": ["no answer"], "impact": []}, **told)
    bare = Entry(seq=8, at="2026-01-02T03:04:05.678Z", kind="held", payload={}, **{**told, "feature": None, "release": None, "run": None})
    text = printed(history_table([entry, bare]))
    assert "ada@desk" in text
    assert "no answer" in text


def test_a_refusal_is_spoken_with_what_was_seen_and_what_to_do(shop: Write, world: _fakes.World) -> None:
    world.hosts["h1"]["artifacts"]["problem"] = "current is a directory"
    (refusal, *_) = shop().plan("reviews").refusals
    assert isinstance(refusal, Refusal)
    assert (refusal.host, bool(refusal.todo)) == ("h1", True)
