"""What may begin and what may not: approvals, promotion, freezes, holds and saved plans, asked for by apply and never by a rollback."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from runner import _fakes
from runner._fakes import Died, World, dying, failing
from runner._fleet import Command, Fleet, command_fixture, fleet_fixture, kinds, refused
from runner.conftest import Write
from surefoot import Project, decisions, plan_file
from surefoot.events import ReleaseEnded
from surefoot.exits import Exit
from surefoot.jobs import Applied
from surefoot.ledger import Ledger
from surefoot.ledger.author import whoami
from surefoot.playbooks import RunEvent
from surefoot.policy import person
from surefoot.saved_plan import SavedPlan, Source

__all__ = ["command_fixture", "fleet_fixture"]

ALWAYS = {"from": "2000-01-01 00:00", "to": "2099-01-01 00:00", "zone": "Europe/Berlin", "because": "the fair"}


def environment(**settings: t.Any) -> dict[str, t.Any]:
    return {"environments": {"test": {"inventory": "hosts", **settings}}}


def approve(project: Project, saved: SavedPlan, *people: str, ago: dt.timedelta = dt.timedelta()) -> None:
    source = Source(root=project.root, project=project.file, feature=project.feature("reviews"))
    with Ledger(project.file.ledger, root=project.root, clock=lambda: dt.datetime.now(dt.UTC) - ago) as ledger:
        for name in people:
            decisions.approve(ledger, saved, source, by=name)


def hold(project: Project) -> None:
    with project.ledger() as ledger:
        decisions.hold(ledger, "test", because="the database is being moved")


def waits(result: Applied) -> str:
    """What a release waits for."""
    (outcome,) = result.outcomes.values()
    assert outcome.state == "waiting"
    return "; ".join(outcome.reasons)


# Approvals


def test_without_a_saved_plan_a_release_that_needs_approvals_waits(shop: Write, world: World, command: Command) -> None:
    project = shop(**environment(approvals=2))
    done = command("apply", "--yes")
    assert done.code == Exit.WAITING
    assert "test asks for 2 approvals of a saved plan" in done.out.replace("\n", " ")
    assert "surefoot plan reviews -E test --out plan.json" in done.out.replace("\n", " ")
    assert (world.played(), kinds(project)) == ([], [])


def test_a_plan_that_enough_others_approved_is_applied_and_the_ledger_knows_by_which_plan(shop: Write, world: World, command: Command) -> None:
    project = shop(**environment(approvals=2))
    assert command("plan", "--out", "plan.json", "--all").code == Exit.PENDING
    assert command("apply", "--plan", "plan.json", "--yes").code == Exit.WAITING
    for name in ("ada", "bob"):
        assert command("approve", "plan.json", "--by", name).code == Exit.DONE
    assert command("apply", "--plan", "plan.json", "--yes").code == Exit.DONE
    digest = plan_file.load(project.root / "plan.json").digest
    assert {entry.payload["plan"] for entry in project.history() if entry.kind == "verified"} == {digest}
    assert world.live() == {"2.0.0"}


@pytest.mark.parametrize("people", [("ada",), ("ada", "Ada@desk"), ("ada", person(whoami())), ("ada", whoami())])
def test_fewer_than_asked_for_the_same_one_twice_and_whoever_applies_it_are_not_enough(shop: Write, world: World, people: tuple[str, ...]) -> None:
    project = shop(**environment(approvals=2))
    saved = project.saved_plan("reviews")
    approve(project, saved, *people)
    assert "1 of them missing" in waits(project.apply("reviews", saved=saved).finish())
    assert world.played() == []


def test_an_approval_expires(shop: Write, world: World) -> None:
    project = shop(**environment(approvals=1, approvals_expire="1h"))
    saved = project.saved_plan("reviews")
    approve(project, saved, "ada", ago=dt.timedelta(hours=2))
    assert "ada approved it, which expired" in waits(project.apply("reviews", saved=saved).finish())
    approve(project, saved, "ada")
    assert project.apply("reviews", saved=saved).finish().ok


def test_an_approval_is_for_that_plan_alone(shop: Write, world: World) -> None:
    project = shop(**environment(approvals=1))
    approve(project, project.saved_plan("reviews"), "ada")
    other = project.saved_plan("reviews", everything=True)
    assert "nobody approved it" in waits(project.apply("reviews", saved=other).finish())


def test_an_approved_plan_is_refused_once_the_feature_file_was_changed(shop: Write, world: World) -> None:
    project = shop(**environment(approvals=1))
    saved = project.saved_plan("reviews")
    approve(project, saved, "ada")
    path = project.root / "features/reviews.yml"
    path.write_text(path.read_text().replace("0002", "0003"))
    told = refused(project, saved=saved)
    assert "The plan is stale, nothing was changed" in told
    assert "feature file: releases table migrate to was 0002, is 0003" in told
    assert world.played() == []


def test_an_edited_plan_is_refused(shop: Write, world: World, command: Command) -> None:
    project = shop()
    command("plan", "--out", "plan.json")
    path = project.root / "plan.json"
    path.write_text(path.read_text().replace("0002", "0001"))
    done = command("apply", "--plan", "plan.json", "--yes")
    assert (done.code, world.played()) == (Exit.REFUSED, [])
    assert "was edited after it was saved" in done.err


# Promotion, freeze, hold


def test_a_release_is_promoted_once_it_has_stood_long_enough_where_it_was_verified(shop: Write, world: World) -> None:
    Fleet.places.update(staging=World(), production=World())
    places = {"staging": {"inventory": "staging"}, "production": {"inventory": "production", "promote_from": {"staging": "1h"}}}
    project = shop(environments=places)
    assert "table must be verified in staging first" in refused(project, environment="production")
    assert project.apply("reviews", "staging").finish().ok
    assert "table must be in place in staging for 1h" in refused(project, environment="production")
    assert Fleet.places["production"].played() == []

    aged = shop(environments=places, where="aged")
    release = aged.feature("reviews").parsed()[0]
    with Ledger(aged.file.ledger, root=aged.root, clock=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(minutes=61)) as ledger:
        for kind in ("started", "released", "verified"):
            ledger.append("staging", kind, {"digest": release.digest()}, feature="reviews", release="table")
    assert list(aged.apply("reviews", "production").finish().outcomes) == ["table"]
    assert "api must be verified in staging first" in refused(aged, environment="production")


def test_another_wording_of_a_release_is_not_what_was_verified(shop: Write) -> None:
    Fleet.places.update(staging=World(), production=World())
    places = {"staging": {"inventory": "staging"}, "production": {"inventory": "production", "promote_from": {"staging": "0s"}}}
    project = shop(environments=places)
    project.apply("reviews", "staging").finish()
    shop({**_fakes.FEATURE[0], "migrate": {"version": "2.0.0", "to": "0003"}}, environments=places)
    assert "is not what was verified in staging" in refused(project, environment="production")


def test_in_a_freeze_nothing_begins_and_the_way_back_stays_open(shop: Write, world: World, command: Command) -> None:
    shop().apply("reviews", to="api").finish()
    frozen = shop(**environment(freeze=[ALWAYS]))
    assert "test is frozen until" in refused(frozen)
    assert command("apply", "--yes").code == Exit.REFUSED
    assert list(frozen.rollback("reviews").finish().outcomes) == ["api"]
    assert world.live() == {"1.0.0"}


def test_in_an_environment_that_is_held_nothing_begins_and_the_way_back_stays_open(shop: Write, world: World, command: Command) -> None:
    project = shop(**environment(approvals=0))
    project.apply("reviews", to="api").finish()
    assert command("hold", "--because", "the database is being moved").code == Exit.DONE
    assert "the database is being moved" in refused(project)
    assert command("apply", "--yes").code == Exit.REFUSED
    assert command("rollback", "--yes").code == Exit.DONE
    assert world.live() == {"1.0.0"}
    assert "test is held" in refused(project)
    assert command("resume", "--because", "it was moved").code == Exit.DONE
    assert project.apply("reviews").finish().ok


def test_a_hold_in_the_middle_stops_before_the_next_release(shop: Write, world: World) -> None:
    project = shop()
    work = project.apply("reviews", everything=True)
    next(event for event in work if isinstance(event, ReleaseEnded))
    hold(project)
    with pytest.raises(Refused, match="Release api is refused"):
        work.finish()
    assert kinds(project)[-1] == "table verified"
    assert world.live() == {"1.0.0"}


def test_a_release_that_fails_while_the_environment_is_held_is_taken_back_all_the_same(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews").finish()

    def held_and_failing(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        hold(project)
        yield from failing("h2", "no good answer", after="install")(world, variables)

    world.once["release api"] = held_and_failing
    assert project.apply("reviews").finish().rolled_back is True
    assert world.live() == {"1.0.0"}


# Saved plans


def test_a_saved_plan_is_applied_once(shop: Write, world: World) -> None:
    project = shop()
    saved = project.saved_plan("reviews")
    assert list(project.apply("reviews", saved=saved).finish().outcomes) == ["table"]
    before = (kinds(project), world.played())
    assert "this plan was applied already" in refused(project, saved=saved)
    assert (kinds(project), world.played()) == before


def test_a_saved_plan_goes_as_far_as_it_holds_and_no_further(shop: Write) -> None:
    project = shop()
    saved = project.saved_plan("reviews", releases=["table", "api"])
    assert list(project.apply("reviews", saved=saved).finish().outcomes) == ["table", "api"]


@pytest.mark.parametrize("upto", ["install", "restart"])
def test_an_interrupted_plan_is_gone_on_with(shop: Write, world: World, upto: str) -> None:
    project = shop(**environment(approvals=1))
    saved = project.saved_plan("reviews", everything=True)
    approve(project, saved, "ada")
    world.once["release api"] = dying(upto)
    with pytest.raises(Died):
        project.apply("reviews", saved=saved).finish()
    assert list(project.apply("reviews", saved=saved).finish().outcomes) == ["api", "staff"]
    assert "this plan was applied already" in refused(project, saved=saved)


def test_an_interrupted_plan_is_not_gone_on_with_once_another_had_its_hands_in(shop: Write, world: World) -> None:
    project = shop()
    saved = project.saved_plan("reviews", everything=True)
    world.once["release api"] = dying("install")
    with pytest.raises(Died):
        project.apply("reviews", saved=saved).finish()
    project.apply("reviews").finish()
    assert "came since: released reviews api" in refused(project, saved=saved)


@pytest.mark.parametrize("saved", [False, True])
def test_a_feature_file_that_changes_while_its_releases_go_on_stops_before_the_next_one(shop: Write, world: World, saved: bool) -> None:
    project = shop()
    plan = project.saved_plan("reviews", everything=True) if saved else None
    path = project.root / "features/reviews.yml"

    def edited(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from world.released(variables)
        path.write_text(path.read_text().replace("2.0.0", "6.6.6"))

    world.once["release table"] = edited
    with pytest.raises(Refused, match="The feature file was changed") as error:
        project.apply("reviews", everything=not saved, saved=plan).finish()
    assert "releases api install version was 2.0.0, is 6.6.6" in str(error.value.seen)
    assert (kinds(project)[-1], world.live()) == ("table verified", {"1.0.0"})


def test_a_failed_plan_is_not_tried_again(shop: Write, world: World) -> None:
    project = shop()
    saved = project.saved_plan("reviews", everything=True)
    world.once["release api"] = failing("h2", "no good answer", after="install")
    assert project.apply("reviews", saved=saved).finish().rolled_back is True
    assert "came since: failed reviews api" in refused(project, saved=saved)


def test_a_saved_plan_is_refused_when_a_host_moved(shop: Write, world: World) -> None:
    project = shop()
    saved = project.saved_plan("reviews")
    world.hosts["h2"]["flag"]["audience"] = {"groups": ["staff"]}
    assert "h2: flag audience" in refused(project, saved=saved)
    assert world.played() == []
