"""A release in its surroundings."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.scope import NOWHERE, gate_name, resolve_gates, scope_of, with_names

GROUPS = {"app": ["a1", "a2"], "db": ["d1", "d2"], "cache": ["c1"]}
SMOKE = {"command": ["pytest", "tests/smoke"], "timeout": "3m"}
PROJECT: dict[str, t.Any] = {
    "app": "shop",
    "hosts": {"migrate": "db"},
    "gates": {"smoke": SMOKE, "front": {"http": {"url": "http://front/"}}},
    "verify": ["smoke"],
}
FEATURE: dict[str, t.Any] = {
    "feature": "reviews",
    "releases": [
        {"release": "table", "migrate": {"version": "2.0.0"}},
        {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, "50%"]}, "verify": ["front"]},
        {"release": "pages", "flush_cache": {"prefix": "page:"}},
        {"release": "open", "enable_feature": {"flag": "reviews", "audience": {"everyone": True}}},
        {"release": "own", "playbook": "own.yml"},
    ],
}


def hosts_of(pattern: str) -> list[str]:
    return GROUPS.get(pattern, [])


def scope(name: str | None, **project: t.Any) -> dict[str, t.Any]:
    return scope_of({**PROJECT, **project}, FEATURE, name, hosts_of)


def test_each_step_has_its_hosts_and_each_phase_its_pattern() -> None:
    found = scope("api")
    assert (found["app"], found["feature"], found["release"]["release"], [one["release"] for one in found["earlier"]]) == ("shop", "reviews", "api", ["table"])
    assert found["hosts"] == {"migrate": ["d1"], "install": ["a1", "a2"], "restart": ["a1", "a2"], "flush_cache": ["c1"], "enable_feature": ["a1", "a2"]}
    assert {phase: found[phase] for phase in ("survey", "stage", "migrate", "roll", "flush_cache", "enable_feature")} == {
        "survey": "a1,a2",
        "stage": "a1,a2",
        "migrate": NOWHERE,
        "roll": "a1,a2",
        "flush_cache": NOWHERE,
        "enable_feature": NOWHERE,
    }
    assert found["batches"] == [1, "50%"]


def test_a_migration_is_done_on_one_host_which_gets_the_artifact_too() -> None:
    found = scope("table")
    assert (found["stage"], found["migrate"], found["roll"]) == ("d1", "d1", NOWHERE)


@pytest.mark.parametrize(("name", "phase", "pattern"), [("pages", "flush_cache", "c1"), ("open", "enable_feature", "a1,a2")])
def test_other_steps(name: str, phase: str, pattern: str) -> None:
    assert (scope(name)[phase], scope(name)["survey"]) == (pattern, pattern)


def test_the_scope_of_a_whole_feature_is_for_surveys() -> None:
    found = scope(None)
    assert (found["survey"], found["release"]["release"], len(found["earlier"])) == ("d1,a1,a2,c1", "own", 4)
    assert "roll" not in found


def test_gates_of_the_release_come_before_those_of_the_project() -> None:
    assert scope("api")["release"]["verify"] == [{"name": "front", "http": {"url": "http://front/"}}, {"name": "smoke", **SMOKE, "timeout": 180.0}]
    assert [gate["name"] for gate in scope("pages")["release"]["verify"]] == ["smoke"]


def test_gates_between_batches_are_those_that_a_restart_names() -> None:
    assert "verify" not in scope("api")["release"]["restart"]
    restart = {"batches": [1], "verify": ["front", {"command": ["true"]}]}
    feature = {**FEATURE, "releases": [{"release": "api", "install": {"version": "2.0.0"}, "restart": restart}]}
    found = scope_of(PROJECT, feature, "api", hosts_of)["release"]["restart"]
    assert found == {"batches": [1], "verify": [{"name": "front", "http": {"url": "http://front/"}}, {"command": ["true"]}]}


@pytest.mark.parametrize(
    ("name", "project", "message"),
    [
        ("apo", {}, "Feature reviews has no release apo; found: table, api, pages, open, own; next: did you mean api[?]"),
        ("zzzz", {}, "Feature reviews has no release zzzz; found: table, api, pages, open, own$"),
        ("own", {}, "Release own is a playbook of its own; next: run ansible-playbook own.yml"),
        ("api", {"verify": ["smok"]}, "Gate smok is not defined; next: did you mean smoke[?]"),
        ("api", {"gates": {}}, "Gate front is not defined; next: define it under gates in surefoot.yml"),
        ("api", {"hosts": {"install": "web"}}, "No host matches web, where install is to be done; next: check hosts.install"),
        ("pages", {"hosts": {"migrate": "none"}}, "No host matches none, where migrate is to be done"),
        ("api", {"app": ""}, "surefoot.yml has no app"),
        ("api", {"app": 5}, "surefoot.yml has no app"),
    ],
)
def test_refused(name: str, project: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        scope(name, **project)


def test_a_kind_of_step_that_no_release_has_so_far_needs_no_hosts() -> None:
    assert scope("table", hosts={"migrate": "db", "flush_cache": "none"})["hosts"]["flush_cache"] == []


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({}, "the feature file has no feature"),
        ({"feature": "f"}, "Feature f has no releases"),
        ({"feature": "f", "releases": {}}, "Feature f has no releases"),
        ({"feature": "f", "releases": [{"release": "a", "restart": None}] * 2}, "Two releases have the same name; found: a"),
        ({"feature": "f", "releases": [{"release": "a", "restrat": None}]}, "Release a: Unknown key 'restrat'; next: did you mean restart"),
    ],
)
def test_features_that_are_none(feature: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        scope_of(PROJECT, feature, None, hosts_of)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"http": {"url": "u"}, "command": ["c"]}, "A gate is of kind http or command"),
        ({"url": "u"}, "A gate is of kind http or command; found: \\['url'\\]"),
        (5, "A gate is a name or a mapping; found: 5"),
        ({"command": ["c"], "timeout": "soon"}, "A duration is written like"),
    ],
)
def test_gates_that_are_none(gate: t.Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        resolve_gates([gate], {})


@pytest.mark.parametrize(
    ("gate", "name"),
    [
        ({"name": "smoke", "command": ["pytest"]}, "smoke"),
        ({"command": ["pytest", "-q", 5]}, "pytest -q 5"),
        ({"http": {"url": "http://shop/reviews"}}, "GET http://shop/reviews expects 200"),
        ({"http": {"url": "http://shop/reviews", "headers": {"X-User": "staff"}, "expect": 404}}, "GET http://shop/reviews X-User:staff expects 404"),
        ({"http": {"url": "http://shop/", "method": "POST", "headers": {"A": "1", "B": "2"}}}, "POST http://shop/ A:1 B:2 expects 200"),
    ],
)
def test_gates_are_called_by_what_they_ask(gate: dict[str, t.Any], name: str) -> None:
    assert gate_name(gate) == name
    assert with_names([gate]) == [{**gate, "name": name}]


def test_the_name_of_a_gate_tells_no_secret() -> None:
    headers = {"Authorization": "Bearer hush", "X-Api-Key": "hush", "Cookie": "session=hush", "X-User": "staff"}
    name = gate_name({"http": {"url": "https://ann:hush@shop/", "headers": headers}})
    assert name == "GET https://shop/ Authorization:… X-Api-Key:… Cookie:… X-User:staff expects 200"
