"""The road through a project: resume, refusal, rollback, cancellation, with a world instead of Ansible."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import signal
import sqlite3
import threading
import time
import typing as t

import pytest

import surefoot
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from runner import _fakes
from runner._fakes import Died, World, answer, dying, ended, failing, judging
from runner.conftest import Write
from surefoot import Cancelled, Project
from surefoot.events import Event, HostFailed, Planned, ReleaseEnded, ReleaseStarted, Soaking, StepDone, SurveyStarted
from surefoot.ledger import Ledger
from surefoot.lock import LockHeld, hold


def kinds(project: Project) -> list[str]:
    return [f"{entry.release} {entry.kind}" for entry in project.history()]


def standing(project: Project) -> dict[str, str]:
    (feature,) = project.status()
    return {release["release"]: release["environments"]["test"]["state"] for release in feature["releases"]}


def killed(project: Project, **options: t.Any) -> None:
    with pytest.raises(Died):
        project.apply("reviews", **options).finish()


def ended_as(events: t.Iterable[Event]) -> list[tuple[str, str]]:
    return [(event.release, event.outcome) for event in events if isinstance(event, ReleaseEnded)]


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


@pytest.mark.parametrize("upto", ["install", "restart"])
def test_killed_inside_a_release_the_same_command_goes_on(shop: Write, world: World, upto: str) -> None:
    project = shop()
    project.apply("reviews").finish()
    world.once["release api"] = dying(upto)
    killed(project, everything=True)
    assert standing(project)["api"] == "started"
    assert project.plan("reviews").progress.releases[1].state == "unfinished"
    assert list(project.apply("reviews", everything=True).finish().outcomes) == ["api", "staff"]
    assert world.live() == {"2.0.0"}
    assert [entry.payload["before"]["install"]["h1"]["live"] for entry in project.history() if entry.kind == "started" and entry.release == "api"] == [
        "1.0.0"
    ] * 2


def test_after_a_kill_the_way_back_still_leads_to_what_was_there_before(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews").finish()
    world.once["release api"] = dying("install")
    killed(project)
    world.once["release api"] = failing("h2", "no answer", after="restart")
    assert project.apply("reviews").finish().rolled_back is True
    assert world.live() == {"1.0.0"}


def test_killed_after_receipts_were_written_the_release_is_asked_about_again(shop: Write, world: World) -> None:
    project = shop()

    def dies_at_the_end(world: World, variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
        yield from list(world.released(variables))[:-1]
        raise Died

    world.once["release table"] = dies_at_the_end
    killed(project)
    assert project.plan("reviews").progress.releases[0].state == "unfinished"
    assert project.apply("reviews").finish().ok
    assert standing(project)["table"] == "verified"


def soaking_since(project: Project, seconds: float) -> None:
    """The ledger of a project whose first release was in place `seconds` ago when the runner was killed."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
    with Ledger(project.file.ledger, root=project.root, clock=lambda: moment) as ledger:
        for kind in ("started", "released"):
            ledger.append("test", kind, {"before": {}}, feature="reviews", release="table", run="r0")


def soaking_release() -> dict[str, t.Any]:
    return {**_fakes.FEATURE[0], "soak": "10m"}


def has_receipts(world: World) -> None:
    list(world.released({"surefoot_feature_content": {"feature": "reviews", "releases": list(_fakes.FEATURE)}, "release": "table"}))


def test_a_soak_goes_on_where_the_ledger_says_it_is(shop: Write, world: World) -> None:
    project = shop(soaking_release())
    has_receipts(world)
    soaking_since(project, 9.0)
    work = project.apply("reviews")
    left = next(event.left for event in work if isinstance(event, Soaking))
    work.cancel()
    assert work.finish().outcomes["table"].state == "cancelled"
    assert 580 < left <= 591
    assert "release" not in world.played()


def test_a_soak_that_is_over_is_not_waited_for_again_and_nothing_is_done_twice(shop: Write, world: World) -> None:
    project = shop(soaking_release())
    has_receipts(world)
    soaking_since(project, 601.0)
    work = project.apply("reviews")
    assert not any(isinstance(event, (Soaking, StepDone)) for event in work)
    assert world.played() == []
    assert kinds(project)[-1] == "table verified"


def test_a_clock_that_was_set_back_does_not_shorten_a_soak(shop: Write, world: World) -> None:
    project = shop(soaking_release())
    has_receipts(world)
    soaking_since(project, -3600.0)
    work = project.apply("reviews")
    left = next(event.left for event in work if isinstance(event, Soaking))
    work.cancel()
    work.finish()
    assert 590 < left <= 600


def test_a_failed_release_is_rolled_back(shop: Write, world: World) -> None:
    project = shop()
    world.once["release api"] = failing("h2", "no good answer from /livez", after="install")
    work = project.apply("reviews", everything=True)
    events = list(work)
    assert ended_as(events) == [("table", "verified"), ("api", "failed"), ("api", "rolled_back")]
    assert [event.message for event in events if isinstance(event, HostFailed)] == ["no good answer from /livez"]
    assert work.result is not None
    assert (work.result.ok, work.result.rolled_back) == (False, True)
    assert world.live() == {"1.0.0"}
    assert kinds(project)[3:] == ["api started", "api failed", "api rolling_back", "api rolled_back"]
    assert world.played() == ["release", "release", "rollback"]


def test_a_release_that_was_rolled_back_is_tried_again(shop: Write, world: World) -> None:
    project = shop()
    world.once["release api"] = failing("h2", "no good answer", after="install")
    project.apply("reviews", everything=True).finish()
    assert project.apply("reviews", everything=True).finish().ok
    assert world.live() == {"2.0.0"}


def test_no_way_back_where_nothing_was_live_before(shop: Write) -> None:
    world = World(hosts={"h1": {**_fakes.survey(), "artifacts": {"path": "/srv", "live": None, "staged": [], "problem": None}}})
    project = shop(_fakes.FEATURE[1], world=world)
    world.once["release api"] = failing("h1", "no good answer")
    work = project.apply("reviews")
    told = [event for event in work if isinstance(event, ReleaseEnded)][-1]
    assert "nothing was live before" in told.reasons
    assert work.finish().rolled_back is False
    assert "rollback" not in world.played()


def test_a_way_back_that_fails_is_told_and_can_be_taken_again(shop: Write, world: World) -> None:
    project = shop()
    world.once["release api"] = failing("h2", "no good answer", after="install")
    world.once["rollback api"] = failing("h3", "disk full")
    assert project.apply("reviews", everything=True).finish().rolled_back is False
    assert standing(project)["api"] == "rollback_failed"
    assert project.rollback("reviews").finish().ok
    assert standing(project)["api"] == "rolled_back"
    assert world.live() == {"1.0.0"}


def test_without_automatic_rollback_a_failed_release_stays(shop: Write, world: World) -> None:
    project = shop()
    world.once["release api"] = failing("h2", "no good answer", after="install")
    assert project.apply("reviews", everything=True, auto_rollback=False).finish().rolled_back is None
    assert world.live() == {"2.0.0"}
    assert project.plan("reviews").progress.releases[1].state == "failed"


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
def test_a_gate_that_cannot_tell_is_a_question_and_undoes_nothing(shop: Write, world: World, verdict: str) -> None:
    project = shop()
    world.once["release api"] = judging("passed", verdict)
    result = project.apply("reviews", everything=True).finish()
    assert result.outcomes["api"].state == "inconclusive"
    assert result.rolled_back is None
    assert world.live() == {"2.0.0"}
    assert "staff" not in result.outcomes


def test_one_gate_that_failed_outweighs_those_that_cannot_tell(shop: Write, world: World) -> None:
    project = shop()
    world.once["release api"] = judging("inconclusive", "failed", "error")
    assert project.apply("reviews", everything=True).finish().rolled_back is True


def test_rollback_once_and_twice_goes_back_two_releases_and_then_does_nothing(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews", everything=True).finish()
    for release in ("staff", "api", "table"):
        assert list(project.rollback("reviews").finish().outcomes) == [release]
    assert world.live() == {"1.0.0"}
    assert (world.hosts["h1"]["flag"]["audience"], world.hosts["h1"]["migrations"]["current"]) == (None, ["0001"])
    before = kinds(project)
    assert project.rollback("reviews").finish().outcomes == {}
    assert kinds(project) == before


def test_rollback_to_a_release_undoes_what_came_after_it(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews", everything=True).finish()
    assert list(project.rollback("reviews", to="table").finish().outcomes) == ["staff", "api"]
    assert standing(project) == {"table": "verified", "api": "rolled_back", "staff": "rolled_back"}


@pytest.mark.parametrize("recorded", [False, True])
def test_a_rollback_that_was_killed_is_finished_and_does_not_go_one_further(shop: Write, world: World, recorded: bool) -> None:
    """Once every host has its receipt of the way back, receipts alone would say that there is nothing left to undo of this release."""
    project = shop()
    project.apply("reviews", everything=True).finish()

    def dies(world: World, variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
        yield from list(world.released(variables, outcome="rolled_back", record=recorded))[:-1]
        raise Died

    world.once["rollback staff"] = dies
    with pytest.raises(Died):
        project.rollback("reviews").finish()
    assert list(project.rollback("reviews").finish().outcomes) == ["staff"]
    assert standing(project) == {"table": "verified", "api": "verified", "staff": "rolled_back"}


def test_what_was_done_without_a_ledger_cannot_be_undone_with_it(shop: Write, world: World) -> None:
    project = shop()
    has_receipts(world)
    with pytest.raises(Refused, match="not in the ledger"):
        project.rollback("reviews").finish()


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
    def one_lost(world: World, _variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
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
    def nobody(_world: World, _variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
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
    def one_short(world: World, variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
        yield from list(world.released(variables))[:-1]
        yield ended(["h1", "h2"])

    project = shop()
    world.once["release api"] = one_short
    result = project.apply("reviews", everything=True).finish()
    assert any("h3 was planned and not reached" in reason for reason in result.outcomes["api"].reasons)


def test_cancelled_while_hosts_are_surveyed_nothing_was_begun(shop: Write, world: World) -> None:
    project = shop()
    work = project.apply("reviews")
    next(work)
    work.cancel()
    with pytest.raises(Cancelled):
        work.finish()
    assert kinds(project) == []


def test_cancelled_inside_a_release_it_stops_and_undoes_nothing(shop: Write, world: World) -> None:
    project = shop()
    work = project.apply("reviews", everything=True)
    for event in work:
        if isinstance(event, StepDone) and event.step["kind"] == "install":
            work.cancel()
    assert work.result is not None
    assert work.result.outcomes["api"].state == "cancelled"
    assert work.result.rolled_back is None
    assert "rollback" not in world.played()
    assert project.apply("reviews", everything=True).finish().ok


def test_cancelled_between_two_releases_the_next_is_not_begun(shop: Write) -> None:
    project = shop()
    work = project.apply("reviews", everything=True)
    for event in work:
        if isinstance(event, ReleaseEnded):
            work.cancel()
    assert work.result is not None
    assert {name: outcome.state for name, outcome in work.result.outcomes.items()} == {"table": "verified", "api": "cancelled"}
    assert kinds(project) == ["table started", "table released", "table verified"]


def test_cancelling_from_another_thread_wakes_a_soak(shop: Write) -> None:
    work = shop(soaking_release()).apply("reviews")
    threading.Timer(0.1, work.cancel).start()
    begun = time.monotonic()
    assert work.finish().outcomes["table"].state == "cancelled"
    assert time.monotonic() - begun < 3


def test_while_it_soaks_gates_are_asked_and_a_failed_one_acts(shop: Write, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.conductor.SOAK_LOOK_SECONDS", 0.05)

    def fails_the_third_time(world: World, variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
        if world.played().count("verify") < 3:
            yield from world.as_usual("verify", variables)
        else:
            yield _fakes.gate("failed", "status 500")
            yield ended(list(world.hosts), failed=["h1"])

    project = shop({**_fakes.FEATURE[1], "soak": "1h"})
    world.instead["verify"] = fails_the_third_time
    assert project.apply("reviews").finish().rolled_back is True
    assert world.live() == {"1.0.0"}


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
    with pytest.raises(surefoot.project.SurefootError):
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
