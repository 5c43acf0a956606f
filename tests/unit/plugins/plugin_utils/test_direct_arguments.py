"""Options as they are validated for a host on another machine: what only that host can tell stays open."""

from __future__ import annotations

import importlib
import json
import pathlib
import types
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils import survey_options
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.arguments import Unfit, path_ways, secrets_of, validated, without_paths

ENTRIES = sorted(path.stem for path in (pathlib.Path(survey_options.__file__).parent / "entry").glob("*.py"))
SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "count": {"type": "int", "default": 5},
    "homes": {"type": "list", "elements": "path"},
    "secret": {"type": "str", "no_log": True},
    "environment": {"type": "dict", "no_log": True},
    "units": {"type": "list", "elements": "dict", "options": {"pid_file": {"type": "path"}, "name": {"type": "str"}, "key": {"type": "str", "no_log": True}}},
    "commands": {"type": "dict", "options": {"pid_file": {"type": "path", "default": "~/pid"}}},
}
GIVEN: dict[str, t.Any] = {
    "path": "~/shop",
    "homes": ["~a", "$B"],
    "secret": "hush",
    "environment": {"A": "one", "B": 2, "C": None, "D": True},
    "units": [{"name": "web"}, {"pid_file": "$RUN/pid", "key": "key1"}],
    "commands": {},
}


def entry(**more: t.Any) -> t.Any:
    return types.SimpleNamespace(SIGNATURE={"argument_spec": SPEC, "mutually_exclusive": [("secret", "count")], **more})


def load(name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.surefoot.release.plugins.module_utils.entry.{name}")


def test_options_are_complete_and_paths_are_left_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/controller")
    told = validated(entry(mutually_exclusive=[]), GIVEN)
    assert (told["params"]["path"], told["params"]["count"], told["params"]["commands"]) == ("~/shop", 5, {"pid_file": "~/pid"})
    assert sorted(told["paths"]) == [
        ("params", "commands", "pid_file"),
        ("params", "homes", 0),
        ("params", "homes", 1),
        ("params", "path"),
        ("params", "units", 1, "pid_file"),
    ]
    assert told["no_log"] == ["2", "hush", "key1", "one"]
    assert "kinds" not in told
    assert json.loads(json.dumps(told))["params"] == told["params"]


@pytest.mark.parametrize(
    "given",
    [{}, {"path": "/a", "unknown": 1}, {"path": "/a", "count": "many"}, {"path": "/a", "units": [{"wrong": 1}]}, {"path": "/a", "secret": "s", "count": 1}],
)
def test_what_the_module_would_refuse_is_left_to_it(given: dict[str, t.Any]) -> None:
    with pytest.raises(Unfit):
        validated(entry(), given)


def test_a_spec_without_paths_is_another_spec() -> None:
    spec = without_paths(SPEC)
    assert spec["path"]["type"] == spec["homes"]["elements"] == spec["units"]["options"]["pid_file"]["type"] == "str"
    assert SPEC["path"]["type"] == "path"
    assert list(path_ways(spec, {"path": "/a", "homes": ["/b"]})) == []
    assert secrets_of(spec, {"secret": "s"}) == {"s"}


def test_a_survey_is_validated_kind_by_kind() -> None:
    secrets = json.dumps({"migrate": {"url": "postgresql://u:hush@h/d"}})
    asked = {"receipt": "~/r.json", "install": {"path": "~/shop"}, "migrate": {"engine": "sql", "path": "~/shop/current"}, "secrets": secrets}
    told = validated(load("release_info"), asked)
    assert sorted(told["kinds"]) == ["install", "migrate"]
    assert told["kinds"]["migrate"]["url"] == "postgresql://u:hush@h/d"
    assert told["kinds"]["migrate"]["lock_wait"] == 60
    assert "url" not in told["params"]["migrate"], "what was asked is shown"
    assert sorted(told["paths"]) == [("kinds", "install", "path"), ("kinds", "migrate", "path"), ("params", "receipt")]
    with pytest.raises(Unfit, match=r"wrong\. Supported parameters include: path"):
        validated(load("release_info"), {"install": {"path": "/a", "wrong": 1}})
    with pytest.raises(Unfit, match="A secret would be shown"):
        validated(load("release_info"), {"migrate": {"engine": "sql", "path": "/a", "url": "sqlite:///x"}})


@pytest.mark.parametrize("name", ENTRIES)
def test_no_option_has_what_only_a_module_could_make_of_it(name: str) -> None:
    """An alias, a value out of the environment or a path by default would be taken from the controller."""

    def options(spec: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Iterator[t.Mapping[str, t.Any]]:
        for option in spec.values():
            yield option
            yield from options(option.get("options") or {})

    for option in options(load(name).SIGNATURE["argument_spec"]):
        assert not {"aliases", "fallback", "apply_defaults", "removed_in_version", "deprecated_aliases"} & set(option)
