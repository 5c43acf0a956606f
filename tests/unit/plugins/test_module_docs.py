"""What the modules' documentation shows and promises, read as a user would read it."""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.surefoot.release.plugins.module_utils.step import Step

MODULES = sorted((pathlib.Path(__file__).parents[3] / "plugins/modules").glob("*.py"))
CODE = ("modules", "module_utils/entry", "action")
STEPS = {"install", "migrate", "restart", "pool_member", "flush_cache", "enable_feature", "receipt"}


def told(module: pathlib.Path, name: str) -> t.Any:
    """The content of DOCUMENTATION, EXAMPLES or RETURN."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no {name}")


def check(given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any]) -> None:
    assert set(given) <= set(options)
    assert {name for name, option in options.items() if option.get("required")} <= set(given)
    for name, value in given.items():
        option = options[name]
        assert value in option.get("choices", [value])
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and "suboptions" in option:
                check(inner, option["suboptions"])


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_examples_use_options_that_there_are(module: pathlib.Path) -> None:
    options = told(module, "DOCUMENTATION")["options"]
    examples = told(module, "EXAMPLES")
    assert examples
    for task in examples:
        assert task["name"][0].isupper()
        check(task[f"surefoot.release.{module.stem}"], options)


def incomplete(returned: t.Mapping[str, t.Any], where: str = "") -> t.Iterator[str]:
    for name, value in returned.items():
        if not {"description", "returned", "type"} <= set(value):
            yield f"{where}{name}"
        yield from incomplete(value.get("contains") or {}, f"{where}{name}.")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_all_that_is_returned_is_described(module: pathlib.Path) -> None:
    returned = told(module, "RETURN")
    assert list(incomplete(returned)) == []
    assert ("step" in returned) == (module.stem in STEPS)
    if "step" in returned:
        assert set(returned["step"]["contains"]) == {field.name for field in dataclasses.fields(Step)}
    code = "".join((module.parents[1] / part / module.name).read_text() for part in CODE if (module.parents[1] / part / module.name).exists())
    assert ("error" in returned) == ("describe(" in code or "run_step" in code)
