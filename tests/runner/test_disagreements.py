"""What is not as it was left is told and refused when nothing is left to do as well, and a survey says so whatever is next."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

from runner._fakes import World, failing
from runner._fleet import Command, command_fixture, fleet_fixture
from runner.conftest import Write
from surefoot.exits import Exit

__all__ = ["command_fixture", "fleet_fixture"]

HAND = "h2: 1.0.0 is live, but the last receipt says 2.0.0"
MIXED = "The hosts run different versions"


@pytest.fixture(name="done")
def done_fixture(shop: Write, world: World) -> World:
    """A fleet that has all releases of the feature."""
    shop().apply("reviews", everything=True).finish()
    return world


def moved_by_hand(world: World) -> None:
    world.hosts["h2"]["artifacts"]["live"]["version"] = "1.0.0"


def told(done: object) -> str:
    return " ".join(str(done).split())


def test_when_all_is_as_it_was_left_nothing_is_said(done: World, command: Command) -> None:
    assert [command(name).code for name in ("plan", "survey", "status")] == [Exit.DONE] * 3
    assert json.loads(command("survey", "--json").out)["disagreements"] == []


@pytest.mark.parametrize("arguments", [["plan"], ["apply"], ["apply", "--yes"], ["survey"]])
def test_a_link_that_was_moved_by_hand_when_nothing_is_left_to_do_is_told_and_refused(done: World, command: Command, arguments: list[str]) -> None:
    moved_by_hand(done)
    before = done.played()
    answer = command(*arguments)
    assert answer.code == Exit.REFUSED
    assert HAND in told(answer)
    assert MIXED in told(answer)
    assert done.played() == before


def test_a_flag_changed_by_hand_and_an_edited_migration_are_told(done: World, command: Command) -> None:
    done.hosts["h3"]["flag"].update(foreign=True, flag="reviews")
    done.hosts["h1"]["migrations"]["drift"] = [{"id": "0002", "reason": "its checksum is another"}]
    answer = command("plan")
    assert answer.code == Exit.REFUSED
    assert "h3: Flag reviews was changed by another hand" in told(answer)
    assert "h1: Migration 0002 is not what was applied" in told(answer)


def test_json_names_host_and_remedy(done: World, command: Command) -> None:
    moved_by_hand(done)
    found = json.loads(command("survey", "--json").out)["disagreements"]
    assert [one["host"] for one in found] == ["h2", None]
    assert found[0]["todo"].startswith("make 2.0.0 live again")


def test_a_survey_tells_of_an_older_ledger(done: World, command: Command, tmp_path: pathlib.Path) -> None:
    shutil.copy(tmp_path / ".surefoot/ledger.db", tmp_path / "yesterday.db")
    command("hold", "--because", "x")
    shutil.copy(tmp_path / "yesterday.db", tmp_path / ".surefoot/ledger.db")
    assert [command(name).code for name in ("survey", "plan", "status")] == [Exit.REFUSED] * 3
    for name in ("survey", "plan", "status"):
        assert "it is an older copy" in told(command(name))
    assert command("apply", "--yes").code == Exit.REFUSED


def test_what_a_release_has_done_before_it_failed_is_no_disagreement(shop: Write, world: World, command: Command) -> None:
    project = shop()
    project.apply("reviews").finish()
    world.once["release api"] = failing("h2", "no answer", after="install")
    project.apply("reviews", auto_rollback=False).finish()
    assert len({host["artifacts"]["live"]["version"] for host in world.hosts.values()}) == 1
    world.hosts["h3"]["artifacts"]["live"]["version"] = "1.0.0"
    answer = command("survey")
    assert (answer.code, answer.err) == (Exit.DONE, "")
