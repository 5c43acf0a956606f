"""One entry of a feature file, read and written."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.release import DEFAULT_BATCHES, HOOKS, Impact, did_you_mean, parse_release

FULL: dict[str, t.Any] = {
    "release": "reviews-api",
    "why": "Readers write reviews",
    "migrate": {"version": "2.0.0", "to": "0002"},
    "install": {"version": "2.0.0"},
    "restart": {"batches": [1, "50%"]},
    "flush_cache": {"prefix": "page:"},
    "enable_feature": {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["5%", "100%"], "each": "10m"},
    "impact": {"downtime": "2s", "errors": "0.1%", "slower": "20%", "because": "the table is locked"},
    "verify": ["smoke", {"command": ["true"]}],
    "soak": "10m",
    "hooks": {"before_migrate": "hooks/backup.yml"},
}


def test_a_release_is_read() -> None:
    release = parse_release(FULL, "reviews")
    assert (release.name, release.feature, release.version, release.staged_version, release.soak) == ("reviews-api", "reviews", "2.0.0", "2.0.0", 600.0)
    assert release.impact == Impact(downtime=2.0, errors=0.001, slower=0.2, because="the table is locked")
    assert release.batches == (1, "50%")
    assert release.ramp == (5.0, 100.0)
    assert list(release.steps) == ["migrate", "install", "restart", "flush_cache", "enable_feature"]


@pytest.mark.parametrize(("written", "read"), [("50%", 50.0), (50, 50), ("{{ share }}", "{{ share }}")])
def test_the_share_of_an_audience_is_a_number_for_whoever_opens_a_flag(written: t.Any, read: t.Any) -> None:
    release = parse_release({"release": "x", "enable_feature": {"flag": "f", "audience": {"groups": ["staff"], "percentage": written}}})
    assert release.steps["enable_feature"]["audience"] == {"groups": ["staff"], "percentage": read}


@pytest.mark.parametrize(
    ("steps", "hooks", "apart"),
    [
        (("install", "restart"), (), False),
        (("install", "restart"), ("after_install",), True),
        (("install", "restart"), ("before_restart",), True),
        (("install", "restart"), ("before_install", "after_restart"), False),
        (("install",), (), True),
        (("restart",), (), False),
        (("restart",), ("before_restart",), True),
    ],
)
def test_a_version_is_made_live_along_with_the_restart_unless_something_stands_between(steps: tuple[str, ...], hooks: tuple[str, ...], apart: bool) -> None:
    parameters = {"install": {"version": "2.0.0"}, "restart": {}}
    written = {"release": "api", **{kind: parameters[kind] for kind in steps}, "hooks": dict.fromkeys(hooks, "hooks/one.yml")}
    assert parse_release(written).activates_apart is apart


@pytest.mark.parametrize("written", [FULL, {"release": "x", "restart": None}, {"release": "x", "playbook": "own.yml", "verify": ["smoke"]}])
def test_what_is_read_can_be_written_and_read_again(written: dict[str, t.Any]) -> None:
    release = parse_release(written, "reviews")
    assert parse_release(release.as_mapping(), "reviews") == release
    assert parse_release(release.as_mapping(), "reviews").digest() == release.digest()


def test_the_order_in_which_keys_are_written_does_not_matter() -> None:
    assert parse_release(dict(reversed(FULL.items()))).digest() == parse_release(FULL).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"install": {"version": "2.0.1"}},
        {"migrate": {"version": "2.0.0", "to": "0003"}},
        {"restart": {"batches": [2]}},
        {"flush_cache": {"prefix": "x:"}},
        {"enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}}},
        {"impact": {"downtime": "3s"}},
        {"verify": ["smoke"]},
        {"soak": "11m"},
        {"hooks": {}},
    ],
)
def test_whatever_decides_what_is_done_changes_the_digest(change: dict[str, t.Any]) -> None:
    assert parse_release({**FULL, **change}).digest() != parse_release(FULL).digest()


def test_what_is_not_written_is_assumed() -> None:
    release = parse_release({"release": "x", "migrate": {"version": "1"}})
    assert (release.batches, release.ramp, release.version, release.staged_version) == (DEFAULT_BATCHES, (), None, "1")
    assert release.impact == Impact()


def test_keys_for_others_pass() -> None:
    assert parse_release({"release": "x", "x-ticket": 7, "install": {"version": "1", "x-note": "n"}}).steps == {"install": {"version": "1"}}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"instal": {"version": "1"}}, "Release x: Unknown key 'instal'; next: did you mean install[?]"),
        ({"install": {"verison": "1"}}, "Unknown key 'verison'; next: did you mean version[?]"),
        ({"restart": {"batch": [1]}}, "did you mean batches[?]"),
        ({"restart": None, "hooks": {"before_instal": "x.yml"}}, "did you mean before_install[?]"),
        ({"restart": None, "impact": {"error": "1%"}}, "did you mean errors[?]"),
        ({"restart": None, "qqq": 1}, "Unknown key 'qqq'; next: known keys are enable_feature, flush_cache"),
        ({"restart": None, 5: 1}, "Unknown key 5"),
        ({}, "holds either steps or a playbook"),
        ({"restart": None, "playbook": "own.yml"}, "holds either steps or a playbook"),
        ({"install": {"version": 2.0}}, 'install.version is text; write it in quotes; found: 2.0; next: write version: "2.0"'),
        ({"migrate": {"version": "1", "to": 2}}, "migrate.to is text"),
        ({"install": {}}, "install needs version"),
        ({"install": ["1.0.0"]}, "install is a mapping"),
        ({"migrate": None}, "migrate needs version"),
        ({"flush_cache": {}}, "flush_cache needs prefix"),
        ({"enable_feature": {"audience": {"everyone": True}}}, "enable_feature needs flag"),
        ({"enable_feature": {"flag": "f"}}, "enable_feature needs an audience; .*audience: {groups: \\[staff\\]}"),
        ({"enable_feature": {"flag": "f", "audience": {"everyone": True}, "ramp": ["50%", "5%"]}}, "a ramp grows from step to step"),
        ({"enable_feature": {"flag": "f", "audience": {"everyone": True}, "ramp": ["50%", "50%"]}}, "a ramp grows from step to step"),
        ({"restart": {"batches": []}}, "batches needs at least one size"),
        ({"restart": {"batches": [0]}}, "at least one host"),
        ({"restart": None, "soak": "soon"}, "A duration is written like"),
        ({"restart": None, "impact": {"errors": "much"}}, "A percentage is written like"),
        ({"restart": None, "impact": "none"}, "impact is a mapping"),
    ],
)
def test_what_cannot_be_a_release(written: dict[t.Any, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        parse_release({"release": "x", **written})
    assert caught.value.message.startswith("Release x: ")


@pytest.mark.parametrize("written", [None, [], "x", {}, {"release": 5}, {"install": {"version": "1"}}])
def test_what_has_no_name(written: t.Any) -> None:
    with pytest.raises(InvalidInput, match="mapping with a name under the key release"):
        parse_release(written)


@pytest.mark.parametrize("name", ["", "Reviews", "a b", "../x", "-x", "x" * 101, "x\n"])
def test_names(name: str) -> None:
    with pytest.raises(InvalidInput, match="lower-case letters"):
        parse_release({"release": name, "restart": None})


def test_there_is_a_hook_before_and_after_each_kind_of_step() -> None:
    assert len(HOOKS) == 10
    assert parse_release({"release": "x", "restart": None, "hooks": dict.fromkeys(HOOKS, "hook.yml")}).hooks == dict.fromkeys(HOOKS, "hook.yml")


def test_the_nearest_name() -> None:
    assert did_you_mean("smok", ["soak", "smoke"]) == "did you mean smoke?"
    assert did_you_mean("zzz", ["soak", "smoke"]) is None
    assert did_you_mean("zzz", []) is None
