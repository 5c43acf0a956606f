"""What a plan says besides what it would do: who and what stands in its way, and how long such steps took the last time."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import pytest

from runner._fakes import RunEvent, World, answer, failing, step
from runner._fleet import Command, Fleet, command_fixture, fleet_fixture
from runner.conftest import Write
from surefoot import Project, decisions
from surefoot.exits import Exit
from surefoot.ledger import Entry, Ledger
from surefoot.ledger.author import whoami
from surefoot.planning import Took, last_took
from surefoot.playbooks import HostAnswered
from surefoot.saved_plan import Source

__all__ = ["command_fixture", "fleet_fixture"]


def environment(**settings: t.Any) -> dict[str, t.Any]:
    return {"environments": {"test": {"inventory": "hosts", **settings}}}


def told(command: Command, *options: str, code: Exit = Exit.PENDING) -> dict[str, t.Any]:
    """The one thing that is in the way by the document of a plan."""
    done = command("plan", "--json", *options)
    assert done.code == code
    (only,) = json.loads(done.out)["in_the_way"]
    return t.cast("dict[str, t.Any]", only)


# What stands in the way


def test_nothing_in_the_way_is_said_too(shop: Write, command: Command) -> None:
    shop()
    done = command("plan", "--json")
    assert (done.code, json.loads(done.out)["in_the_way"]) == (Exit.PENDING, [])
    assert "Next: surefoot apply reviews" in command("plan").out


def test_a_hold_is_told_with_who_and_why(shop: Write, command: Command) -> None:
    shop()
    command("hold", "--because", "the database is being moved")
    held = told(command)
    assert (held["kind"], held["by"], held["seen"], held["until"]) == ("hold", [whoami()], "the database is being moved", None)
    assert held["since"].endswith("Z")
    out = " ".join(command("plan").out.split())
    assert f"test is held by {whoami()} since " in out
    assert "found: the database is being moved" in out
    assert "Not begun as long as this is so" in out
    assert "Next: surefoot apply" not in out


def test_a_freeze_is_told_with_its_end_in_the_time_of_its_zone(shop: Write, command: Command) -> None:
    shop(**environment(freeze=[{"from": "2000-01-01 00:00", "to": "2099-01-01 08:00", "zone": "Europe/Berlin", "because": "the fair"}]))
    frozen = told(command)
    assert (frozen["kind"], frozen["until"]) == ("freeze", "2099-01-01T07:00:00.000Z")
    assert "test is frozen until Thu 2099-01-01 08:00 CET (Europe/Berlin): the fair" in " ".join(command("plan").out.split())


def test_a_promotion_that_is_not_due_is_told_with_where_and_when(shop: Write, world: World, command: Command) -> None:
    Fleet.places.update(staging=World(), production=World())
    places = {"staging": {"inventory": "staging"}, "production": {"inventory": "production", "promote_from": {"staging": "1h"}}}
    project = shop(environments=places)
    never = told(command, "-E", "production")
    assert (never["kind"], never["message"], never["since"], never["until"]) == ("promotion", "table must be verified in staging first", None, None)
    project.apply("reviews", "staging").finish()
    waiting = told(command, "-E", "production")
    assert waiting["message"] == "table must be in place in staging for 1h"
    since, until = (dt.datetime.fromisoformat(waiting[key]) for key in ("since", "until"))
    assert until - since == dt.timedelta(hours=1)
    assert f"{since:%Y-%m-%d %H:%M} UTC" in waiting["seen"]
    assert f"apply it after {until:%Y-%m-%d %H:%M} UTC" in " ".join(command("plan", "-E", "production").out.split())


def test_missing_approvals_are_told_with_those_who_gave_theirs(shop: Write, command: Command) -> None:
    project = shop(**environment(approvals=2, approvals_expire="1h"))
    missing = told(command, "--out", "plan.json")
    assert (missing["kind"], missing["missing"], missing["by"], missing["seen"]) == ("approvals", 2, [], "nobody approved any")
    saved = project.saved_plan("reviews")
    source = Source(root=project.root, project=project.file, feature=project.feature("reviews"))
    with Ledger(project.file.ledger, root=project.root, clock=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)) as ledger:
        decisions.approve(ledger, saved, source, by="eve")
    assert command("approve", "plan.json", "--by", "ada").code == Exit.DONE
    missing = told(command)
    assert (missing["missing"], missing["by"]) == (2, ["ada"])
    assert "ada approved the plan " in " ".join(command("plan").out.split())


def test_approvals_of_a_plan_that_was_overtaken_are_not_told(shop: Write, world: World, command: Command) -> None:
    project = shop(**environment(approvals=1))
    command("plan", "--out", "plan.json")
    command("approve", "plan.json", "--by", "ada")
    world.once["release table"] = failing("h1", "no room")
    assert command("apply", "--plan", "plan.json", "--yes").code != Exit.WAITING
    assert told(command)["by"] == []
    assert project.plan("reviews").pending


def test_what_the_hosts_refuse_outweighs_what_people_say(shop: Write, world: World, command: Command) -> None:
    shop()
    command("hold", "--because", "x")
    world.hosts["h1"]["artifacts"]["problem"] = "current is a directory"
    assert told(command, code=Exit.REFUSED)["kind"] == "hold"


def test_a_plan_can_be_saved_while_something_is_in_the_way(shop: Write, command: Command) -> None:
    """It is approved in the meantime."""
    project = shop(**environment(freeze=[{"from": "2000-01-01 00:00", "to": "2099-01-01 00:00", "zone": "UTC"}]))
    assert command("plan", "--out", "plan.json").code == Exit.PENDING
    assert (project.root / "plan.json").exists()


# The artifact under a version


STAGES = {"staging": {"inventory": "staging"}, "production": {"inventory": "production", "promote_from": {"staging": "0s"}}}


def promoting(shop: Write, staging: dict[str, str], production: dict[str, str]) -> Project:
    """A release out of these artifacts by version was verified in staging and comes to production."""
    Fleet.places.update(staging=World(artifacts=staging), production=World(artifacts=production))
    project = shop({"release": "api", "install": {"version": "2.0.0"}, "restart": {}}, environments=STAGES)
    assert project.apply("reviews", "staging").finish().ok
    return project


def test_another_artifact_under_the_same_version_is_not_promoted(shop: Write, command: Command) -> None:
    promoting(shop, {"2.0.0": "a" * 64}, {"2.0.0": "b" * 64})
    other = told(command, "-E", "production")
    assert other["message"] == "the artifact of 2.0.0 is not the one that was verified in staging"
    assert other["seen"] == f"sha256 {'a' * 12} there, {'b' * 12} here"
    done = command("apply", "-E", "production", "--yes")
    assert done.code == Exit.REFUSED
    assert "is not the one that was verified in staging" in " ".join(done.err.split())
    assert Fleet.places["production"].played() == []


def test_another_artifact_that_a_host_has_already_is_not_promoted(shop: Write, command: Command) -> None:
    promoting(shop, {"2.0.0": "a" * 64}, {})
    Fleet.places["production"].hosts["h2"]["artifacts"]["staged"].append({"version": "2.0.0", "sha256": "b" * 64})
    assert "is not the one that was verified in staging" in told(command, "-E", "production")["message"]


@pytest.mark.parametrize("known", [{"2.0.0": "a" * 64}, {}, {"1.0.0": "b" * 64}])
def test_the_same_artifact_is_promoted_and_so_is_one_that_cannot_be_told(shop: Write, known: dict[str, str]) -> None:
    project = promoting(shop, {"2.0.0": "a" * 64}, known)
    assert project.apply("reviews", "production").finish().ok


def test_only_the_artifacts_of_releases_to_come_are_asked_for(shop: Write, world: World) -> None:
    """A path of 200 releases that are done must not read 200 artifacts."""
    project = shop({"release": "one", "install": {"version": "2.0.0"}, "restart": {}}, {"release": "two", "install": {"version": "2.1.0"}, "restart": {}})
    project.apply("reviews").finish()
    project.plan("reviews")
    asked = [variables.get("survey_artifacts") for name, variables in world.runs if name == "survey"]
    assert asked == [["2.0.0", "2.1.0"], ["2.1.0"]]


def test_an_approved_plan_is_refused_when_its_artifact_was_built_again(shop: Write, world: World, command: Command) -> None:
    world.artifacts["2.0.0"] = "a" * 64
    shop({"release": "api", "install": {"version": "2.0.0"}, "restart": {}}, **environment(approvals=1))
    assert command("plan", "--out", "plan.json").code == Exit.PENDING
    assert command("approve", "plan.json", "--by", "ada").code == Exit.DONE
    world.artifacts["2.0.0"] = "b" * 64
    done = command("apply", "--plan", "plan.json", "--yes")
    assert (done.code, world.played()) == (Exit.REFUSED, [])
    assert "sha256 of artifact 2.0.0 was aaaa" in done.err


# How long it took


def taking(**milliseconds: t.Sequence[int]) -> t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]:
    """A release whose steps take so long on h1, h2, …; nothing was to be done where it is 0."""

    def happens(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        for event in world.released(variables):
            if isinstance(event, HostAnswered) and event.task in milliseconds:
                took = milliseconds[event.task][int(event.host[1:]) - 1]
                event = answer(
                    event.host, event.task, {"step": {**step(event.task), "after": {"done": took > 0}, "before": {"done": False}, "duration_ms": took or 7}}
                )
            yield event

    return happens


def test_how_long_a_step_last_took_is_in_the_plan(shop: Write, world: World, command: Command) -> None:
    project = shop(*({"release": name, "install": {"version": version}, "restart": {}} for name, version in (("one", "2.0.0"), ("two", "2.1.0"))))
    for one in json.loads(command("plan", "--json").out)["plans"]:
        assert [step["last_took"] for step in one["steps"]] == [None, None]
    assert "last took" not in command("plan").out
    world.once["release one"] = taking(install=[200, 12000, 11000], restart=[0, 0, 0])
    project.apply("reviews").finish()
    (released,) = [entry for entry in project.history() if entry.kind == "released"]
    assert released.payload["took_ms"] == {"install": 12000}
    (plan,) = json.loads(command("plan", "--json").out)["plans"]
    took = {step["kind"]: step["last_took"] for step in plan["steps"]}
    assert took == {"install": {"seconds": 12.0, "feature": "reviews", "release": "one", "at": released.at}, "restart": None}
    out = command("plan").out
    assert f"last took 12s, release one on {released.at[:10]}" in out
    assert out.count("last took") == 1


def test_the_newest_word_on_each_kind_of_step_counts() -> None:
    def entry(seq: int, took: dict[str, int] | None) -> Entry:
        payload = {} if took is None else {"took_ms": took}
        named = {"environment": "test", "feature": "reviews", "release": f"r{seq}", "run": "r", "by": "x", "prev": "", "hash": ""}
        return Entry(seq=seq, at=f"2026-11-{seq:02}T00:00:00.000Z", kind="released", payload=payload, **named)

    found = last_took([entry(1, {"install": 3000, "migrate": 900}), entry(2, None), entry(3, {"install": 4500})])
    assert {kind: (one.seconds, one.release) for kind, one in found.items()} == {"install": (4.5, "r3"), "migrate": (0.9, "r1")}
    assert found["install"] == Took(seconds=4.5, feature="reviews", release="r3", at="2026-11-03T00:00:00.000Z")
