"""The schemas that editors use say what the models say."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from surefoot.loading import load_feature, load_project
from surefoot.models import FeatureFile, ProjectFile
from surefoot.schema import json_schema

BOOKSHOP = Path(__file__).parents[2] / "examples/bookshop"
PROJECT = """\
app: bookshop
ledger: sqlite:///.surefoot/ledger.db
hosts: {install: app, migrate: app, restart: app, flush_cache: cache, enable_feature: app}
environments:
  staging:    {inventory: inventories/staging}
  production: {inventory: inventories/production, promote_from: {staging: 1h}, approvals: 1}
probes:
  - {name: front, http: {url: "https://shop.example/", rate: 20, timeout: 2s, expect: 200}}
gates:
  smoke: {command: [pytest, -q, tests/smoke], timeout: 3m}
verify: [smoke]
x-anything: [1]
"""
FEATURE = """\
feature: reviews
releases:
  - release: reviews-table
    why: Room for reviews; nothing reads it yet
    migrate: {version: 2.0.0, to: "0002"}
  - release: reviews-api
    install: {version: 2.0.0}
    restart: {batches: [1, 50%, 100%]}
    soak: 10m
    x-ticket: 7
  - release: reviews-internal
    enable_feature: {flag: reviews, audience: {groups: [staff]}}
    verify:
      - http: {url: "{{ api }}/reviews", headers: {X-User: staff},    expect: 200}
      - http: {url: "{{ api }}/reviews", headers: {X-User: customer}, expect: 403}
  - release: reviews-ui
    install: {version: 2.1.0}
    restart: {}
    flush_cache: {prefix: "page:"}
    impact: {downtime: 20s, errors: 0.1%, slower: 10%, because: Old pages are slow}
  - release: reviews-everyone
    enable_feature: {flag: reviews, audience: {everyone: true}, ramp: [5%, 50%, 100%], each: 15m}
    verify: [smoke]
"""
EXAMPLES: dict[t.Literal["feature", "project"], tuple[str, type[FeatureFile] | type[ProjectFile]]] = {
    "feature": (FEATURE, FeatureFile),
    "project": (PROJECT, ProjectFile),
}


def test_the_files_of_the_example_application_are_valid() -> None:
    project = load_project(BOOKSHOP / "surefoot.yml")
    files: list[tuple[t.Literal["feature", "project"], Path]] = [("project", BOOKSHOP / "surefoot.yml"), ("feature", BOOKSHOP / "features/reviews.yml")]
    for file, path in files:
        Draft202012Validator(json_schema(file)).validate(yaml.safe_load(path.read_text()))
    assert load_feature(BOOKSHOP / "features/reviews.yml", project=project).parsed()


@pytest.mark.parametrize("file", ["feature", "project"])
def test_the_example_of_the_guide_is_valid_by_schema_and_model(file: t.Literal["feature", "project"]) -> None:
    schema = json_schema(file)
    Draft202012Validator.check_schema(schema)
    text, model = EXAMPLES[file]
    Draft202012Validator(schema).validate(yaml.safe_load(text))
    loaded = model.model_validate(yaml.safe_load(text))
    Draft202012Validator(schema).validate(loaded.as_mapping())
    assert model.model_validate(loaded.as_mapping()) == loaded


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("instal",), {}),
        (("install", "version"), 2.1),
        (("install", "version"), "../x"),
        (("restart", "batches"), [0]),
        (("restart", "batches"), ["half"]),
        (("soak",), "soon"),
        (("soak",), "10"),
        (("soak",), ""),
        (("restart",), None),
        (("why",), None),
        (("impact",), {"errors": 0.1}),
        (("verify",), [{"prometheus": {}}]),
        (("hooks",), {"before_instal": "x.yml"}),
    ],
)
def test_schema_and_model_refuse_alike(where: tuple[str, ...], value: t.Any) -> None:
    feature = copy.deepcopy(yaml.safe_load(FEATURE))
    inner = feature["releases"][1]
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    with pytest.raises(ValidationError):
        Draft202012Validator(json_schema("feature")).validate(feature)
    with pytest.raises(ValueError, match="validation error"):
        FeatureFile.model_validate(feature)


def test_editors_find_a_description_for_the_keys_of_a_release() -> None:
    release = json_schema("feature")["$defs"]["Release"]["properties"]
    assert release["soak"]["description"]
    assert release["install"]["anyOf"] == [{"$ref": "#/$defs/Install"}]
