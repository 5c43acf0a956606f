"""What others left at work on hosts is found before anything is begun; a step whose lock is not free is a refusal as long as nothing was changed."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy
from runner._fakes import World, failing, standing
from runner._fleet import Command, command_fixture, fleet_fixture, kinds
from runner.conftest import Write
from surefoot import Project
from surefoot.events import Event, ReleaseStarted, SurveyStarted, WaitingForOrphans
from surefoot.exits import Exit
from surefoot.project import Cancelled

__all__ = ["command_fixture", "fleet_fixture"]

RESTART = {"kind": "restart", "what": "shop", "pid": 123, "user": 0, "since": 1700000000.0, "seconds": 12.0}
ORPHAN = "h2: restart (shop), process 123 of user 0, at work for 12 s"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.surefoot.release.plugins.plugin_utils.at_work.LOOK_SECONDS", 0.0)


def busy(after: str | None = None) -> t.Any:
    return failing("h1", "Another migration is under way", after=after, kind="Busy")


def going_through(work: t.Iterator[Event], world: World, *, ends_after: int) -> list[Event]:
    """The events of some work while which what is at work on hosts ends, once it has been waited for so many times."""
    events = []
    for event in work:
        events.append(event)
        if [type(one) for one in events].count(WaitingForOrphans) == ends_after:
            world.at_work.clear()
    return events


# Waiting for what others left


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_nothing_is_begun_while_something_is_at_work_on_any_host(shop: Write, world: World, command: Command, verb: str) -> None:
    project = shop()
    project.apply("reviews").finish()
    before, played = kinds(project), world.played()
    world.at_work["h2"] = [RESTART]
    done = command(verb, "--yes", "--orphan-wait", "0")
    assert done.code == Exit.REFUSED
    assert "What an earlier run left at work did not end within 0 s, nothing was changed" in done.err
    assert ORPHAN in done.err
    assert (kinds(project), world.played()) == (before, played)


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_what_ends_in_time_is_waited_for_and_told_of(shop: Write, world: World, verb: str) -> None:
    project = shop()
    project.apply("reviews").finish()
    world.at_work["h2"] = [RESTART]
    events = going_through(getattr(project, verb)("reviews"), world, ends_after=3)
    names = [type(event) for event in events]
    assert names[: names.index(ReleaseStarted)].count(WaitingForOrphans) == names.count(WaitingForOrphans) == 3
    assert names[0] is SurveyStarted
    (waiting, *_) = [event for event in events if isinstance(event, WaitingForOrphans)]
    assert waiting.at_work == ({"host": "h2", **RESTART},)
    assert 0 < waiting.left <= 60
    assert kinds(project)[-1] == ("api verified" if verb == "apply" else "table rolled_back")


def test_the_release_is_planned_by_what_was_left_in_the_end(shop: Write, world: World) -> None:
    project = shop()
    world.at_work["h1"] = [RESTART]
    work = project.apply("reviews")
    events = going_through(work, world, ends_after=2)
    assert len([name for name, _variables in world.runs if name == "survey"]) == 3
    assert any(isinstance(event, ReleaseStarted) for event in events)


def test_waiting_can_be_cancelled(shop: Write, world: World) -> None:
    project = shop()
    world.at_work["h1"] = [RESTART]
    work = project.apply("reviews")
    assert any(isinstance(event, WaitingForOrphans) for event in work)
    work.cancel()
    with pytest.raises(Cancelled):
        work.finish()
    assert kinds(project) == []


def test_the_api_raises_what_it_waited_for(shop: Write, world: World) -> None:
    world.at_work["h2"] = [RESTART]
    with pytest.raises(Busy) as refused:
        dataclasses.replace(shop(), orphan_wait=0.0).apply("reviews").finish()
    assert refused.value.seen == ORPHAN


def test_a_plan_says_what_is_in_the_way_and_holds(shop: Write, world: World, command: Command) -> None:
    """It may be a release that somebody else performs just now; who has the lock knows better."""
    shop()
    world.at_work["h2"] = [RESTART]
    done = command("plan", "--out", "plan.json")
    assert done.code == Exit.PENDING
    assert "h2: restart (shop) is at work here; found: process 123 of user 0, at work for 12 s" in done.out.replace("\n", " ")
    (objection,) = json.loads(command("plan", "--json").out)["in_the_way"]
    assert {key: objection[key] for key in ("kind", "host", "message")} == {"kind": "at_work", "host": "h2", "message": "restart (shop) is at work here"}
    assert command("plan").code == Exit.PENDING


def test_a_saved_plan_is_not_stale_because_something_was_at_work(shop: Write, world: World, command: Command) -> None:
    shop()
    world.at_work["h2"] = [RESTART]
    assert command("plan", "--out", "plan.json").code == Exit.PENDING
    world.at_work.clear()
    assert command("apply", "--plan", "plan.json", "--yes").code == Exit.DONE


def test_a_survey_names_what_is_at_work(shop: Write, world: World, command: Command) -> None:
    shop()
    world.at_work["h2"] = [RESTART]
    assert f"! {ORPHAN}" in command("survey").out
    assert json.loads(command("survey", "--json").out)["at_work"] == {"h2": [RESTART]}


# A step whose lock is not free


def test_a_lock_that_is_not_free_refuses_a_release_that_has_changed_nothing(shop: Write, world: World, command: Command) -> None:
    project = shop()
    world.instead["release table"] = busy()
    done = command("apply", "--yes")
    assert done.code == Exit.REFUSED
    assert "Another migration is under way" in done.out
    assert world.played() == ["release"]
    assert kinds(project) == ["table started", "table refused"]
    assert standing(project)["table"] == "refused"


def test_after_a_refusal_the_release_begins_anew_and_there_is_nothing_to_undo(shop: Write, world: World, command: Command) -> None:
    project = shop()
    world.once["release table"] = busy()
    assert command("apply", "--yes").code == Exit.REFUSED
    assert command("rollback", "--yes").code == Exit.DONE
    assert world.played() == ["release"]
    world.hosts["h1"]["migrations"]["current"] = ["0000"]
    assert command("apply", "--yes").code == Exit.DONE
    started = [entry for entry in project.history() if entry.kind == "started"]
    assert started[-1].payload["before"]["migrate"]["h1"]["current"] == ["0000"]


def test_a_saved_plan_that_was_refused_in_this_way_is_gone_on_with(shop: Write, world: World, command: Command) -> None:
    shop()
    assert command("plan", "--out", "plan.json").code == Exit.PENDING
    world.once["release table"] = busy()
    assert command("apply", "--plan", "plan.json", "--yes").code == Exit.REFUSED
    assert command("apply", "--plan", "plan.json", "--yes").code == Exit.DONE


def test_once_something_was_changed_it_is_a_failure_like_any_other(shop: Write, world: World, command: Command) -> None:
    project = shop()
    project.apply("reviews").finish()
    world.once["release api"] = busy(after="install")
    assert command("apply", "--yes").code == Exit.ROLLED_BACK
    assert kinds(project)[-4:] == ["api started", "api failed", "api rolling_back", "api rolled_back"]


def test_once_something_else_failed_too_it_is_a_failure(shop: Write, world: World, command: Command) -> None:
    project = shop()

    def both(world: World, variables: dict[str, t.Any]) -> t.Iterator[t.Any]:
        yield from list(failing("h2", "disk full")(world, variables))[:-1]
        yield from busy()(world, variables)

    world.once["release table"] = both
    assert command("apply", "--yes").code == Exit.ROLLED_BACK
    assert "table failed" in kinds(project)


def test_a_try_before_may_have_changed_something(shop: Write, world: World, command: Command) -> None:
    project = shop()
    world.once["release table"] = failing("h1", "half a migration")
    assert command("apply", "--yes", "--no-rollback").code == Exit.NOT_ROLLED_BACK
    world.once["release table"] = busy()
    assert command("apply", "--yes", "--no-rollback").code == Exit.NOT_ROLLED_BACK
    assert kinds(project)[-1] == "table failed"


def test_other_refusals_of_steps_may_come_late_and_stay_failures(shop: Write, world: World, command: Command) -> None:
    project = shop()
    world.once["release table"] = failing("h1", "the balancer does not answer any more", kind="Refused")
    assert command("apply", "--yes").code == Exit.ROLLED_BACK
    assert "table failed" in kinds(project)


def behind(project: Project, world: World) -> None:
    """Release on all hosts, then bring one back that has nothing."""
    project.apply("reviews", everything=True).finish()
    world.hosts["h3"]["receipt"] = None


def test_a_host_that_is_to_catch_up_and_cannot_yet_is_refused(shop: Write, world: World, command: Command) -> None:
    project = shop()
    behind(project, world)
    world.once["release table"] = busy()
    world.once["release api"] = busy()
    done = command("apply", "--yes", "--all", "--limit", "h3")
    assert done.code == Exit.REFUSED, done.out + done.err
    assert kinds(project)[-1] == "api catch_up_failed"
