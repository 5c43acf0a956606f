from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.plan import plan_release
from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release
from ansible_collections.surefoot.release.plugins.plugin_utils.way_back import WayBack, checked, irrevocable, way_back

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


def test_a_release_that_took_a_migration_back_is_undone_by_migrating_again() -> None:
    release = parse_release({"release": "x", "migrate": {"version": "2.0.0", "to": "0001", "state": "reverted"}})
    assert way_back(release, {"migrate": {"a1": {"current": ["0002"]}}}).release.steps == {"migrate": {"version": "2.0.0", "to": "0002"}}


# What the way back stands on, by what was surveyed


TABLE = parse_release({"release": "table", "migrate": {"version": "2.0.0", "to": "0002"}})
API = parse_release({"release": "api", "install": {"version": "2.0.0"}})


def checked_for(release: t.Any, *surveys: dict[str, t.Any]) -> WayBack:
    """The way back by what a survey of hosts a1, a2, … found."""
    found = {f"a{number}": one for number, one in enumerate(surveys, 1)}
    plan = plan_release(release, (), found, {kind: list(found) for kind in release.steps})
    return checked(release, {step.kind: {host.host: host.before for host in step.hosts} for step in plan.steps})


def database(**found: t.Any) -> dict[str, t.Any]:
    told = {"engine": "sql", "version": "2.0.0", "readable": True, "current": ["0001"], "applied": ["0001"], "pending": ["0002", "0003"]}
    return {"migrations": {**told, "irreversible": [], **found}}


def live(version: str | None, *staged: str, verified: t.Sequence[str] | None = None) -> dict[str, t.Any]:
    artifacts = {"path": "/srv", "live": {"version": version} if version else None, "staged": [{"version": one} for one in staged]}
    return {"artifacts": artifacts, "receipt": None if verified is None else {"live_version": version, "verified_versions": list(verified), "releases": []}}


def test_a_migration_without_a_way_down_is_an_obstacle() -> None:
    back = checked_for(TABLE, database(irreversible=["0002"]))
    assert (back.release, back.obstacles) == (None, ("there is no way down from 0002",))
    assert way_back(TABLE, {"migrate": {"a1": {"current": ["0001"], "irreversible": ["0002"]}}}).release is None


@pytest.mark.parametrize(
    ("found", "unknown"),
    [
        ({"irreversible": ["0003"]}, False),  # which this release does not run
        ({"current": ["0002"], "applied": ["0001", "0002"], "pending": ["0003"], "irreversible": ["0003"]}, False),
        ({"version": "1.0.0", "pending": []}, True),
        ({"readable": False}, True),
        ({"version": "1.0.0", "current": ["0002"], "applied": ["0001", "0002"]}, False),  # nothing is run, so nothing is to be taken back
    ],
)
def test_what_the_release_would_not_run_is_none_and_what_is_not_staged_is_not_known(found: dict[str, t.Any], unknown: bool) -> None:
    back = checked_for(TABLE, database(**found))
    assert back.release is not None
    assert back.unknown == (("whether the migration can be taken back is known once 2.0.0 is staged",) if unknown else ())


def test_the_newest_migration_is_all_that_are_pending() -> None:
    newest = parse_release({"release": "table", "migrate": {"version": "2.0.0"}})
    assert checked_for(newest, database(irreversible=["0003"])).obstacles == ("there is no way down from 0003",)
    assert checked_for(newest, database(pending=[])).obstacles == ()


@pytest.mark.parametrize(
    ("surveys", "obstacles"),
    [
        ([live("1.0.0", "1.0.0")], ()),
        ([live("1.0.0", "1.0.0", verified=["1.0.0"])], ()),
        ([live("1.0.0")], ("1.0.0 is no artifact of ours on a1, so it could not be made live again",)),
        ([live("1.0.0", "1.0.0", verified=["0.9.0"]), live("1.0.0", "1.0.0", verified=["1.0.0"])], ("1.0.0 was never verified on a1",)),
        ([live("2.0.0", "2.0.0", verified=["1.0.0"]), live("1.0.0", "1.0.0", verified=["1.0.0"])], ()),
    ],
)
def test_what_was_live_before_has_to_be_there_and_verified(surveys: list[dict[str, t.Any]], obstacles: tuple[str, ...]) -> None:
    back = checked_for(API, *surveys)
    assert back.obstacles == obstacles
    assert (back.release is None) == bool(obstacles)
    assert irrevocable(API, {"install": {"a1": {"live": "1.0.0", "staged": False}}}) == (
        "1.0.0 is no artifact of ours on a1, so it could not be made live again",
    )


def test_once_it_has_to_be_taken_the_way_back_is_tried_whatever_seemed_missing() -> None:
    assert way_back(API, {"install": {"a1": {"live": "1.0.0", "staged": False, "verified": False}}}).release.steps == {"install": {"version": "1.0.0"}}


def test_of_what_an_older_ledger_has_kept_nothing_is_held_against_it() -> None:
    assert checked(API, {"install": {"a1": {"live": "1.0.0"}}}).obstacles == ()
    assert checked(TABLE, {"migrate": {"a1": {"current": ["0001"]}}}).obstacles == ()


def test_a_first_installation_has_nothing_to_go_back_to_and_nothing_else_against_it() -> None:
    assert checked_for(API, live(None)).obstacles == ("nothing was live before",)
    assert irrevocable(API, {"install": {"a1": {"live": None}}}) == ()
