"""What may be written, beyond what tests of loading show: defaults, what belongs together, and agreement with the pure core."""

from __future__ import annotations

import typing as t

import pytest
from pydantic import ValidationError

from ansible_collections.surefoot.release.plugins.plugin_utils import release as core
from surefoot.models import EnableFeature, FeatureFile, Gate, Hooks, Hosts, Impact, ProjectFile, Release

PROJECT = {"app": "bookshop", "environments": {"staging": {"inventory": "inventories/staging"}}}
EVERYONE = {"flag": "f", "audience": {"everyone": True}}


def release(**keys: t.Any) -> Release:
    return Release.model_validate({"release": "r", **keys})


def test_models_and_core_know_the_same_keys() -> None:
    assert set(Release.model_fields) == core.RELEASE_KEYS
    assert set(Impact.model_fields) == core.IMPACT_KEYS
    assert set(Hooks.model_fields) == core.HOOKS
    assert Hosts().model_dump() == dict(core.DEFAULT_HOSTS)
    steps = release(
        migrate={"version": "1"}, install={"version": "1"}, restart={}, flush_cache={"prefix": "p"}, enable_feature={"flag": "f", "audience": {"nobody": True}}
    ).steps
    assert tuple(steps) == core.STEP_KINDS
    assert {kind: set(type(step).model_fields) for kind, step in steps.items()} == core.STEP_KEYS


def test_the_core_reads_what_the_models_write() -> None:
    feature = FeatureFile.model_validate(
        {
            "feature": "reviews",
            "releases": [
                {"release": "a", "migrate": {"version": "2.0.0", "to": "0002"}, "soak": "1h30m", "why": "Room"},
                {"release": "b", "install": {"version": "2.0.0"}, "restart": {"batches": [1, "50%"]}, "hooks": {"before_restart": "warm.yml"}},
                {"release": "c", "enable_feature": {**EVERYONE, "ramp": ["5%", "12.5%", "100%"], "each": "15m"}, "impact": {"errors": "0.1%", "slower": "10%"}},
                {"release": "d", "playbook": "own.yml", "verify": ["smoke", {"http": {"url": "https://x"}}]},
            ],
        }
    )
    a, b, c, d = feature.parsed()
    assert (a.soak, a.why, a.staged_version) == (5400.0, "Room", "2.0.0")
    assert (b.batches, dict(b.hooks)) == ((1, "50%"), {"before_restart": "warm.yml"})
    assert c.ramp == (5.0, 12.5, 100.0)
    assert (c.impact.errors, c.impact.slower) == (0.001, 0.1)
    assert (d.playbook, d.verify) == ("own.yml", ("smoke", {"http": {"url": "https://x"}}))
    assert FeatureFile.model_validate(feature.as_mapping()) == feature


def test_defaults_of_a_release_promise_that_nobody_notices() -> None:
    quiet = release(install={"version": "1.0"})
    assert (quiet.impact.downtime, quiet.impact.errors, quiet.impact.slower) == (0.0, 0.0, None)
    assert (quiet.soak, quiet.verify) == (0.0, ())
    assert release(restart={}).restart.batches == core.DEFAULT_BATCHES  # type: ignore[union-attr]


def test_defaults_of_a_project() -> None:
    project = ProjectFile.model_validate({**PROJECT, "probes": [{"name": "front", "http": {"url": "https://x"}}]})
    assert project.ledger == "sqlite:///.surefoot/ledger.db"
    assert (project.probes[0].http.rate, project.probes[0].http.timeout, project.probes[0].http.expect) == (20.0, 2.0, 200)
    assert project.environments["staging"].approvals == 0


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        release(install={"version": "1"}).soak = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "holds either steps or a playbook"),
        ({"restart": {}, "playbook": "own.yml"}, "holds either steps or a playbook"),
        ({"migrate": {"version": "1"}, "install": {"version": "2"}}, "make two releases of it"),
        ({"restart": {}, "hooks": {"before_install": "x.yml"}}, "The hook before_install never runs"),
        ({"playbook": "own.yml", "hooks": {"before_install": "x.yml"}}, "The hook before_install never runs"),
        ({"migrate": {"version": "1", "state": "reverted"}}, "needs to: the migration to go back to"),
        ({"migrate": {"version": "1", "to": "-x"}}, "pattern"),
        ({"install": {"version": "../1"}}, "pattern"),
        ({"install": {"version": "1\n"}}, "pattern"),
        ({"restart": {"batches": []}}, "An empty list"),
        ({"restart": {"batches": [True]}}, "A batch is a number of hosts"),
        ({"restart": {"batches": [1.5]}}, "A batch is a number of hosts"),
        ({"flush_cache": {"prefix": ""}}, "at least 1"),
        ({"restart": {}, "soak": True}, "A duration is written like"),
        ({"restart": {}, "soak": -1}, "between 0 and one year"),
        ({"restart": {}, "impact": {"errors": 0.1}}, "A percentage is written like"),
        ({"restart": {}, "why": "two\nlines"}, "pattern"),
    ],
)
def test_what_a_release_cannot_be(keys: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        release(**keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "needs an audience"),
        ({"audience": {}}, "An audience is"),
        ({"audience": {"groups": []}}, "An audience is"),
        ({"audience": {"everyone": False}}, "An audience is"),
        ({"audience": {"everyone": True, "groups": ["staff"]}}, "An audience is"),
        ({"audience": {"nobody": True, "percentage": 5}}, "An audience is"),
        ({"audience": {"percentage": 101}}, "less than or equal to 100"),
        ({"audience": {"everyone": True}, "state": "absent"}, "with state: absent it has none"),
        ({"audience": {"everyone": True}, "ramp": ["5%", "100%"]}, "ramp and each go together"),
        ({"audience": {"everyone": True}, "each": "5m"}, "ramp and each go together"),
        ({"audience": {"groups": ["a"]}, "ramp": ["5%", "100%"], "each": "5m"}, "A ramp leads to audience"),
        ({"audience": {"everyone": True}, "ramp": ["50%", "5%", "100%"], "each": "5m"}, "A ramp grows"),
        ({"audience": {"everyone": True}, "ramp": ["5%"], "each": "5m"}, "ends at 100%"),
        ({"audience": {"everyone": True}, "ramp": ["0%", "100%"], "each": "5m"}, "A ramp grows"),
    ],
)
def test_what_opening_a_feature_cannot_be(keys: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EnableFeature.model_validate({"flag": "f", **keys})


def test_a_percentage_of_users_is_a_number_or_a_share() -> None:
    for written in (12.5, "12.5%"):
        step = EnableFeature.model_validate({"flag": "f", "audience": {"percentage": written}})
        assert step.as_mapping() == {"flag": "f", "audience": {"percentage": 12.5}}
    assert EnableFeature.model_validate({"flag": "f", "audience": {"percentage": 0, "users": ["ada"]}}).audience


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "of one kind"),
        ({"http": {"url": "https://x"}, "command": ["true"]}, "of one kind"),
        ({"command": []}, "An empty list"),
        ({"command": [""]}, "at least 1"),
        ({"command": "true"}, "tuple"),
        ({"command": ["true"], "timeout": "0s"}, "its timeout is above"),
        ({"http": {"url": "https://x"}, "chdir": "tests"}, "chdir goes with command"),
        ({"http": {"url": "https://x", "expect": 99}}, "100"),
        ({"http": {"url": "https://x", "expect": "200"}}, "integer"),
        ({"http": {"url": "ftp://x"}}, "http:// or https://"),
    ],
)
def test_what_a_gate_cannot_be(keys: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Gate.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"verify": ["smoke"]}, "Gate smoke is not defined; define it under gates"),
        ({"verify": ["smok"], "gates": {"smoke": {"command": ["true"]}}}, "did you mean smoke"),
        ({"environments": {}}, "at least 1"),
        ({"environments": {"Prod": {"inventory": "x"}}}, "pattern"),
        ({"environments": {"a": {"inventory": "x", "promote_from": {"b": "1h"}}}}, "promoted from b, which is not defined"),
        ({"environments": {"a": {"inventory": "x", "promote_from": {"a": "1h"}}}}, "promoted from a, which is itself"),
        ({"probes": [{"name": "p", "http": {"url": "https://x"}}] * 2}, "Two probes are called p"),
        ({"probes": [{"name": "p", "http": {"url": "https://x", "rate": 0}}]}, "greater than 0"),
        ({"probes": [{"name": "p", "http": {"url": "https://x", "timeout": 0}}]}, "its timeout is above"),
        ({"environments": {"a": {"inventory": "x", "approvals": True}}}, "integer"),
    ],
)
def test_what_a_project_cannot_be(keys: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ProjectFile.model_validate({**PROJECT, **keys})
