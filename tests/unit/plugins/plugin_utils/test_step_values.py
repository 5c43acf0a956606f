"""A step is written out, by whomever."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"install": {"version": "{{ version }}"}}, "install.version holds a template"),
        ({"install": {"version": "2 0"}}, "install.version is letters"),
        ({"install": {"version": "../2.0"}}, "install.version is letters"),
        ({"migrate": {"version": "2.0", "to": "{{ to }}"}}, "migrate.to holds a template"),
        ({"migrate": {"version": "2.0", "to": "--sql"}}, "migrate.to is the name of a migration"),
        ({"flush_cache": {"prefix": "{{ app }}:"}}, "flush_cache.prefix holds a template"),
        ({"flush_cache": {"prefix": "a\x1b[2J"}}, "flush_cache.prefix is not one line of text"),
        ({"flush_cache": {"prefix": ["a"]}}, "flush_cache.prefix is text"),
        ({"enable_feature": {"flag": "{% if x %}", "audience": {"everyone": True}}}, "enable_feature.flag holds a template"),
        ({"enable_feature": {"flag": "f", "audience": {"groups": ["{# staff"]}}}, "enable_feature.audience holds a template"),
        ({"enable_feature": {"flag": "f", "audience": {"groups": "staff"}}}, "An audience is"),
        ({"enable_feature": {"flag": "f", "audience": {"percentage": True}}}, "An audience is"),
    ],
)
def test_what_no_step_says(step: dict[str, t.Any], told: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_release({"release": "x", **step})
    assert told in str(error.value)
    assert str(error.value).isprintable()


def test_gates_hold_templates_after_a_release_and_between_batches() -> None:
    gates = [{"http": {"url": "{{ api }}/reviews"}}]
    assert parse_release({"release": "x", "install": {"version": "2.0"}, "restart": {"verify": gates}, "verify": gates}).batch_gates == tuple(gates)


def test_braces_alone_are_no_template() -> None:
    steps = parse_release({"release": "x", "flush_cache": {"prefix": "{page}:}}"}}).steps
    assert steps["flush_cache"] == {"prefix": "{page}:}}"}
