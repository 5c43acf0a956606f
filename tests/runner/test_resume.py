"""Broken off by a kill or by a person, and gone on with."""

from __future__ import annotations

import datetime as dt
import threading
import time
import typing as t

import pytest

from runner import _fakes
from runner._fakes import Died, World, dying, ended, failing, has_receipts, kinds, standing
from runner.conftest import Write
from surefoot import Cancelled, Project
from surefoot.events import ReleaseEnded, Soaking, StepDone
from surefoot.ledger import Ledger
from surefoot.playbooks import RunEvent


def killed(project: Project, **options: t.Any) -> None:
    with pytest.raises(Died):
        project.apply("reviews", **options).finish()


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


def test_after_a_kill_receipts_are_still_told_what_was_live_before(shop: Write, world: World) -> None:
    """Otherwise the version that users were served by before would not count as verified, and could be tidied away."""
    project = shop()
    project.apply("reviews").finish()
    world.once["release api"] = dying("install")
    killed(project)
    project.apply("reviews").finish()
    told = [variables["record_live_before"] for name, variables in world.runs if name == "release" and variables["release"] == "api"]
    assert told == [{"h1": "1.0.0", "h2": "1.0.0", "h3": "1.0.0"}] * 2


def test_killed_after_receipts_were_written_the_release_is_asked_about_again(shop: Write, world: World) -> None:
    project = shop()

    def dies_at_the_end(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
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


def test_cancelling_from_another_thread_wakes_a_soak(shop: Write) -> None:
    work = shop(soaking_release()).apply("reviews")
    threading.Timer(0.1, work.cancel).start()
    begun = time.monotonic()
    assert work.finish().outcomes["table"].state == "cancelled"
    assert time.monotonic() - begun < 3


def test_while_it_soaks_gates_are_asked_and_a_failed_one_acts(shop: Write, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.conductor.SOAK_LOOK_SECONDS", 0.05)

    def fails_the_third_time(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        if world.played().count("verify") < 3:
            yield from world.as_usual("verify", variables)
        else:
            yield _fakes.gate("failed", "status 500")
            yield ended(list(world.hosts), failed=["h1"])

    project = shop({**_fakes.FEATURE[1], "soak": "1h"})
    world.instead["verify"] = fails_the_third_time
    assert project.apply("reviews").finish().rolled_back is True
    assert world.live() == {"1.0.0"}


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
