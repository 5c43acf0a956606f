"""The API of a project: what apply and plan do, what they refuse, and that projects keep to themselves."""

from __future__ import annotations

import dataclasses
import pathlib
import signal
import sqlite3
import threading
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, SurefootError
from runner import _fakes
from runner._fakes import World, answer, ended, ended_as, judging, kinds, standing
from runner.conftest import Write
from surefoot.events import Planned, ReleaseStarted, SurveyStarted
from surefoot.lock import LockHeld, hold
from surefoot.playbooks import RunEvent


def test_apply_performs_the_next_release_and_no_more(shop: Write, world: World) -> None:
    project = shop()
    work = project.apply("reviews")
    events = list(work)
    assert [type(event) for event in events[:3]] == [SurveyStarted, ReleaseStarted, Planned]
    assert ended_as(events) == [("table", "verified")]
    assert work.result is not None
    assert work.result.ok
    assert kinds(project) == ["table started", "table released", "table verified"]
    assert world.hosts["h1"]["migrations"]["current"] == ["0002"]
    assert world.live() == {"1.0.0"}


IDLE = {"command": ["true"]}


@pytest.mark.parametrize(
    ("releases", "keys", "told"),
    [
        ([{**_fakes.FEATURE[0], "verify": ["smoke"]}], {"gates": {"smoke": IDLE}}, "table has a gate that cannot fail: smoke, which is true"),
        (_fakes.FEATURE, {"verify": [IDLE]}, "verify in surefoot.yml has a gate that cannot fail: true"),
        ([*_fakes.FEATURE, {"release": "again", "install": {"version": "2.0.0"}}], {}, "again installs 2.0.0, which api made live already"),
    ],
)
def test_what_lint_finds_is_not_begun(shop: Write, world: World, releases: t.Any, keys: dict[str, t.Any], told: str) -> None:
    project = shop(*releases, **keys)
    assert [refusal.message for refusal in project.plan("reviews").refusals] == [told]
    with pytest.raises(Refused, match="Release table is refused, nothing was changed") as error:
        project.apply("reviews").finish()
    assert told in error.value.seen
    assert (world.played(), kinds(project)) == ([], [])


def test_what_lint_finds_holds_up_nothing_that_was_begun_and_nothing_for_want_of_a_reason(shop: Write, world: World) -> None:
    project = shop({**_fakes.FEATURE[0], "impact": {"downtime": "2s"}})
    world.instead["release table"] = judging("inconclusive")
    assert not project.apply("reviews").finish().ok
    world.instead.clear()
    project = shop({**_fakes.FEATURE[0], "verify": [IDLE]}, _fakes.FEATURE[1])
    assert project.apply("reviews", to="table").finish().ok
    assert project.apply("reviews").finish().ok


def test_nothing_is_done_before_events_are_asked_for(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews", everything=True)
    assert world.runs == []
    assert not (project.root / ".surefoot").exists()


def test_everything_goes_to_the_end_with_one_survey(shop: Write, world: World) -> None:
    project = shop()
    assert list(project.apply("reviews", everything=True).finish().outcomes) == ["table", "api", "staff"]
    assert [name for name, _ in world.runs].count("survey") == 1
    assert set(standing(project).values()) == {"verified"}


def test_to_stops_after_that_release(shop: Write) -> None:
    project = shop()
    assert list(project.apply("reviews", to="api").finish().outcomes) == ["table", "api"]
    assert project.apply("reviews", to="table").finish().outcomes == {}
    assert standing(project)["staff"] == "none"


def test_to_a_release_that_is_not_there_is_refused_before_any_host_is_asked(shop: Write, world: World) -> None:
    with pytest.raises(InvalidInput, match="no release uii"):
        shop().apply("reviews", to="uii").finish()
    assert world.runs == []


def test_once_more_there_is_nothing_to_do(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews", everything=True).finish()
    before, played = kinds(project), world.played()
    assert project.apply("reviews", everything=True).finish().outcomes == {}
    assert (kinds(project), world.played()) == (before, played)
    assert not project.plan("reviews").pending


def test_a_plan_changes_nothing(shop: Write, tmp_path: pathlib.Path) -> None:
    project = shop()
    before = sorted(tmp_path.rglob("*"))
    first, second = project.plan("reviews"), project.plan("reviews")
    assert first == second
    assert first.pending
    assert sorted(tmp_path.rglob("*")) == before


def test_drift_is_refused(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews", to="api").finish()
    world.hosts["h2"]["receipt"] = None
    plan, before = project.plan("reviews"), kinds(project)
    assert any("no receipt of it on h2" in refusal.message for refusal in plan.refusals)
    with pytest.raises(Refused, match="nothing was changed") as refused:
        project.apply("reviews").finish()
    assert "api was verified" in str(refused.value.seen)
    with pytest.raises(Refused, match="disagree"):
        project.rollback("reviews").finish()
    assert kinds(project) == before


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("9.9.9 is live", {"artifacts": {"path": "/srv", "live": {"version": "9.9.9"}, "staged": [], "problem": None}}),
        ("not as an installation leaves it", {"artifacts": {"path": "/srv", "live": None, "staged": [], "problem": "current is a directory"}}),
    ],
)
def test_a_host_that_is_not_as_it_was_left_is_refused(shop: Write, world: World, what: str, wrong: dict[str, t.Any]) -> None:
    project = shop()
    project.apply("reviews").finish()
    world.hosts["h1"].update(wrong)
    with pytest.raises(Refused) as refused:
        project.apply("reviews").finish()
    assert what in str(refused.value.seen)
    assert world.played() == ["release"]


def test_a_host_that_does_not_answer_is_refused(shop: Write, world: World) -> None:
    def one_lost(world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from [event for event in world.surveyed() if getattr(event, "host", None) != "h2"][:-1]
        yield answer("h2", "Survey the host", {"msg": "No route to host"}, "unreachable")
        yield ended(["h1", "h3"], lost=["h2"])

    project = shop()
    world.instead["survey"] = one_lost
    with pytest.raises(Refused) as refused:
        project.apply("reviews", everything=True).finish()
    assert "No route to host" in str(refused.value.seen)
    assert world.played() == []


def test_no_host_at_all_is_refused(shop: Write, world: World) -> None:
    def nobody(_world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield _fakes.saying("[ERROR]: No host matches app, where install is to be done")
        yield dataclasses.replace(ended([]), status="failed", rc=1)

    project = shop()
    world.instead["survey"] = nobody
    with pytest.raises(Refused, match="No host could be surveyed") as refused:
        project.plan("reviews")
    assert "No host matches app" in str(refused.value.seen)
    with pytest.raises(Refused):
        project.apply("reviews").finish()
    assert kinds(project) == []


def test_fewer_hosts_than_planned_is_a_failure_though_all_is_green(shop: Write, world: World) -> None:
    def one_short(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from list(world.released(variables))[:-1]
        yield ended(["h1", "h2"])

    project = shop()
    world.once["release api"] = one_short
    result = project.apply("reviews", everything=True).finish()
    assert any("h3 was planned and not reached" in reason for reason in result.outcomes["api"].reasons)


def test_another_runner_is_told_who_has_the_lock(shop: Write, world: World) -> None:
    project = shop()
    with hold(project.root / ".surefoot", "test", "surefoot apply of somebody", "t1"), pytest.raises(LockHeld) as held:
        project.apply("reviews").finish()
    assert "surefoot apply of somebody" in str(held.value.seen)
    assert world.runs == []
    assert project.apply("reviews").finish().ok


def test_the_lock_is_let_go_when_the_work_is_dropped_half_way(shop: Write) -> None:
    project = shop()
    work = project.apply("reviews")
    next(work)
    del work
    assert project.apply("reviews").finish().ok


def test_two_projects_in_one_process_do_not_know_of_each_other(shop: Write) -> None:
    worlds = World(), World()
    one, other = (shop(where=name, world=world) for name, world in zip(("one", "other"), worlds, strict=True))
    first, second = one.apply("reviews", everything=True), other.apply("reviews")
    interleaved = True
    while interleaved:
        interleaved = any([next(first, None) is not None, next(second, None) is not None])
    assert first.result is not None
    assert second.result is not None
    assert (list(first.result.outcomes), list(second.result.outcomes)) == (["table", "api", "staff"], ["table"])
    assert worlds[0].live() == {"2.0.0"}
    assert worlds[1].live() == {"1.0.0"}


def test_two_projects_in_two_threads(shop: Write) -> None:
    worlds = [World() for _ in range(4)]
    projects = [shop(where=f"p{number}", world=world) for number, world in enumerate(worlds)]
    threads = [threading.Thread(target=lambda project=project: project.apply("reviews", everything=True).finish()) for project in projects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [world.live() for world in worlds] == [{"2.0.0"}] * 4
    assert all(len(project.history()) == 9 for project in projects)


def test_no_signal_handler_is_touched(shop: Write) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = [signal.getsignal(number) for number in numbers]
    shop().apply("reviews", everything=True).finish()
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_ledger_that_cannot_be_written_stops_before_anything_is_done(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews").finish()
    with sqlite3.connect(project.root / ".surefoot/ledger.db") as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON surefoot_ledger BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(SurefootError):
        project.apply("reviews").finish()
    assert world.played() == ["release"]


def test_verify_asks_the_gates_of_the_last_release_that_is_done(shop: Write, world: World) -> None:
    project = shop()
    with pytest.raises(Refused, match="nothing to verify"):
        project.verify("reviews").finish()
    project.apply("reviews", to="api").finish()
    before = kinds(project)
    assert list(project.verify("reviews").finish().outcomes) == ["api"]
    assert world.runs[-1] == ("verify", {**world.runs[-1][1], "release": "api"})
    assert kinds(project) == before
