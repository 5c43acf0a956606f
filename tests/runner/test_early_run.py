"""The run that was started while the lock was asked for is the one in which a release is done, or it ends without having done anything."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from runner import _fakes
from runner._fakes import Died, FakeAnsible, World, answer, dying
from runner.conftest import Write
from surefoot import environment_lock
from surefoot.events import WaitingForLock
from surefoot.playbooks import RunEnded, RunEvent, TaskStarted


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[RunEvent]]]:
    """Each run of ansible, by its playbook, with what it told."""
    runs: list[tuple[str, list[RunEvent]]] = []
    usual = FakeAnsible.run

    def run(self: FakeAnsible, playbook: str, variables: t.Mapping[str, t.Any], **options: t.Any) -> t.Iterator[RunEvent]:
        told: list[RunEvent] = []
        runs.append((playbook, told))
        for event in usual(self, playbook, variables, **options):
            told.append(event)
            yield event

    monkeypatch.setattr(FakeAnsible, "run", run)
    return runs


Started = list[tuple[str, list[RunEvent]]]


def ended(run: tuple[str, list[RunEvent]]) -> str:
    last = run[1][-1]
    assert isinstance(last, RunEnded)
    return last.status


def test_survey_and_release_are_one_run(shop: Write, world: World, started: Started) -> None:
    shop().apply("reviews").finish()
    assert sorted(playbook for playbook, _told in started) == ["lock", "release"]
    assert world.played() == ["release"]


def test_of_several_releases_the_first_is_done_in_the_run_that_surveyed(shop: Write, started: Started) -> None:
    assert shop().apply("reviews", everything=True).finish().ok
    assert sorted(playbook for playbook, _told in started) == ["lock", "release", "release", "release"]


def test_what_is_next_is_found_by_the_hosts_and_not_by_the_ledger_alone(shop: Write, world: World, started: Started) -> None:
    for host in world.hosts.values():
        host["migrations"]["current"] = ["0002"]
    world.hosts["h1"]["receipt"] = {"releases": [{"feature": "reviews", "release": "table", "outcome": "verified"}]}
    shop().apply("reviews").finish()
    assert [(name, variables.get("release")) for name, variables in world.runs if name == "release"] == [("release", "api")]
    assert sorted(playbook for playbook, _told in started) == ["lock", "release"]


def test_it_ends_where_the_release_is_refused(shop: Write, world: World, started: Started) -> None:
    world.hosts["h2"] = _fakes.survey("0.9.0")
    with pytest.raises(Refused):
        shop().apply("reviews").finish()
    assert world.played() == []
    (told,) = (told for playbook, told in started if playbook != "lock")
    # What comes after the survey is begun and never done.
    assert isinstance(told[-1], TaskStarted)


def test_it_is_not_started_where_nothing_is_left_to_do(shop: Write, started: Started) -> None:
    project = shop()
    project.apply("reviews", everything=True).finish()
    started.clear()
    project.apply("reviews").finish()
    assert sorted(playbook for playbook, _told in started) == ["lock", "survey"]


def test_one_that_has_failed_is_done_again_in_a_run_of_its_own(shop: Write, world: World, started: Started) -> None:
    world.once["release table"] = _fakes.failing("h1", "no space")
    project = shop()
    project.apply("reviews", auto_rollback=False).finish()
    started.clear()
    assert project.apply("reviews", auto_rollback=False).finish().ok
    assert [playbook for playbook, _told in started if playbook != "lock"] == ["release", "release"]


def test_while_somebody_else_has_the_lock_nothing_is_surveyed_by_it(shop: Write, world: World, started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_lock, "ASK_AGAIN_SECONDS", 0.01)
    held = {"lost": True, "msg": "held", "holder": {"token": "b"}, "error": {"seen": "bob on desk"}}

    def taken(world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield answer("h1", "lock", held, "failed")
        yield _fakes.ended(["h1"], failed=["h1"])

    world.once["lock None"] = taken
    project = shop()
    object.__setattr__(project, "lock_wait", 30.0)
    events = list(project.apply("reviews"))
    assert [event.holder for event in events if isinstance(event, WaitingForLock)] == ["bob on desk"]
    assert [name for name, _variables in world.runs] == ["lock", "lock", "survey", "release"]
    assert next(ended(run) for run in started if run[0] == "release") == "canceled"


def test_a_runner_that_dies_while_hosts_are_surveyed_begins_nothing(shop: Write, world: World) -> None:
    def dies(world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from list(world.surveyed())[:1]
        raise Died

    world.once["survey None"] = dies
    with pytest.raises(Died):
        shop().apply("reviews").finish()
    assert world.played() == []


def test_one_that_is_killed_in_the_release_is_gone_on_with(shop: Write, world: World) -> None:
    world.once["release api"] = dying("install")
    project = shop()
    with pytest.raises(Died):
        project.apply("reviews", everything=True).finish()
    assert project.apply("reviews", everything=True).finish().ok


def test_hosts_that_were_only_surveyed_are_none_of_the_release(shop: Write, world: World) -> None:
    # The migration is done on one host; a run that surveyed three has three in its statistics.
    def of_all(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from (event for event in world.released(variables) if not isinstance(event, RunEnded))
        yield _fakes.ended(list(world.hosts))

    world.once["release table"] = of_all
    applied = shop().apply("reviews").finish()
    assert applied.outcomes["table"].state == "verified"
