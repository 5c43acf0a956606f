"""What `surefoot survey` says besides what hosts hold: where ledger, receipts and hosts disagree, and what there is to do."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from runner import _fakes
from runner._fakes import World, survey
from runner._fleet import Command, command_fixture, fleet_fixture
from runner.conftest import Write
from surefoot.exits import Exit

__all__ = ["command_fixture", "fleet_fixture"]


@pytest.fixture(name="done")
def done_fixture(shop: Write, world: World) -> None:
    """Every release is verified, and receipts, ledger and hosts agree."""
    shop().apply("reviews", everything=True).finish()


def asked(command: Command, *arguments: str) -> tuple[int, dict[str, t.Any]]:
    done = command("survey", "--json", *arguments)
    return done.code, json.loads(done.out)


@pytest.mark.usefixtures("done")
def test_where_all_agree_there_is_nothing_to_say(command: Command) -> None:
    code, found = asked(command)
    assert (code, found["disagreements"], found["behind"]) == (Exit.DONE, [], {})
    assert command("survey").out.splitlines()[1].startswith("h1")


@pytest.mark.parametrize(
    ("part", "change", "told"),
    [
        ("artifacts", {"live": {"version": "9.9.9"}}, "h2: 9.9.9 is live, but the last receipt says 2.0.0; found: /srv/shop/current leads to 9.9.9"),
        ("flag", {"audience": None}, "h2: Flag reviews is open to nobody, and staff left it open to staff"),
        ("flag", {"audience": None, "foreign": True}, "h2: Flag reviews was changed by another hand"),
        ("artifacts", {"problem": "current is a directory"}, "h2: The install path is not as an installation leaves it: current is a directory"),
    ],
)
@pytest.mark.usefixtures("done")
def test_what_was_moved_by_hand_is_told_also_when_no_release_is_left_to_mind_it(
    command: Command, world: World, part: str, change: dict[str, t.Any], told: str
) -> None:
    world.hosts["h2"][part] |= change
    before = copy.deepcopy(world.hosts)
    for arguments in (["survey"], ["plan"], ["apply", "--yes"]):
        done = command(*arguments)
        assert done.code == Exit.REFUSED, arguments
        assert told in done.out + done.err
        assert "Nothing to do" not in done.out
    assert world.hosts == before
    code, found = asked(command)
    assert (code, found["disagreements"][0]["host"]) == (Exit.REFUSED, "h2")


@pytest.mark.usefixtures("done")
def test_a_database_that_was_put_back_is_told_with_the_release_that_had_migrated_it(command: Command, world: World) -> None:
    for host in world.hosts.values():
        host["migrations"]["current"] = ["0001"]
    done = command("survey")
    assert done.code == Exit.REFUSED
    assert "h1: The database is not as table left it: 0002 is not applied; found: the database is at 0001; next: bring it back" in done.out


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("limit", [(), ("--limit", "h4")])
def test_a_host_that_is_behind_is_told_with_what_it_lacks_and_how_to_bring_it_up(command: Command, world: World, limit: tuple[str, ...]) -> None:
    world.hosts["h4"] = {**survey(), "migrations": copy.deepcopy(world.hosts["h1"]["migrations"])}
    done = command("survey", *limit)
    assert done.code == Exit.REFUSED
    assert "h4 is behind, it has no receipt of api, staff" in done.out
    assert "surefoot apply reviews -E test --all --limit h4" in done.out
    code, found = asked(command, *limit)
    assert (code, found["behind"]) == (Exit.REFUSED, {"h4": ["api", "staff"]})


def test_under_a_limit_what_is_not_done_anywhere_is_no_disagreement(shop: Write, world: World, command: Command) -> None:
    shop()
    code, found = asked(command, "--limit", "h2")
    assert (code, found["disagreements"], found["behind"]) == (Exit.DONE, [], {})


def test_what_lint_finds_is_no_matter_of_hosts(shop: Write, world: World, command: Command) -> None:
    shop({**_fakes.FEATURE[0], "verify": [{"command": ["true"]}]})
    assert command("plan").code == Exit.REFUSED
    assert asked(command)[1]["disagreements"] == []


def test_what_hosts_hold_is_told_though_the_ledger_cannot_be_read(shop: Write, world: World, command: Command) -> None:
    shop(ledger="sqlite:///surefoot.yml")
    code, found = asked(command)
    assert (code, set(found["surveys"]), found["disagreements"], found["behind"]) == (Exit.REFUSED, {"h1", "h2", "h3"}, None, None)
    assert "surefoot.yml" in found["failures"][0]
    done = command("survey")
    assert (done.code, "h3" in done.out, "surefoot.yml" in done.err) == (Exit.REFUSED, True, True)
