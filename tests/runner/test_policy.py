"""Holds, freezes, promotion and approvals, by fixed clocks and real ledgers; the soak bugs of others are among the tests."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from pydantic import ValidationError

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.decisions import consult, hold, resume
from surefoot.ledger import Ledger
from surefoot.models import Environment
from surefoot.policy import Request, Ruling, person, rule

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
BERLIN = {"zone": "Europe/Berlin"}


class Clock:
    """The time of the test; it passes when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> dt.datetime:
        return self.now

    def passes(self, **time: float) -> None:
        self.now += dt.timedelta(**time)


class World:
    """Two environments with one ledger."""

    def __init__(self, root: Path) -> None:
        self.clock = Clock()
        self.ledger = Ledger("sqlite:///ledger.db", root=root, clock=self.clock)

    def note(self, *kinds: str, place: str = "staging", release: str = "api", digest: str = "d1", feature: str = "reviews") -> None:
        for kind in kinds:
            self.ledger.append(place, kind, {"digest": digest} if kind in {"started", "adopted"} else {}, feature=feature, release=release, run="r")

    def ask(self, settings: Environment, now: dt.datetime | None = None, **request: t.Any) -> Ruling:
        asked = {"environment": "production", "feature": "reviews", "release": "api", "digest": "d1", "by": "carol@desk", **request}
        return consult(self.ledger, Request(**asked), settings, now or self.clock.now)

    def approve(self, *people: str, plan: str = "p1", place: str = "production") -> None:
        for name in people:
            self.ledger.append(place, "approved", {"plan": plan}, by=name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def settings(**keys: t.Any) -> Environment:
    return Environment.model_validate({"inventory": "i", **keys})


def refusal(ruling: Ruling) -> str:
    assert not ruling.ok
    (only,) = (*ruling.refusals, *ruling.waits_for)
    return f"{only.message}; {only.seen}; {only.todo}"


PROMOTED = settings(promote_from={"staging": "1h"})


def test_an_environment_without_rules_lets_everything_through(world: World) -> None:
    assert world.ask(settings()) == Ruling()


def test_a_moment_without_a_time_zone_is_refused(world: World) -> None:
    request = Request(environment="production", feature="f", release="r", digest="d", by="x")
    with pytest.raises(InvalidInput, match="needs a time zone"):
        rule(request, settings(), [], NOON.replace(tzinfo=None))


# Holds


def test_a_held_environment_is_refused_until_it_is_resumed(world: World) -> None:
    hold(world.ledger, "production", because="the database is restored")
    hold(world.ledger, "staging", because="elsewhere")
    told = refusal(world.ask(settings()))
    assert told.startswith("production is held by ")
    assert "since 2026-03-02 12:00 UTC; the database is restored; " in told
    assert "surefoot resume -E production" in told
    hold(world.ledger, "production", because="a second reason")
    assert len(world.ask(settings()).refusals) == 2
    entry, lifted = resume(world.ledger, "production", because="done")
    assert entry is not None
    assert [held.payload["because"] for held in lifted] == ["the database is restored", "a second reason"]
    assert world.ask(settings()).ok
    assert world.ask(settings(), environment="staging").refusals
    assert resume(world.ledger, "production", because="again") == (None, ())


# Freezes; what windows are is in test_freeze.py


def test_a_freeze_says_when_all_of_it_is_over_and_why(world: World) -> None:
    weekend = settings(freeze=[{"days": ["fri"], "from": "16:00", "because": "nobody is there", **BERLIN}, {"days": ["sat", "sun"], **BERLIN}])
    told = refusal(world.ask(weekend, dt.datetime(2026, 3, 27, 20, tzinfo=dt.UTC)))
    assert told.startswith("production is frozen until Mon 2026-03-30 00:00 CEST (Europe/Berlin): nobody is there; now Fri 2026-03-27 21:00 CET")
    assert world.ask(weekend, dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC)).ok


def test_a_freeze_of_every_day_has_no_end(world: World) -> None:
    always = settings(freeze=[{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "zone": "UTC"}])
    assert "frozen with no end" in refusal(world.ask(always))


# Promotion


def test_a_release_comes_after_it_was_verified_and_in_place_elsewhere(world: World) -> None:
    assert "never released to staging; surefoot apply reviews -E staging --to api" in refusal(world.ask(PROMOTED))
    for kind in ("started", "released"):
        world.note(kind)
        assert f"the last word on it there is: {kind}" in refusal(world.ask(PROMOTED))
    world.note("verified")
    world.clock.passes(minutes=20)
    told = refusal(world.ask(PROMOTED))
    assert "must be in place in staging for 1h; in place there for 20m, since 2026-03-02 12:00 UTC; apply it after 2026-03-02 13:00 UTC" in told
    world.clock.passes(minutes=39, seconds=59)
    assert not world.ask(PROMOTED).ok
    world.clock.passes(seconds=1)
    assert world.ask(PROMOTED).ok


def test_time_in_place_counts_and_not_time_since_verification(world: World) -> None:
    """kargo#3731: a soak of an hour there must not be asked for again."""
    world.note("started", "released")
    world.clock.passes(minutes=60)
    world.note("verified")
    assert world.ask(PROMOTED).ok


def test_a_release_verified_long_ago_and_gone_since_does_not_count(world: World) -> None:
    """kargo#3731, the other way: verified once is not in place now."""
    world.note("started", "released", "verified")
    world.clock.passes(hours=5)
    world.note("rolling_back")
    assert "rolling back" in refusal(world.ask(PROMOTED))
    world.note("rolled_back")
    assert "rolled back" in refusal(world.ask(PROMOTED))
    world.note("started", "released", "verified")
    world.clock.passes(minutes=59)
    assert "in place there for 59m" in refusal(world.ask(PROMOTED))
    world.clock.passes(minutes=1)
    assert world.ask(PROMOTED).ok


def test_later_releases_there_do_not_take_the_time_away(world: World) -> None:
    """kargo#4238: lost when replaced. Releases of a path stand on each other, so the earlier one is still in place."""
    world.note("started", "released", "verified")
    world.clock.passes(minutes=30)
    world.note("started", "released", "failed", "rolling_back", "rolled_back", release="ui")
    world.note("started", "released", "verified", release="api", feature="search", digest="other")
    world.clock.passes(minutes=30)
    assert world.ask(PROMOTED).ok


def test_only_the_named_environment_counts(world: World) -> None:
    """kargo#6582: stages that are not upstream were counted."""
    world.note("started", "released", "verified", place="development")
    world.note("started", "released", "verified", place="production")
    world.clock.passes(hours=5)
    assert "never released to staging" in refusal(world.ask(PROMOTED))


def test_it_is_asked_again_when_it_is_applied(world: World) -> None:
    """kargo#6582 again: not re-checked when the soak ends. The same request is ruled on anew, by the ledger as it is then."""
    world.note("started", "released", "verified")
    world.clock.passes(hours=2)
    assert world.ask(PROMOTED).ok
    world.note("failed")
    assert "the last word on it there is: failed" in refusal(world.ask(PROMOTED))


def test_a_release_without_a_soak_or_gate_of_its_own_counts_too(world: World) -> None:
    """kargo#6360: a stage without anything to verify broke the chain. Here a verdict is enough, however it came about."""
    world.note("started", "verified")
    world.clock.passes(hours=1)
    assert world.ask(PROMOTED).ok
    assert world.ask(settings(promote_from={"staging": "0s"})).ok


def test_every_environment_named_has_to_agree(world: World) -> None:
    both = settings(promote_from={"staging": "1h", "canary": "10m"})
    world.note("started", "released", "verified")
    world.clock.passes(hours=2)
    assert "canary" in refusal(world.ask(both))
    world.note("started", "released", "verified", place="canary")
    world.clock.passes(minutes=10)
    assert world.ask(both).ok


def test_another_wording_of_the_release_is_another_release(world: World) -> None:
    world.note("started", "released", "verified", digest="d1")
    world.clock.passes(hours=2)
    assert "it was changed since; digest d1 there, d2 here" in refusal(world.ask(PROMOTED, digest="d2"))
    world.note("started", digest="d2")
    assert not world.ask(PROMOTED, digest="d2").ok
    assert not world.ask(PROMOTED, digest="d1").ok
    world.note("released", "verified")
    world.clock.passes(hours=1)
    assert world.ask(PROMOTED, digest="d2").ok


def test_what_was_adopted_has_to_be_verified_first(world: World) -> None:
    world.note("adopted")
    world.clock.passes(hours=2)
    assert "the last word on it there is: adopted; surefoot verify reviews -E staging --release api" in refusal(world.ask(PROMOTED))
    world.note("verified")
    assert world.ask(PROMOTED).ok


def test_a_clock_that_was_set_back_shortens_nothing(world: World) -> None:
    world.note("started")
    world.clock.passes(hours=-1)
    world.note("released", "verified")
    world.clock.passes(hours=1)
    assert "in place there for 0ms" in refusal(world.ask(PROMOTED))
    world.clock.passes(hours=1)
    assert world.ask(PROMOTED).ok


def test_one_entry_from_the_future_does_not_stop_everything_until_then(world: World) -> None:
    world.clock.passes(days=365)
    world.note("started")
    world.clock.passes(days=-365)
    world.note("released", "verified")
    world.clock.passes(hours=1)
    assert world.ask(PROMOTED).ok


def test_a_machine_behind_the_ledger_decides_nothing_by_time(world: World) -> None:
    world.note("started", "released", "verified")
    world.clock.passes(hours=2)
    world.note("started", feature="search")
    world.clock.passes(hours=-1)
    assert "The clock of this machine is behind the ledger" in refusal(world.ask(settings(promote_from={"staging": "10m"})))
    assert world.ask(settings()).ok
    assert world.ask(PROMOTED, now=world.clock.now + 56 * MINUTE).ok  # a few minutes are the usual difference between two machines


# Approvals

TWO = settings(approvals=2)


def test_a_plan_waits_for_enough_people(world: World) -> None:
    assert "production asks for 2 approvals of a saved plan" in refusal(world.ask(TWO))
    told = refusal(world.ask(TWO, plan="p1"))
    assert "2 of them missing; nobody approved it; surefoot approve" in told
    world.approve("ada")
    ruling = world.ask(TWO, plan="p1")
    assert not ruling.refusals
    assert "1 of them missing; ada approved it until 2026-03-03 12:00 UTC" in refusal(ruling)
    world.approve("bob")
    assert world.ask(TWO, plan="p1").ok
    assert not world.ask(TWO).ok


def test_one_person_counts_once_under_every_name(world: World) -> None:
    world.approve("ada", "Ada@desk", " ADA ", "ada@example.org")
    assert "1 of them missing" in refusal(world.ask(TWO, plan="p1"))
    assert person("Ada.L@desk") == person("ada.l@example.org")


def test_who_applies_a_plan_does_not_approve_it(world: World) -> None:
    world.approve("Carol", "ada")
    assert "Carol approved it and does not count, because of applying it too" in refusal(world.ask(TWO, plan="p1"))
    assert world.ask(TWO, plan="p1", by="dave@desk").ok


def test_approvals_are_for_one_plan_in_one_environment(world: World) -> None:
    world.approve("ada", "bob", plan="p2")
    world.approve("ada", "bob", place="staging")
    assert "nobody approved it" in refusal(world.ask(TWO, plan="p1"))


def test_approvals_expire_and_can_be_given_again(world: World) -> None:
    short = settings(approvals=1, approvals_expire="2h")
    world.approve("ada")
    world.clock.passes(hours=2, seconds=-1)
    assert world.ask(short, plan="p1").ok
    world.clock.passes(seconds=1)
    assert "ada approved it, which expired 2026-03-02 14:00 UTC" in refusal(world.ask(short, plan="p1"))
    world.approve("ada")
    assert world.ask(short, plan="p1").ok
    with pytest.raises(ValidationError, match="approvals_expire is above 0s"):
        settings(approvals_expire="0s")


def test_everything_that_stands_against_it_is_said_at_once(world: World) -> None:
    hold(world.ledger, "production", because="x")
    everything = settings(approvals=1, promote_from={"staging": "1h"}, freeze=[{"days": ["mon"], "zone": "UTC"}])
    ruling = world.ask(everything, plan="p1")
    assert [found.message.split(" by ")[0] for found in ruling.refusals] == [
        "production is held",
        "production is frozen until Tue 2026-03-03 00:00 UTC (UTC)",
        "api must be verified in staging first",
    ]
    assert len(ruling.waits_for) == 1


def test_texts_of_others_are_escaped(world: World) -> None:
    world.ledger.append("production", "held", {"because": "x\x1b[2J\ny"}, by="eve\x1b[1m")
    told = refusal(world.ask(settings()))
    assert "\x1b" not in told
    assert "x\\x1b[2J\\ny" in told


def test_zones_are_known_on_a_machine_without_zone_files() -> None:
    program = "from surefoot.freeze import Freeze; Freeze.model_validate({'days': ['fri'], 'zone': 'Europe/Berlin'}); print('known')"
    environment = {**os.environ, "PYTHONTZPATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout == "known\n", done.stderr
