"""Holds, freezes, promotion and approvals, by fixed clocks and real ledgers; the soak bugs of others are among the tests."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.decisions import consult, hold, resume
from surefoot.freeze import Freeze, frozen
from surefoot.ledger import Ledger
from surefoot.loading import parse_project
from surefoot.models import Environment, ProjectFile
from surefoot.policy import Request, Ruling, person, rule
from surefoot.schema import json_schema

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


def freeze(**keys: t.Any) -> Freeze:
    return Freeze.model_validate({**BERLIN, **keys})


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


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


# Freezes


@pytest.mark.parametrize(
    ("moment", "shut"),
    [
        ("2026-12-23 22:59:59", False),  # Berlin is an hour ahead in winter
        ("2026-12-23 23:00:00", True),
        ("2027-01-02 06:59:59", True),
        ("2027-01-02 07:00:00", False),
    ],
)
def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(moment: str, shut: bool) -> None:
    window = freeze(**{"from": "2026-12-24 00:00"}, to="2027-01-02 08:00")
    assert (frozen([window], utc(moment)) is not None) is shut


@pytest.mark.parametrize(
    ("window", "moment", "shut"),
    [
        ({"days": ["fri"], "from": "16:00"}, "2026-03-06 14:59", False),
        ({"days": ["fri"], "from": "16:00"}, "2026-03-06 15:00", True),
        ({"days": ["fri"], "from": "16:00", "to": "24:00"}, "2026-03-06 22:59", True),
        ({"days": ["fri"], "from": "16:00", "to": "24:00"}, "2026-03-06 23:00", False),
        ({"days": ["fri"]}, "2026-03-05 23:00", True),  # Friday in Berlin while it is Thursday in UTC
        ({"days": ["fri"]}, "2026-03-05 22:59", False),
        ({"days": ["mon"], "from": "22:00", "to": "06:00"}, "2026-03-03 04:59", True),
        ({"days": ["mon"], "from": "22:00", "to": "06:00"}, "2026-03-03 05:00", False),
        ({"days": ["mon"], "from": "22:00", "to": "06:00"}, "2026-03-02 04:00", False),
        # Summer time begins on Sunday, 29 March, at 02:00, and ends on Sunday, 25 October, at 03:00.
        ({"days": ["mon"], "from": "08:00", "to": "09:00"}, "2026-03-23 07:30", True),
        ({"days": ["mon"], "from": "08:00", "to": "09:00"}, "2026-03-30 07:30", False),
        ({"days": ["mon"], "from": "08:00", "to": "09:00"}, "2026-03-30 06:30", True),
        ({"days": ["sun"], "to": "02:30"}, "2026-03-29 01:29", True),  # 02:30 is not there: shut as long as anybody may think
        ({"days": ["sun"], "to": "02:30"}, "2026-03-29 01:30", False),
        ({"days": ["sun"], "from": "02:30"}, "2026-03-29 00:30", True),
        ({"days": ["sun"], "from": "02:30", "to": "03:00"}, "2026-10-25 00:30", True),  # 02:30 is there twice: shut from the first
        ({"days": ["sun"], "to": "02:30"}, "2026-10-25 01:29", True),  # and until the second
        ({"days": ["sun"], "to": "02:30"}, "2026-10-25 01:30", False),
    ],
)
def test_weekly_windows_go_by_the_clock_of_their_place(window: dict[str, t.Any], moment: str, shut: bool) -> None:
    assert (frozen([freeze(**window)], utc(moment)) is not None) is shut


def test_a_freeze_says_when_all_of_it_is_over_and_why(world: World) -> None:
    weekend = settings(freeze=[{"days": ["fri"], "from": "16:00", "because": "nobody is there", **BERLIN}, {"days": ["sat", "sun"], **BERLIN}])
    told = refusal(world.ask(weekend, utc("2026-03-27 20:00")))
    assert told.startswith("production is frozen until Mon 2026-03-30 00:00 CEST (Europe/Berlin): nobody is there; now Fri 2026-03-27 21:00 CET")
    assert world.ask(weekend, utc("2026-03-29 22:00")).ok


def test_a_freeze_of_every_day_has_no_end(world: World) -> None:
    always = settings(freeze=[{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "zone": "UTC"}])
    assert "frozen with no end" in refusal(world.ask(always))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "has a date and a time in both"),
        ({"from": "2026-12-24 00:00"}, "has a date and a time in both"),
        ({"from": "16:00", "to": "17:00"}, "has a date and a time in both"),
        ({"from": "2026-12-24 00:00", "to": "2026-12-24 00:00"}, "ends after it begins"),
        ({"from": "2026-02-30 00:00", "to": "2026-12-24 00:00"}, "There is no day 2026-02-30"),
        ({"from": "2026-12-24", "to": "2026-12-26"}, "A window is from and to"),
        ({"from": "24.12.2026 00:00", "to": "2026-12-26 00:00"}, "A window is from and to"),
        ({"days": ["fri"], "from": "2026-12-24 00:00"}, "begins and ends at times"),
        ({"days": ["fri"], "from": "24:00"}, "begins and ends at times"),
        ({"days": ["fri"], "from": "25:00"}, "A window is from and to"),
        ({"days": ["fri"], "from": "16:00", "to": "16:00"}, "is none"),
        ({"days": []}, "An empty list"),
        ({"days": ["friday"]}, "'fri'"),
        ({"days": ["fri"], "form": "16:00"}, "unknown keys"),
        ({"days": ["fri"], "zone": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"days": ["fri"], "zone": "Europe"}, "no such time zone"),
        ({"days": ["fri"], "zone": "../../etc/passwd"}, "no such time zone"),
        ({"days": ["fri"], "zone": "/etc/localtime"}, "no such time zone"),
        ({"days": ["fri"], "zone": "CET\0"}, "no such time zone"),
    ],
)
def test_what_a_freeze_cannot_be(keys: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        freeze(**keys)


def test_a_freeze_is_written_back_as_it_was_written() -> None:
    written = {"days": ["fri"], "from": "16:00", "zone": "Europe/Berlin"}
    project = ProjectFile.model_validate({"app": "a", "environments": {"production": {"inventory": "i", "freeze": [written]}}})
    assert project.as_mapping()["environments"]["production"]["freeze"] == [written]
    assert ProjectFile.model_validate(project.as_mapping()) == project
    Draft202012Validator(json_schema("project")).validate(project.as_mapping())


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("{days: [fri], from: 16:00, zone: UTC}", r'surefoot.yml:5:\d+: 16:00 means different things .*write "16:00" in quotes'),
        ('{days: [fri], form: "16:00", zone: UTC}', r"surefoot.yml:5:\d+: Unknown key form; did you mean from\?"),
        ('{days: [fri], from: "4pm", zone: UTC}', r"surefoot.yml:5:\d+: A window is from and to"),
        ("{days: [fri]}", "The key zone is missing in freeze"),
    ],
)
def test_a_freeze_that_cannot_be_is_told_with_its_place(window: str, message: str) -> None:
    text = f"app: bookshop\nenvironments:\n  production:\n    inventory: i\n    freeze: [{window}]\n"
    with pytest.raises(InvalidInput, match=message):
        parse_project(text.encode())


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
