"""Reading surefoot.yml and feature files: what is wrong is said once, with its place, and nothing else ever comes out."""

from __future__ import annotations

import os
import typing as t

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from runner._fuzzing import examples
from surefoot.document import DEEPEST, LARGEST, MOST_ALIASES, Document, parse_document
from surefoot.loading import load_feature, load_project, parse_feature_file, parse_project

if t.TYPE_CHECKING:
    from pathlib import Path

FEATURE = """\
feature: reviews
releases:
  - release: table
    migrate: {version: 2.0.0, to: "0002"}
  - release: api
    install: {version: 2.0.0}
    restart: {batches: [1, 50%]}
    verify: [smoke]
"""
PROJECT = """\
app: bookshop
environments:
  staging: {inventory: inventories/staging}
gates:
  smoke: {command: [pytest, -q], timeout: 3m}
"""


def refusal(text: str | bytes, *, project: str | None = None) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidInput) as caught:
        parse_feature_file(content, project=parse_project(project.encode()) if project else None, name="reviews.yml")
    return str(caught.value)


def edited(old: str, new: str) -> str:
    assert FEATURE.count(old) == 1
    return FEATURE.replace(old, new)


def test_files_load_from_disk(tmp_path: Path) -> None:
    (tmp_path / "surefoot.yml").write_text(PROJECT)
    (tmp_path / "reviews.yml").write_text("\ufeff" + FEATURE, encoding="utf-8")
    project = load_project(tmp_path / "surefoot.yml")
    feature = load_feature(tmp_path / "reviews.yml", project=project)
    assert [release.release for release in feature.releases] == ["table", "api"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (edited("install:", "instal:"), "reviews.yml:6:5: Unknown key instal; did you mean install?"),
        (edited("install:", "zzz:"), "Unknown key zzz; known here are enable_feature, flush_cache"),
        (edited("to:", "tto:"), "reviews.yml:4:31: Unknown key tto; did you mean to?"),
        (edited("install: {version: 2.0.0}", "maintenance: {}"), "reviews.yml:6:5: maintenance is not there yet in this version of surefoot"),
        (edited("install: {version: 2.0.0}", "backfill: {}"), "backfill is not there yet"),
        (edited("[smoke]", '[{prometheus: {address: "http://m", query: up}}]'), "reviews.yml:8:15: prometheus is not there yet"),
        (edited("version: 2.0.0}", "version: 2.10}"), 'reviews.yml:6:24: version is text; 2.10 without quotes is not: write "2.10"'),
        (edited('"0002"', "0002"), "reviews.yml:4:35: 0002 means different things to different readers of YAML"),
        (edited("[1, 50%]", "[1, 500%]"), "reviews.yml:7:28: A percentage is written like 0.1% or 50%"),
        (edited("[1, 50%]", "[0]"), "A batch holds at least one host"),
        (edited("[1, 50%]", "1"), "reviews.yml:7:24: batches is not usable: it is written as a list (found a number)"),
        (edited("{batches: [1, 50%]}", ""), "reviews.yml:7:5: restart is empty; write {}"),
        (edited("{batches: [1, 50%]}", "yes"), "restart is not usable: it is written as a mapping (found true or false)"),
        (edited("release: api", "release: table"), "reviews.yml:1:1: Two releases are called table"),
        (edited("release: api", "release: Api"), "release is not usable: it is lower-case letters, digits"),
        (edited("release: api", "why: nothing"), "reviews.yml:5:5: The key release is missing in releases[2]"),
        (edited("verify: [smoke]", "soak: soon"), "reviews.yml:8:11: A duration is written like 500ms"),
        (edited("verify: [smoke]", "soak: 1:30"), "1:30 means different things"),
        (edited("verify: [smoke]", "why: 2026-01-01"), "2026-01-01 means different things"),
        (edited("verify: [smoke]", "soak: .nan"), ".nan means different things"),
        (edited("verify: [smoke]", "install: {version: 3.0.0}"), "reviews.yml:8:5: The key install is there twice; next: it was first written on line 6"),
        (edited("verify: [smoke]", 'why: "a \\e[31m b"'), "reviews.yml:8:10: The text holds the character U+001B"),
        (edited("verify: [smoke]", 'why: "a \\ud800 b"'), "reviews.yml"),
        (edited("verify: [smoke]", "why: !!python/object/apply:os.system [id]"), "reviews.yml:8:10: Tags are not allowed here"),
        (edited("verify: [smoke]", "why: !vault abc"), "Tags are not allowed here"),
        (edited("verify: [smoke]", "verify: [http: {url: {{ api }}/x}]"), "A key is plain text; next: a value that begins with {{ needs quotes"),
        (edited("verify: [smoke]", "404: x"), 'The key 404 is not text; next: write "404" in quotes'),
        (edited("verify: [smoke]", "verify: ["), "This is not YAML"),
        (edited("verify: [smoke]", "verify: [{}]"), "reviews.yml:8:14: A gate is of one kind: http or command"),
        (edited("verify: [smoke]", "verify: [{http: {url: example}}]"), "A URL begins with http:// or https://"),
        (FEATURE + "---\nmore: 1\n", "A second document begins here"),
        ("", "reviews.yml is empty"),
        ("# only a comment\n", "reviews.yml is empty"),
        ("- 1\n", "reviews.yml is a mapping; found: a list; next: begin it with feature: NAME"),
        ("feature: reviews\n", "The key releases is missing"),
        ("feature: reviews\nreleases: []\n", "reviews.yml:2:11: An empty list says nothing"),
        ("a: &a [*a]\n", "The alias a refers to itself"),
        ("a: *b\n", "reviews.yml:1:4: "),
        ("<<: 1\n", "Only a mapping, or a list of mappings, can be merged by <<"),
        ("a: " + "[" * 500, f"nested more than {DEEPEST} levels"),
        (edited('"0002"', '"{{ newest }}"'), "reviews.yml:4:35: This is written out, without templates"),
        (edited("install: {version: 2.0.0}", "flush_cache: {prefix: '{% x %}'}"), "reviews.yml:6:27: This is written out, without templates"),
        (b"feature: caf\xe9\n", "reviews.yml:1: This is not UTF-8 text; found: byte 0xe9"),
        (b"feature: \x00\n", "not YAML"),
        (b"#" * (LARGEST + 1), "larger than 1 MiB"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str | bytes, message: str) -> None:
    assert message in refusal(text)


def test_every_problem_is_named_at_once_in_the_order_of_the_file() -> None:
    text = edited("install:", "instal:").replace("feature:", "featur:").replace("  - release: table", "  - release: Table")
    assert refusal(text).splitlines() == ["reviews.yml:1:1: Unknown key featur; did you mean feature?"]
    lines = refusal(edited("install:", "instal:").replace("release: table", "release: Table")).splitlines()
    assert [line.split(":")[1] for line in lines] == ["3", "6"]


def test_many_problems_are_cut_off() -> None:
    releases = "".join(f"  - {{release: r{number}, instal: {{}}}}\n" for number in range(50))
    lines = refusal("feature: f\nreleases:\n" + releases).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 40 more"


def test_secrets_in_headers_are_not_repeated() -> None:
    text = edited("verify: [smoke]", "verify: [{http: {url: 'https://x', headers: {Authorization: [s3cret]}}}]")
    assert "s3cret" not in refusal(text)
    assert "Authorization" in refusal(text)


def test_gates_must_be_known_to_the_project() -> None:
    assert parse_feature_file(FEATURE.encode(), project=parse_project(PROJECT.encode())).releases
    assert "reviews.yml:8:14: Gate smok is not defined; did you mean smoke?" in refusal(edited("[smoke]", "[smok]"), project=PROJECT)
    between = edited("batches: [1, 50%]", "verify: [{command: [pytest]}, smok]")
    assert "reviews.yml:7:45: Gate smok is not defined; did you mean smoke?" in refusal(between, project=PROJECT)


def test_keys_that_start_with_x_pass_and_hold_what_is_merged() -> None:
    text = "x-install: &install {version: 2.0.0}\nfeature: f\nx-b: 1\nreleases:\n  - release: a\n    x-ticket: [1]\n    install:\n      <<: *install\n"
    feature = parse_feature_file(text.encode())
    assert feature.as_mapping() == {"feature": "f", "releases": [{"release": "a", "install": {"version": "2.0.0"}}]}


def test_what_is_written_wins_over_what_is_merged() -> None:
    assert parse_document(b"a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n", name="f").data["c"] == {"x": 1, "y": 3, "z": 2}


def test_alias_bombs_are_refused_before_they_grow() -> None:
    bomb = "x-0: &x0 [1,1,1,1,1,1,1,1,1]\n" + "".join(f"x-{n}: &x{n} [{','.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 10))
    assert "aliases counted each time" in refusal(bomb)
    merging = "x-0: &x0 {a: 1}\n" + "".join(f"x-{n}: &x{n} {{<<: [{','.join([f'*x{n - 1}'] * 9)}]}}\n" for n in range(1, 10))
    assert "aliases counted each time" in refusal(merging)
    many = "x-0: &x0 1\nx-1: [" + ",".join(["*x0"] * (MOST_ALIASES + 1)) + "]\n"
    assert f"more than {MOST_ALIASES} aliases" in refusal(many)


def test_huge_and_deep_files_are_refused_quickly() -> None:
    assert "more than 50000 values" in refusal("[" + "1," * 300_000 + "1]")
    assert "levels deep" in refusal("- " * 100_000)
    assert "not usable" in refusal("feature: " + "a" * 900_000 + "\nreleases: [{release: a, install: {version: '1'}}]")


@pytest.mark.parametrize("make", ["missing", "folder", "fifo", "nul"])
def test_what_is_not_a_readable_file(tmp_path: Path, make: str) -> None:
    path = tmp_path / ("a\0b" if make == "nul" else "f\x1b[31m.yml")
    if make == "folder":
        path.mkdir()
    if make == "fifo":
        os.mkfifo(path)
    with pytest.raises(InvalidInput) as caught:
        load_feature(path)
    assert "\x1b" not in str(caught.value)
    assert "\0" not in str(caught.value)


def survives(content: bytes) -> None:
    for parse in (parse_feature_file, parse_project):
        try:
            parse(content)
        except InvalidInput as error:
            str(error).encode()


@examples(300)
@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"%YAML 9.9\n---\na")
@example(b"? [a]\n: b")
@example(b"a: 0b2\n")
@example(b"- " * 5000)
def test_any_bytes_are_a_model_or_a_refusal(content: bytes) -> None:
    survives(content)


@examples(300)
@given(st.text(alphabet="feature: releases-[]{}&*!|>'\"#%@\\\n 01.<?,x~", max_size=200))
def test_any_text_that_looks_like_yaml_is_a_model_or_a_refusal(text: str) -> None:
    survives(text.encode())


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1.0", "50%", "10m", "{{ api }}", "0002", "everyone"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["release", "releases", "feature", "migrate", "install", "version", "to", "restart", "batches", "verify", "http", "url", "soak", "impact"]
            )
            | st.sampled_from(
                ["app", "environments", "inventory", "gates", "probes", "command", "enable_feature", "audience", "ramp", "each", "hooks", "headers"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@examples(500)
@given(_VALUES)
def test_any_value_is_a_model_or_a_refusal(value: t.Any) -> None:
    survives(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@examples(200)
@given(_VALUES, st.sampled_from(["feature", "release", "migrate", "install", "restart", "verify", "impact", "soak", "hooks", "why", "enable_feature"]))
def test_any_value_in_the_place_of_another_is_a_model_or_a_refusal(value: t.Any, key: str) -> None:
    feature = yaml.safe_load(FEATURE)
    (feature if key == "feature" else feature["releases"][1])[key] = value
    survives(yaml.safe_dump(feature, allow_unicode=True).encode("utf-8", "surrogatepass"))


def test_a_place_falls_back_to_what_is_around_it() -> None:
    document: Document = parse_document(b"a:\n  b: 1\n", name="f.yml")
    assert document.place(("a", "b", "c")) == "f.yml:2:6"
    assert document.place(("a", "b"), of_key=True) == "f.yml:2:3"
