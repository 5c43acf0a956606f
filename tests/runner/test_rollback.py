"""The way back, taken by itself and on demand, and where there is none."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from runner import _fakes
from runner._fakes import Died, World, ended, ended_as, failing, has_receipts, judging, kinds, standing
from runner.conftest import Write
from surefoot.events import HostFailed, LeftDrained, ReleaseEnded
from surefoot.playbooks import RunEvent


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


def test_rollback_to_a_release_that_is_not_in_place_undoes_nothing(shop: Write, world: World) -> None:
    """It would never be come to, and so everything would be undone."""
    project = shop()
    project.apply("reviews", to="api").finish()
    before = kinds(project)
    with pytest.raises(Refused, match="staff is not in place, so nothing can be undone down to it") as error:
        project.rollback("reviews", to="staff").finish()
    assert (error.value.seen, kinds(project), world.live()) == ("in place: table, api", before, {"2.0.0"})
    project.rollback("reviews").finish()
    with pytest.raises(Refused, match="api is not in place"):
        project.rollback("reviews", to="api").finish()
    assert standing(project) == {"table": "verified", "api": "rolled_back", "staff": "none"}


@pytest.mark.parametrize("recorded", [False, True])
def test_a_rollback_that_was_killed_is_finished_and_does_not_go_one_further(shop: Write, world: World, recorded: bool) -> None:
    """Once every host has its receipt of the way back, receipts alone would say that there is nothing left to undo of this release."""
    project = shop()
    project.apply("reviews", everything=True).finish()

    def dies(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
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


def drained(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
    """A release, or its way back, that fails while a host is out of its pool."""
    yield _fakes.answer("h2", "Drain", {"changed": True, "step": {**_fakes.step("pool_member"), "after": {"state": "drained"}}})
    yield from failing("h2", "no good answer", after="install")(world, variables)


def restored(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
    yield _fakes.answer("h2", "Restore", {"changed": True, "step": {**_fakes.step("pool_member"), "after": {"state": "in_pool"}}})
    yield from world.as_usual("rollback", variables)


def test_a_host_that_the_way_back_put_back_is_not_named_as_drained(shop: Write, world: World) -> None:
    world.once["release api"] = drained
    world.once["rollback api"] = restored
    work = shop().apply("reviews", everything=True)
    assert not any(isinstance(event, LeftDrained) for event in work)
    assert work.finish().drained == ()


def test_a_host_that_stays_drained_is_the_last_thing_told(shop: Write, world: World) -> None:
    project = shop()
    world.once["release api"] = drained
    world.once["rollback api"] = drained
    work = project.apply("reviews", everything=True)
    *_, last = work
    assert isinstance(last, LeftDrained)
    assert last.hosts == work.finish().drained == ("h2",)
    world.once["rollback api"] = drained
    assert project.rollback("reviews").finish().drained == ("h2",)


def test_a_release_without_a_way_back_waits_for_its_own_confirmation(shop: Write, world: World) -> None:
    project = shop({"release": "own", "why": "What the team has", "playbook": "own.yml"}, {"release": "api", "install": {"version": "2.0.0"}, "restart": {}})
    (project.root / "own.yml").write_text("[]")
    waiting = project.apply("reviews", everything=True).finish().outcomes["own"]
    assert waiting.state == "waiting"
    assert "There is no way back: what a playbook of its own does is not undone by surefoot" in waiting.reasons[0]
    assert (world.played(), kinds(project)) == ([], [])
    world.instead["own.yml"] = lambda world, _variables: iter([ended(list(world.hosts))])
    assert project.apply("reviews", without_way_back=True).finish().ok


STUCK = {**_fakes.survey()["migrations"], "engine": "sql", "version": "2.0.0", "irreversible": ["0002"]}


@pytest.mark.parametrize(
    ("part", "change", "told"),
    [
        ("migrations", STUCK, "there is no way down from 0002"),
        ("artifacts", {"staged": []}, "1.0.0 is no artifact of ours on h1, so it could not be made live again"),
        ("receipt", {"verified_versions": ["0.9.0"], "live_version": "1.0.0", "releases": []}, "1.0.0 was never verified on h1"),
    ],
)
def test_what_could_not_be_taken_back_by_what_is_there_waits_too(shop: Write, world: World, part: str, change: dict[str, t.Any], told: str) -> None:
    project = shop({"release": "all", "migrate": {"version": "2.0.0", "to": "0002"}, "install": {"version": "2.0.0"}})
    world.hosts["h1"][part] = {**(world.hosts["h1"][part] or {}), **change}
    plan = project.plan("reviews")
    assert plan.back is not None
    assert (plan.back.release, plan.back.obstacles, plan.irrevocable) == (None, (told,), (told,))
    assert told in project.apply("reviews").finish().outcomes["all"].reasons[0]
    assert (world.played(), kinds(project)) == ([], [])


def test_what_is_only_seen_once_it_is_staged_is_told_and_left_to_the_migration_itself(shop: Write, world: World) -> None:
    project = shop()
    back = project.plan("reviews").back
    assert back is not None
    assert (back.obstacles, back.unknown) == ((), ("whether the migration can be taken back is known once 2.0.0 is staged",))
    project.apply("reviews").finish()
    project.rollback("reviews").finish()
    project.apply("reviews", without_way_back=True).finish()
    project.apply("reviews").finish()
    asked = [(name, variables["release"], variables.get("migrate_reversible_only")) for name, variables in world.runs if name in {"release", "rollback"}]
    assert asked == [("release", "table", True), ("rollback", "table", None), ("release", "table", None), ("release", "api", None)]


def test_where_nothing_is_live_a_migration_need_not_be_reversible(shop: Write, world: World) -> None:
    project = shop()
    for host in world.hosts.values():
        host["artifacts"] |= {"live": None, "staged": []}
    world.hosts["h1"]["migrations"] = dict(STUCK)
    assert project.plan("reviews").irrevocable == ()
    assert project.apply("reviews").finish().ok
    assert "migrate_reversible_only" not in world.runs[-1][1]


def test_what_is_known_to_have_no_way_down_is_not_taken_back_by_half(shop: Write, world: World) -> None:
    project = shop({"release": "all", "migrate": {"version": "2.0.0", "to": "0002"}, "install": {"version": "2.0.0"}})
    world.hosts["h1"]["migrations"] = dict(STUCK)
    world.once["release all"] = failing("h2", "no good answer", after="install")
    result = project.apply("reviews", without_way_back=True).finish()
    assert (result.rolled_back, world.played(), standing(project)) == (False, ["release"], {"all": "failed"})


def test_a_first_installation_and_one_that_goes_on_need_no_other_confirmation(shop: Write, world: World) -> None:
    project = shop({"release": "api", "install": {"version": "2.0.0"}, "restart": {}})
    for host in world.hosts.values():
        host["artifacts"] |= {"live": None, "staged": []}
    assert project.plan("reviews").irrevocable == ()
    world.hosts["h1"]["artifacts"]["live"] = {"version": "1.0.0", "sha256": "0", "since": 1.0}
    assert "different versions were live before" in project.plan("reviews").irrevocable[0]
    with project.ledger() as ledger:
        ledger.append("test", "started", {"before": {"install": {"h1": {"live": "1.0.0"}}}}, feature="reviews", release="api", run="r")
    assert project.plan("reviews").irrevocable == ()
