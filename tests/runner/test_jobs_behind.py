"""Hosts and releases that are not where the ledger says: hosts that are behind, brought up under a limit, and releases that were adopted."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from runner import _fakes
from runner._fakes import Died, World, dying, ended, failing
from runner._fleet import Command, command_fixture, fleet_fixture, kinds, refused
from runner.conftest import Write
from surefoot import Project, decisions
from surefoot.exits import Exit

__all__ = ["command_fixture", "fleet_fixture"]


# Hosts that are behind


def behind(shop: Write, world: World) -> Project:
    """Every release is verified; then a fourth host comes, with what was live at the beginning."""
    project = shop()
    project.apply("reviews", everything=True).finish()
    world.hosts["h4"] = {**_fakes.survey(), "migrations": copy.deepcopy(world.hosts["h1"]["migrations"])}
    return project


def test_a_host_that_is_behind_is_named_and_so_is_the_way_to_bring_it_up(shop: Write, world: World, command: Command) -> None:
    behind(shop, world)
    done = command("apply", "--yes")
    assert done.code == Exit.REFUSED
    assert "there is no receipt of it on h4" in done.err
    assert "surefoot apply reviews -E test --all --limit h4" in done.err


def test_under_a_limit_only_that_host_is_touched(shop: Write, world: World, command: Command) -> None:
    project = behind(shop, world)
    others = copy.deepcopy({name: found for name, found in world.hosts.items() if name != "h4"})
    before = [entry.payload["before"] for entry in project.history() if entry.kind == "started"]
    assert command("plan", "--limit", "h4").code == Exit.PENDING
    assert command("apply", "--limit", "h4", "--all", "--yes").code == Exit.DONE
    assert world.hosts["h4"]["artifacts"]["live"]["version"] == "2.0.0"
    assert world.hosts["h4"]["flag"]["audience"] == {"groups": ["staff"]}
    assert {name: world.hosts[name] for name in others} == others
    told = [(entry.kind, entry.release, entry.payload.get("hosts")) for entry in project.history() if entry.kind.startswith(("catch", "caught"))]
    assert told == [(kind, release, ["h4"]) for release in ("api", "staff") for kind in ("catching_up", "caught_up")]
    assert [entry.payload["before"] for entry in project.history() if entry.kind == "started"] == before
    assert not project.plan("reviews").pending
    assert command("apply", "--limit", "h4", "--all", "--yes").code == Exit.DONE
    assert len([entry for entry in project.history() if entry.kind == "caught_up"]) == 2


def test_after_a_host_was_brought_up_the_way_back_leads_where_it_led_before(shop: Write, world: World) -> None:
    project = behind(shop, world)
    dataclasses.replace(project, limit="h4").apply("reviews", everything=True).finish()
    assert list(project.rollback("reviews", to="table").finish().outcomes) == ["staff", "api"]
    assert world.live() == {"1.0.0"}
    assert {str(host["flag"]["audience"]) for host in world.hosts.values()} == {"None"}


def test_bringing_a_host_up_can_fail_and_takes_nothing_back(shop: Write, world: World) -> None:
    project = behind(shop, world)
    world.once["release api"] = failing("h4", "no good answer", after="install")
    result = dataclasses.replace(project, limit="h4").apply("reviews", everything=True).finish()
    assert (result.ok, result.rolled_back) == (False, None)
    assert kinds(project)[-1] == "api catch_up_failed"
    assert "rollback" not in world.played()
    assert dataclasses.replace(project, limit="h4").apply("reviews", everything=True).finish().ok
    assert not project.plan("reviews").pending


def test_a_release_that_is_not_done_yet_is_not_begun_under_a_limit(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews").finish()
    before = kinds(project)
    assert "a limit only brings up hosts that are behind" in refused(dataclasses.replace(project, limit="h2"))
    assert kinds(project) == before


@pytest.mark.parametrize("upto", ["install", "restart"])
def test_a_saved_plan_that_was_interrupted_while_a_host_was_brought_up_is_gone_on_with(shop: Write, world: World, upto: str) -> None:
    project = dataclasses.replace(behind(shop, world), limit="h4")
    saved = project.saved_plan("reviews", everything=True)
    assert saved.releases == ("api", "staff")
    world.once["release api"] = dying(upto)
    with pytest.raises(Died):
        project.apply("reviews", saved=saved).finish()
    world.once["release staff"] = dying("enable_feature")
    with pytest.raises(Died):
        project.apply("reviews", saved=saved).finish()
    assert list(project.apply("reviews", saved=saved).finish().outcomes) == ["staff"]
    assert {entry.payload["plan"] for entry in project.history() if entry.kind == "caught_up"} == {saved.digest}
    assert "this plan was applied already" in refused(project, saved=saved)


def test_an_interrupted_plan_is_not_gone_on_with_on_other_hosts(shop: Write, world: World) -> None:
    project = behind(shop, world)
    world.hosts["h5"] = copy.deepcopy(world.hosts["h4"])
    saved = dataclasses.replace(project, limit="h4").saved_plan("reviews", everything=True)
    world.once["release api"] = dying("install")
    with pytest.raises(Died):
        dataclasses.replace(project, limit="h4").apply("reviews", saved=saved).finish()
    assert 'hosts of install was ["h4"], is ["h5"]' in refused(dataclasses.replace(project, limit="h5"), saved=saved)
    assert world.hosts["h5"]["artifacts"]["live"]["version"] == "1.0.0"


def test_a_plan_for_a_host_that_failed_is_not_tried_again(shop: Write, world: World) -> None:
    project = dataclasses.replace(behind(shop, world), limit="h4")
    saved = project.saved_plan("reviews", everything=True)
    world.once["release api"] = failing("h4", "no good answer", after="install")
    assert not project.apply("reviews", saved=saved).finish().ok
    assert "came since: catch up failed reviews api" in refused(project, saved=saved)


@pytest.mark.parametrize("limit", ["h4", "h1", "h1,h2,h3,h4"])
def test_going_back_on_some_hosts_alone_is_refused_before_anything_changes(shop: Write, world: World, limit: str) -> None:
    """The release would be called rolled back in the environment, and still be in place on the others."""
    project = behind(shop, world)
    before, hosts, runs = kinds(project), copy.deepcopy(world.hosts), len(world.runs)
    with pytest.raises(Refused, match="on all hosts or on none") as error:
        dataclasses.replace(project, limit=limit).rollback("reviews").finish()
    assert (error.value.seen, error.value.todo) == (
        f"--limit {limit}",
        f"roll back without --limit; to bring hosts up: surefoot apply reviews -E test --all --limit {limit}",
    )
    assert (kinds(project), world.hosts, len(world.runs)) == (before, hosts, runs)


def test_going_back_on_some_hosts_is_refused_before_it_is_asked_for(shop: Write, world: World, command: Command) -> None:
    project = behind(shop, world)
    before = kinds(project)
    for options in (["--limit", "h1"], ["--limit", "h1", "--yes"]):
        done = command("rollback", *options)
        assert done.code == Exit.REFUSED
        assert "on all hosts or on none" in done.err
    assert kinds(project) == before


# Releases that were adopted, and whose receipts have not come to the hosts, since the runner was killed or it was an older one


def adopt(project: Project, name: str) -> None:
    release = next(one for one in project.feature("reviews").parsed() if one.name == name)
    with project.ledger() as ledger:
        decisions.adopt(ledger, "test", release, because="it was there before surefoot")


def there_by_hand(world: World) -> None:
    """Somebody migrated without surefoot, so there are no receipts of it."""
    for host in world.hosts.values():
        host["migrations"].update(current=["0002"], applied=["0001", "0002"], pending=[])


def test_an_adopted_release_is_no_drift_and_gets_its_receipts_from_the_next_apply(shop: Write, world: World) -> None:
    project = shop()
    there_by_hand(world)
    adopt(project, "table")
    plan = project.plan("reviews")
    assert (plan.refusals, plan.progress.releases[0].state) == ((), "behind")
    assert plan.plans[0].needed is False
    assert list(project.apply("reviews", everything=True).finish().outcomes) == ["table", "api", "staff"]
    assert kinds(project)[:4] == ["table adopted", "table catching_up", "table caught_up", "api started"]
    assert [one["outcome"] for one in world.hosts["h1"]["receipt"]["releases"] if one["release"] == "table"] == ["verified"]


def test_an_adopted_release_is_verified_by_its_gates(shop: Write, world: World, command: Command) -> None:
    project = shop()
    there_by_hand(world)
    assert command("adopt", "reviews", "--release", "table", "--because", "it was there").code == Exit.DONE
    assert command("verify", "--release", "table").code == Exit.DONE
    (feature,) = project.status()
    assert feature["releases"][0]["environments"]["test"]["state"] == "verified"
    plan = project.plan("reviews")
    assert ([one.state for one in plan.progress.releases], plan.refusals) == (["done", "pending", "pending"], ())
    assert command("apply", "--yes").code == Exit.DONE


def test_gates_asked_of_some_hosts_alone_verify_no_adopted_release(shop: Write, world: World, command: Command) -> None:
    project = shop()
    adopt(project, "table")
    assert command("verify", "--release", "table", "--limit", "h1").code == Exit.DONE
    assert kinds(project) == ["table adopted"]


def test_a_gate_that_fails_leaves_an_adopted_release_unverified(shop: Write, world: World, command: Command) -> None:
    project = shop()
    adopt(project, "table")
    world.instead["verify"] = lambda _world, _variables: iter([_fakes.gate("failed"), ended(["h1"], failed=["h1"])])
    assert command("verify", "--release", "table").code == Exit.NOT_ROLLED_BACK
    assert kinds(project) == ["table adopted"]


def test_receipts_that_go_lost_after_an_adopted_release_had_them_are_drift(shop: Write, world: World) -> None:
    project = shop()
    there_by_hand(world)
    adopt(project, "table")
    project.apply("reviews").finish()
    world.hosts["h1"]["receipt"] = None
    assert "there is no receipt of it on h1" in refused(project)


def test_an_adopted_release_has_no_way_back_and_none_before_it_is_undone_in_its_place(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews").finish()
    adopt(project, "api")
    with pytest.raises(Refused, match="What was there before api is not in the ledger"):
        project.rollback("reviews").finish()
    assert world.played() == ["release"]


def test_a_playbook_of_ones_own_can_be_adopted(shop: Write, world: World) -> None:
    project = shop({"release": "own", "playbook": "own.yml"})
    with project.ledger() as ledger:
        decisions.adopt(ledger, "test", project.feature("reviews").parsed()[0], because="it was run by hand")
    assert not project.plan("reviews").pending
