from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release
from ansible_collections.surefoot.release.plugins.plugin_utils.way_back import way_back

FULL = parse_release(
    {
        "release": "all-in-one",
        "migrate": {"version": "2.0.0", "to": "0002"},
        "install": {"version": "2.0.0"},
        "restart": {"batches": [1]},
        "flush_cache": {"prefix": "page:"},
        "enable_feature": {"flag": "f", "audience": {"everyone": True}},
        "soak": "10m",
    }
)
BEFORE: dict[str, t.Any] = {
    "migrate": {"a1": {"current": ["0001"]}},
    "install": {"a1": {"live": "1.0.0"}, "a2": {"live": "1.0.0"}},
    "restart": {"a1": {"running": True}},
    "flush_cache": {"a1": {"fingerprint": "aa"}},
    "enable_feature": {"a1": {"audience": {"groups": ["staff"]}}},
}


def test_every_step_is_undone_in_the_words_of_the_feature_file() -> None:
    back = way_back(FULL, BEFORE).release
    assert back is not None
    assert back.steps == {
        "migrate": {"version": "2.0.0", "to": "0001", "state": "reverted"},
        "install": {"version": "1.0.0"},
        "restart": {"batches": [1]},
        "flush_cache": {"prefix": "page:"},
        "enable_feature": {"flag": "f", "audience": {"groups": ["staff"]}},
    }
    assert back.soak == 0
    assert parse_release(back.as_mapping()) == back


def test_what_was_not_there_before_is_taken_away() -> None:
    before = {**BEFORE, "enable_feature": {"a1": {"audience": None}}, "migrate": {"a1": {"current": []}}}
    back = way_back(FULL, before).release
    assert back is not None
    assert back.steps["enable_feature"] == {"flag": "f", "state": "absent"}
    assert back.steps["migrate"]["to"] == "base"


@pytest.mark.parametrize(
    ("before", "obstacle"),
    [
        ({"install": {"a1": {"live": None}}}, "nothing was live before"),
        ({"install": {"a1": {"live": "1.0.0"}, "a2": {"live": "0.9.0"}}}, "different versions were live before: 0.9.0, 1.0.0"),
        ({"migrate": {"a1": {"current": ["b", "c"]}}}, "the database had several heads: b, c"),
        ({"migrate": {}}, "what the database held before is not known"),
        ({"enable_feature": {"a1": {"audience": None}, "a2": {"audience": {"everyone": True}}}}, "f was open to different audiences before"),
    ],
)
def test_without_a_common_state_before_there_is_no_way_back(before: dict[str, t.Any], obstacle: str) -> None:
    back = way_back(FULL, {**BEFORE, **before})
    assert back.release is None
    assert obstacle in back.obstacles


@pytest.mark.parametrize(
    "before",
    [
        {"install": {"a1": {"live": "{{ lookup('pipe', 'id') }}"}}},
        {"install": {"a1": {"live": "../../etc"}}},
        {"install": {"a1": {"live": "-x"}}},
        {"migrate": {"a1": {"current": ["{% set x %}"]}}},
        {"migrate": {"a1": {"current": ["--sql"]}}},
        {"migrate": {"a1": {"current": [{"a": 1}]}}},
        {"enable_feature": {"a1": {"audience": {"groups": ["{# x"]}}}},
        {"enable_feature": {"a1": {"audience": {"groups": [{"__ansible_vault": "x"}]}}}},
        {"enable_feature": {"a1": {"audience": {"groups": "staff"}}}},
        {"enable_feature": {"a1": {"audience": {"percentage": 1000}}}},
        {"enable_feature": {"a1": {"audience": {"groups": ["a\nb"]}}}},
        {"enable_feature": {"a1": {"audience": {"all": True}}}},
        {"enable_feature": {"a1": {"audience": "everyone"}}},
    ],
)
def test_what_a_host_says_was_there_is_no_way_back_where_no_feature_file_could_say_it(before: dict[str, t.Any]) -> None:
    back = way_back(FULL, {**BEFORE, **before})
    assert back.release is None
    (obstacle,) = back.obstacles
    assert obstacle.startswith("what was there before is nothing to go back to: ")
    assert obstacle.isprintable()


def test_hosts_that_had_the_version_already_do_not_count() -> None:
    release = parse_release({"release": "x", "install": {"version": "2"}})
    assert way_back(release, {"install": {"a1": {"live": "2"}, "a2": {"live": "1"}}}).release.steps == {"install": {"version": "1"}}
    assert way_back(release, {"install": {"a1": {"live": "2"}}}).obstacles == ("there is nothing to undo",)


def test_a_migration_without_a_way_down_is_an_obstacle() -> None:
    assert way_back(FULL, BEFORE, reversible_migration=False).obstacles == ("the migration cannot be reverted",)
