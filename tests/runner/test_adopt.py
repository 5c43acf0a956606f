"""What hosts hold, accepted as a release having been done: what adopt settles, and what it refuses because nobody could make sense of it."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from runner import _fakes
from runner._fakes import Died, World, answer, ended, kinds, standing
from runner._fleet import Command, command_fixture, fleet_fixture
from runner.conftest import Write
from surefoot import Project
from surefoot.exits import Exit
from surefoot.ledger import Ledger
from surefoot.playbooks import RunEvent

__all__ = ["command_fixture", "fleet_fixture"]

PATH = (*_fakes.FEATURE[:2], {"release": "ui", "install": {"version": "2.1.0"}, "restart": {}}, _fakes.FEATURE[2])
WHY = "moved by hand on Monday"


def done_up_to(shop: Write, name: str) -> Project:
    project = shop(*PATH)
    project.apply("reviews", to=name).finish()
    return project


def link(world: World, version: str, *names: str) -> None:
    """Move the live link by hand."""
    for name in names or world.hosts:
        world.hosts[name]["artifacts"]["live"] = {"version": version, "sha256": None, "since": 9.0}
        world.hosts[name]["artifacts"]["staged"].append({"version": version})


def refused(project: Project, release: str) -> str:
    before = (kinds(project), copy.deepcopy(project.history()))
    with pytest.raises(Refused) as error:
        project.adopt("reviews", release=release, because=WHY).finish()
    assert (kinds(project), project.history()) == before
    return f"{error.value.message}; {error.value.seen}; {error.value.todo}"


def states(project: Project) -> list[str]:
    return [one.state for one in project.plan("reviews").progress.releases]


def test_a_link_that_was_moved_by_hand_is_accepted_and_the_path_goes_on_from_there(shop: Write, world: World, command: Command) -> None:
    project = done_up_to(shop, "ui")
    link(world, "2.1.1")
    assert command("plan").code == Exit.REFUSED
    assert command("adopt", "reviews", "--release", "ui", "--because", WHY).code == Exit.DONE
    (entry,) = [entry for entry in project.history() if entry.kind == "adopted"]
    assert (entry.release, entry.payload["because"], entry.payload["digest"]) == ("ui", WHY, project.feature("reviews").parsed()[2].digest())
    assert entry.payload["held"]["h2"] == {"live": "2.1.1", "database": ["0002"], "flags": {"reviews": None}}
    plan = project.plan("reviews")
    assert ([one.state for one in plan.progress.releases], plan.refusals) == (["done", "done", "done", "pending"], ())
    assert {host["receipt"]["live_version"] for host in world.hosts.values()} == {"2.1.1"}
    assert command("survey").code == Exit.DONE
    assert command("apply", "--all", "--yes").code == Exit.DONE
    assert world.live() == {"2.1.1"}


def test_a_link_that_was_moved_back_takes_with_it_what_had_made_the_other_version_live(shop: Write, world: World) -> None:
    project = done_up_to(shop, "ui")
    link(world, "2.0.0")
    assert "2.0.0 is live, which api installs; ui leaves 2.1.0" in refused(project, "ui")
    result = project.adopt("reviews", release="api", because=WHY).finish()
    assert (result.ok, result.outcomes["api"].state) == (True, "adopted")
    assert standing(project) == {"table": "verified", "api": "adopted", "ui": "rolled_back", "staff": "none"}
    assert kinds(project)[-4:] == ["api adopted", "ui rolling_back", "ui rolled_back", "api caught_up"]
    assert project.plan("reviews").refusals == ()
    assert states(project) == ["done", "done", "pending", "pending"]
    assert project.apply("reviews", everything=True).finish().ok
    assert world.live() == {"2.1.0"}


@pytest.mark.parametrize(
    ("change", "release", "told"),
    [
        (lambda world: link(world, "2.1.1", "h2"), "ui", "The hosts run different versions; found: 2.1.0 on h1, h3; 2.1.1 on h2"),
        (lambda world: link(world, "1.0.0"), "ui", "1.0.0 is live, as before api; ui leaves 2.1.0"),
        (
            lambda world: world.hosts["h1"]["artifacts"].update(problem="current is a directory"),
            "ui",
            "h1: The install path is not as an installation leaves it",
        ),
        (lambda world: world.hosts["h1"]["migrations"].update(current=["0001"]), "ui", "h1: The database is not as table left it: 0002 is not applied"),
        (lambda world: world.hosts["h2"].update(receipt_problem="/var: Read-only file system"), "ui", "h2: The receipt could not be written here"),
        (lambda _world: None, "api", "2.1.0 is live, which ui installs; api leaves 2.0.0"),
        (lambda _world: None, "staff", "Flag reviews is open to nobody, and staff left it open to staff"),
    ],
)
def test_what_cannot_be_made_sense_of_is_refused_with_the_reason(shop: Write, world: World, change: t.Callable[[World], None], release: str, told: str) -> None:
    project = done_up_to(shop, "ui")
    change(world)
    before = copy.deepcopy(world.hosts)
    assert told in refused(project, release)
    assert world.hosts == before


def test_a_flag_that_is_another_hands_is_not_accepted(shop: Write, world: World) -> None:
    project = done_up_to(shop, "staff")
    world.hosts["h2"]["flag"].update(audience=None, foreign=True, reason="it was edited")
    assert "h2: Flag reviews was changed by another hand" in refused(project, "staff")


def test_a_flag_that_was_closed_by_hand_takes_its_release_with_it(shop: Write, world: World) -> None:
    project = done_up_to(shop, "staff")
    for host in world.hosts.values():
        host["flag"]["audience"] = None
    assert project.adopt("reviews", release="ui", because=WHY).finish().ok
    assert (states(project), project.plan("reviews").refusals) == (["done", "done", "done", "pending"], ())


def test_what_is_still_there_is_not_passed_over(shop: Write, world: World) -> None:
    project = done_up_to(shop, "staff")
    assert "staff came after ui and is still there; None; name staff, or roll it back" in refused(project, "ui")


def test_receipts_that_are_gone_are_written_again(shop: Write, world: World) -> None:
    project = done_up_to(shop, "ui")
    for host in world.hosts.values():
        host["receipt"] = None
    assert len(project.plan("reviews").refusals) > 1
    project.adopt("reviews", release="ui", because="the disk with the receipts was lost").finish()
    assert [entry.release for entry in project.history() if entry.kind == "adopted"] == ["table", "api", "ui"]
    assert (states(project), project.plan("reviews").refusals) == (["done", "done", "done", "pending"], ())


def test_what_was_done_with_another_ledger_is_accepted(shop: Write, world: World) -> None:
    project = done_up_to(shop, "ui")
    for host in world.hosts.values():
        for entry in host["receipt"]["releases"]:
            entry.update(run="of-another", at="2026-01-01T00:00:00+00:00")
    assert "a run that the ledger does not know" in project.plan("reviews").refusals[0].message
    project.adopt("reviews", release="ui", because="the ledger of the old desk").finish()
    assert (states(project), project.plan("reviews").refusals) == (["done", "done", "done", "pending"], ())


def test_what_was_there_before_surefoot_is_adopted_altogether(shop: Write, world: World, command: Command) -> None:
    project = shop(*PATH)
    for host in world.hosts.values():
        host["migrations"].update(current=["0002"], applied=["0001", "0002"], pending=[])
    link(world, "2.1.0")
    assert command("adopt", "reviews", "--release", "ui", "--because", "it was there", "--json").code == Exit.DONE
    assert (states(project), project.plan("reviews").refusals) == (["done", "done", "done", "pending"], ())
    with pytest.raises(Refused, match="What was there before ui is not in the ledger"):
        project.rollback("reviews").finish()


def lost(world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
    yield answer("h2", "Record", {"msg": "disk full"}, "failed")
    yield ended(list(world.hosts), failed=["h2"])


def test_receipts_that_cannot_be_written_leave_it_open_and_adopting_again_settles_it(shop: Write, world: World, command: Command) -> None:
    project = done_up_to(shop, "ui")
    link(world, "2.0.0")
    world.once["adopt api"] = lost
    done = command("adopt", "reviews", "--release", "api", "--because", WHY)
    assert (done.code, "disk full" in done.out) == (Exit.NOT_ROLLED_BACK, True)
    assert [(one["release"], one["state"]) for one in project.unsettled()] == [("api", "catch_up_failed"), ("ui", "rollback_failed")]
    assert project.adopt("reviews", release="api", because=WHY).finish().ok
    assert (states(project), project.plan("reviews").refusals, project.unsettled()) == (["done", "done", "pending", "pending"], (), [])


@pytest.mark.parametrize("written", [False, True])
def test_a_runner_that_was_killed_while_it_adopted_is_no_harm(shop: Write, world: World, written: bool) -> None:
    project = done_up_to(shop, "ui")
    link(world, "2.0.0")

    def dies(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from world.adopted(variables) if written else ()
        raise Died

    world.once["adopt api"] = dies
    with pytest.raises(Died):
        project.adopt("reviews", release="api", because=WHY).finish()
    assert project.adopt("reviews", release="api", because=WHY).finish().ok
    assert (states(project), project.plan("reviews").refusals, project.unsettled()) == (["done", "done", "pending", "pending"], (), [])


def test_it_is_for_all_hosts_under_the_lock_and_with_a_reason(shop: Write, world: World) -> None:
    project = done_up_to(shop, "ui")
    with pytest.raises(Refused, match="on all hosts or on none"):
        dataclasses.replace(project, limit="h1").adopt("reviews", release="ui", because=WHY)
    with pytest.raises(InvalidInput, match="--because is one line"):
        project.adopt("reviews", release="ui", because=" ").finish()
    with pytest.raises(InvalidInput, match="no release uii"):
        project.adopt("reviews", release="uii", because=WHY).finish()
    runs = len(world.runs)
    project.adopt("reviews", release="ui", because=WHY).finish()
    assert [name for name, _variables in world.runs[runs:]] == ["lock", "survey", "adopt"]


def test_the_way_back_from_an_adopted_release_leads_where_its_own_did_unless_it_was_taken_back_in_between(shop: Write, world: World) -> None:
    project = done_up_to(shop, "ui")
    link(world, "2.1.1")
    project.adopt("reviews", release="ui", because=WHY).finish()
    assert list(project.rollback("reviews").finish().outcomes) == ["ui"]
    assert world.live() == {"2.0.0"}
    link(world, "2.1.0")
    project.adopt("reviews", release="ui", because=WHY).finish()
    with pytest.raises(Refused, match="What was there before ui is not in the ledger"):
        project.rollback("reviews").finish()


def test_the_ledger_is_only_added_to(shop: Write, world: World) -> None:
    project = done_up_to(shop, "ui")
    link(world, "2.0.0")
    before = project.history()
    project.adopt("reviews", release="api", because=WHY).finish()
    assert project.history()[: len(before)] == before
    with Ledger(project.file.ledger, root=project.root) as ledger:
        assert ledger.check() == []
