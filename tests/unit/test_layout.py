"""What the collection promises about itself must agree with what is there."""

from __future__ import annotations

import pathlib

import pytest
import yaml

import surefoot

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def read(path: pathlib.Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_collection_and_runner_carry_one_version() -> None:
    assert read(ROOT / "galaxy.yml")["version"] == surefoot.__version__


def test_the_action_group_holds_every_module() -> None:
    assert read(ROOT / "meta/runtime.yml")["action_groups"]["release"] == MODULES


@pytest.mark.parametrize("plugin", sorted((ROOT / "plugins/action").glob("*.py")), ids=lambda path: path.stem)
def test_an_action_plugin_is_documented_by_a_module(plugin: pathlib.Path) -> None:
    assert plugin.stem in MODULES


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_readme_description_and_checked_arguments(role: str) -> None:
    home = ROOT / "roles" / role
    assert (home / "README.md").read_text(encoding="utf-8").startswith(f"# {role}\n")
    assert read(home / "meta/main.yml")["galaxy_info"]["description"]
    entry_points = read(home / "meta/argument_specs.yml")["argument_specs"]
    assert "main" in entry_points
    assert all((home / "tasks" / f"{name}.yml").is_file() for name in entry_points)


STEPS = ("enable_feature", "flush_cache", "install", "migrate", "pool_member", "receipt", "restart")


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_seen_by_surveys_while_it_is_at_work(step: str) -> None:
    assert f'marked("{step}", ' in (ROOT / f"plugins/module_utils/entry/{step}.py").read_text(encoding="utf-8")
    tasks = [task for path in (ROOT / "roles").glob("*/tasks/*.yml") for task in read(path) if f"surefoot.release.{step}" in task]
    assert tasks
    assert all("receipt" in task[f"surefoot.release.{step}"] for task in tasks)


def test_plugins_are_no_packages() -> None:
    assert not list((ROOT / "plugins").rglob("__init__.py"))


def test_a_direct_run_finds_all_it_needs_in_what_is_sent() -> None:
    """But for the validation that the controller does in its place, and downloads, which are not run directly."""
    needing = [path.name for path in sorted((ROOT / "plugins/module_utils").rglob("*.py")) if "ansible.module_utils" in path.read_text(encoding="utf-8")]
    assert needing == ["fetch.py", "validation.py"]


@pytest.mark.parametrize("entry", sorted((ROOT / "plugins/module_utils/entry").glob("*.py")), ids=lambda path: path.stem)
def test_every_module_with_an_entry_can_run_directly(entry: pathlib.Path) -> None:
    imported = f"entry import {entry.stem}"
    assert imported in (ROOT / "plugins/modules" / entry.name).read_text(encoding="utf-8")
    assert f"{imported} as entry" in (ROOT / "plugins/action" / entry.name).read_text(encoding="utf-8")


def test_what_runs_on_hosts_needs_nothing_of_the_controller() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for folder in ("modules", "module_utils")
        for path in (ROOT / "plugins" / folder).rglob("*.py")
        if "plugins.plugin_utils" in path.read_text(encoding="utf-8") or "import surefoot" in path.read_text(encoding="utf-8")
    ]
    assert offenders == []
