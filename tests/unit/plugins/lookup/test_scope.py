"""The lookup over real files: where it finds them, and what it says of those it does not find."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible import constants, context
from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.surefoot.release.plugins.lookup import scope as plugin
from ansible_collections.surefoot.release.plugins.plugin_utils.scope import NOWHERE

PROJECT = """
app: shop
gates:
  front: {http: {url: "http://{{ front }}/", headers: {X-User: "{{ who | default('staff') }}"}}}
"""
FEATURE = """
feature: reviews
releases:
  - {release: api, install: {version: "2.0.0"}, restart: {}, verify: [front]}
  - {release: open, enable_feature: {flag: reviews, audience: {everyone: true}}}
"""
GROUPS = {"all": ["a1", "a2", "c1"], "app": ["a1", "a2"], "cache": ["c1"]}


@pytest.fixture(name="project")
def project_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "features").mkdir()
    (tmp_path / "surefoot.yml").write_text(PROJECT)
    (tmp_path / "features/reviews.yml").write_text(FEATURE)
    return tmp_path


def look(root: pathlib.Path, feature: t.Any, *, groups: dict[str, list[str]] | None = None, **options: t.Any) -> dict[str, t.Any]:
    constants.config.initialize_plugin_configuration_definitions("lookup", "surefoot.release.scope", yaml.safe_load(plugin.DOCUMENTATION)["options"])
    loader = DataLoader()
    variables = {"groups": GROUPS if groups is None else groups, "front": "shop"}
    lookup = plugin.LookupModule(loader=loader, templar=Templar(loader=loader, variables=variables))
    lookup._load_name = "surefoot.release.scope"
    (found,) = lookup.run([feature], variables, **{"project": str(root / "surefoot.yml"), **options})
    return t.cast("dict[str, t.Any]", found)


@pytest.mark.parametrize("feature", ["reviews", "features/reviews.yml"])
def test_a_feature_by_name_and_by_path(project: pathlib.Path, feature: str) -> None:
    found = look(project, feature, release="api")
    assert (found["app"], found["feature"], found["release"]["release"], found["root"]) == ("shop", "reviews", "api", str(project))
    assert (found["roll"], found["flush_cache"], found["hosts"]["flush_cache"]) == ("a1,a2", NOWHERE, ["c1"])


def test_a_feature_that_no_file_holds(project: pathlib.Path) -> None:
    content = {"feature": "back", "undoing": {"release": "api"}, "releases": [{"release": "api", "install": {"version": "1.0.0"}}]}
    found = look(project, content, release="api")
    assert (found["feature"], found["undoing"], found["release"]["install"]) == ("back", {"release": "api"}, {"version": "1.0.0"})


def test_the_whole_feature_is_for_surveys(project: pathlib.Path) -> None:
    found = look(project, "reviews", whole_feature=True)
    assert found["survey"] == "a1,a2,c1"
    assert "roll" not in found


def test_the_variables_of_gates_are_resolved_in_tasks_only(project: pathlib.Path) -> None:
    (gate,) = look(project, "reviews", release="api")["release"]["verify"]
    assert gate["http"]["url"] == "http://{{ front }}/"
    (gate,) = look(project, "reviews", release="api", resolve=True)["release"]["verify"]
    assert gate == {"name": "front", "http": {"url": "http://shop/", "headers": {"X-User": "staff"}}}


def test_a_variable_of_a_gate_that_nobody_set_is_told(project: pathlib.Path) -> None:
    (project / "surefoot.yml").write_text(PROJECT.replace("front }}", "frontt }}"))
    with pytest.raises(Exception, match="'frontt' is undefined"):
        look(project, "reviews", release="api", resolve=True)


@pytest.mark.parametrize(
    ("feature", "options", "message"),
    [
        ("reviews", {}, "Which release[?]; next: name it with -e release=NAME"),
        ("", {"release": "api"}, "Which feature[?]; next: name it with -e feature=NAME"),
        ("wishes", {"release": "api"}, r"A file is missing; found: .*/wishes; next: run from the directory of surefoot.yml"),
        ("features", {"release": "api"}, r"A file is missing; found: .*/features;"),
        ("reviews", {"release": "apo"}, "Feature reviews has no release apo; found: api, open; next: did you mean api[?]"),
        ("reviews", {"release": "api", "project": "/none/surefoot.yml"}, "A file is missing; found: /none/surefoot.yml"),
        ("reviews", {"release": "api", "groups": {"cache": ["c1"]}}, "No host matches app, where install is to be done"),
        ("reviews", {"release": "api", "groups": {}}, "No host matches app, where install is to be done"),
    ],
)
def test_refused(project: pathlib.Path, feature: str, options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(AnsibleLookupError, match=message):
        look(project, feature, **options)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("features/reviews.yml", "- feature: reviews", "The file holds no mapping; found: .*reviews.yml"),
        ("features/reviews.yml", "", "The file holds no mapping"),
        ("features/reviews.yml", FEATURE.replace("version:", "verison:"), "Release api: Unknown key 'verison'; next: did you mean version"),
        ("surefoot.yml", "text", "The file holds no mapping; found: .*surefoot.yml"),
        ("surefoot.yml", "verify: []", "surefoot.yml has no app"),
        ("surefoot.yml", PROJECT.replace("front:", "fronts:"), "Gate front is not defined; next: did you mean fronts"),
    ],
)
def test_files_that_do_not_hold_what_they_should(project: pathlib.Path, file: str, content: str, message: str) -> None:
    (project / file).write_text(content)
    with pytest.raises(AnsibleLookupError, match=message):
        look(project, "reviews", release="api")


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [("app:!a1", ["a2"]), ("a1", ["a1"]), ("app:cache", ["a1", "a2", "c1"]), ("all", ["a1", "a2", "c1"]), ("app[0]", ["a1"])],
)
def test_host_patterns_are_ansibles(project: pathlib.Path, pattern: str, hosts: list[str]) -> None:
    (project / "surefoot.yml").write_text(f"{PROJECT}hosts: {{install: '{pattern}'}}\n")
    assert look(project, "reviews", release="api")["hosts"]["install"] == hosts


def test_a_syntax_check_needs_neither_files_nor_hosts(project: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict({"syntax": True}))
    found = look(project, "", project="/none/surefoot.yml", groups={})
    assert {found[phase] for phase in ("survey", "stage", "migrate", "roll", "flush_cache", "enable_feature")} == {NOWHERE}
