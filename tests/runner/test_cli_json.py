"""What the command answers with `--json`: one document, or one event a line and the result last."""

from __future__ import annotations

import json
import pathlib

import pytest

from runner._fakes import World
from runner.conftest import Command


def test_json_of_a_plan_keeps_its_keys(command: Command) -> None:
    found = command("plan", "--json").document
    assert set(found) >= {"format", "feature", "environment", "pending", "releases", "plans", "refusals", "way_back"}
    assert found["format"] == 1
    assert set(found["releases"][0]) >= {"release", "why", "state", "since", "missing"}
    assert set(found["plans"][0]) >= {"release", "needed", "steps", "refusals"}
    assert set(found["plans"][0]["steps"][0]["hosts"][0]) >= {"host", "needed", "reason", "before", "after"}


def test_json_of_apply_is_one_event_a_line_and_the_result_last(command: Command) -> None:
    done = command("apply", "--all", "--yes", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events[:3]] == ["SurveyStarted", "ReleaseStarted", "Planned"]
    assert all("event" in event for event in events[:-1])
    assert set(events[-1]) >= {"format", "result", "rolled_back", "exit"}
    assert set(events[-1]["result"]["api"]) >= {"state", "reasons", "impact"}
    assert events[-1]["exit"] == done.code == 0


def test_json_of_the_others(command: Command) -> None:
    command("apply", "--all", "--yes")
    assert set(command("survey", "--json").document) >= {"format", "hosts", "surveys", "failures", "disagreements", "behind"}
    (entry, *_) = command("history", "--json").document["entries"]
    assert set(entry) >= {"seq", "at", "environment", "kind", "feature", "release", "run", "by", "payload", "prev", "hash"}
    assert command("history", "--check", "--json").document == {"format": 1, "findings": []}
    assert command("status", "--json").document["features"][0]["releases"][0]["environments"]["test"]["state"] == "verified"
    assert set(command("lint", "--json").document) >= {"format", "findings"}
    assert command("verify", "--json").document["exit"] == 0
    assert command("rollback", "--yes", "--json").document["rolled_back"] is True
    assert command("schema", "feature").document["title"]


def test_json_of_an_error_is_a_document_too(command: Command, world: World, tmp_path: pathlib.Path) -> None:
    world.hosts["h2"]["artifacts"]["live"]["version"] = "9.9.9"
    command("apply", "--yes")
    done = command("apply", "--yes", "--json")
    assert done.document["exit"] == done.code == 4
    assert done.document["error"]["kind"] == "Refused"
    (tmp_path / "surefoot.yml").write_text("[")
    assert command("plan", "--json").document["error"]["kind"] == "InvalidInput"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["apply"], 3, "Nobody is there to confirm"),
        (["rollback"], 3, "Nobody is there to confirm"),
        (["aply"], 1, "Did you mean apply?"),
        (["apply", "--yess"], 1, "No such option"),
        (["adopt", "reviews", "--release", "api"], 1, "--because"),
        (["apply", "--plan", "missing.json"], 1, "missing.json"),
    ],
)
def test_json_of_wrong_usage_and_of_what_nobody_confirmed_is_a_document_too(command: Command, arguments: list[str], code: int, told: str) -> None:
    done = command(*arguments, "--json")
    assert done.document["exit"] == done.code == code
    assert told in done.document["error"]["message"]
    assert told in done.err


def test_json_of_what_is_refused_before_anybody_is_asked_is_a_document_too(command: Command, world: World) -> None:
    command("apply", "--all", "--yes")
    assert command("apply", "--json").document["exit"] == 0
    command("rollback", "--yes")
    world.hosts["h2"]["artifacts"]["live"]["version"] = "9.9.9"
    done = command("apply", "--json")
    assert done.document["exit"] == done.code == 4
    assert "9.9.9" in done.document["error"]["seen"]
