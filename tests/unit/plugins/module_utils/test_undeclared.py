"""S9: what changed on a host although no step said so."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.undeclared import live_version, undeclared

BEFORE: dict[str, t.Any] = {
    "artifacts": {"live": {"version": "1.0.0", "sha256": "aa", "since": 1.0}, "staged": [], "problem": None},
    "service": {"known": True, "running": True, "pid": 10, "started_at": 5.0, "ticks": 500, "stale": False, "reason": ""},
    "migrations": {"readable": True, "current": ["0002", "0001"], "applied": ["0001", "0002"], "pending": []},
    "cache": {"reachable": True, "stored": "f1", "declared": "f1"},
    "flag": {"flag": "reviews", "audience": {"groups": ["staff"]}, "foreign": False, "reason": ""},
    "pool": {"state": "in_pool"},
    "receipt": None,
}
KINDS = {"artifacts": "install", "service": "restart", "migrations": "migrate", "cache": "flush_cache", "flag": "enable_feature"}

CHANGES: list[tuple[str, dict[str, t.Any], str]] = [
    ("artifacts", {"live": {"version": "2.0.0"}}, "the live version was 1.0.0 and is 2.0.0"),
    ("artifacts", {"live": None, "problem": "current is no link"}, "the live version was 1.0.0 and is nothing"),
    ("service", {"pid": 11}, "was (10, 500) and is (11, 500)"),
    ("service", {"ticks": 600}, "was (10, 500) and is (10, 600)"),
    ("service", {"running": False, "pid": None, "started_at": None, "ticks": None}, "was (10, 500) and is not running"),
    ("migrations", {"current": ["0001", "0002", "0003"]}, "was ['0001', '0002'] and is ['0001', '0002', '0003']"),
    ("migrations", {"current": []}, "was ['0001', '0002'] and is []"),
    ("cache", {"stored": "f2"}, "was f1 and is f2"),
    ("cache", {"stored": None}, "was f1 and is nothing"),
    ("flag", {"audience": {"everyone": True}}, "was {'groups': ['staff']} and is {'everyone': True}"),
    ("flag", {"audience": None}, "was {'groups': ['staff']} and is nothing"),
    ("flag", {"audience": None, "foreign": True}, "was {'groups': ['staff']} and is not ours"),
]


def changed(part: str, change: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**BEFORE, part: {**BEFORE[part], **change}}


@pytest.mark.parametrize(("part", "change", "reason"), CHANGES)
def test_each_kind_of_change_is_found(part: str, change: dict[str, t.Any], reason: str) -> None:
    found = undeclared(BEFORE, changed(part, change), set(KINDS.values()) - {KINDS[part]})
    assert [one["kind"] for one in found] == [KINDS[part]]
    assert reason in found[0]["reason"]


@pytest.mark.parametrize(("part", "change", "reason"), CHANGES)
def test_what_came_is_found_like_what_went(part: str, change: dict[str, t.Any], reason: str) -> None:
    assert [one["kind"] for one in undeclared(changed(part, change), BEFORE, ())] == [KINDS[part]]


@pytest.mark.parametrize(("part", "change", "reason"), CHANGES)
def test_what_was_declared_may_change(part: str, change: dict[str, t.Any], reason: str) -> None:
    assert undeclared(BEFORE, changed(part, change), [KINDS[part]]) == []


def test_where_nothing_changed_nothing_is_found() -> None:
    reordered = changed("migrations", {"current": ["0001", "0002"]})
    noted = {**reordered, "receipt": {"releases": []}, "pool": {"state": "drained"}, "artifacts": {**BEFORE["artifacts"], "staged": [{"version": "2.0.0"}]}}
    assert undeclared(BEFORE, noted, ()) == []


@pytest.mark.parametrize("seconds", [0.01, -3600.0])
def test_a_clock_that_moved_has_restarted_nothing(seconds: float) -> None:
    """When a process started is worked out from the clock of today, which is put right all the time."""
    after = changed("service", {"started_at": BEFORE["service"]["started_at"] + seconds, "others": [{**WORKER, "started_at": 6.0 + seconds}]})
    assert undeclared(changed("service", {"others": [WORKER]}), after, ()) == []


@pytest.mark.parametrize("part", KINDS)
def test_what_one_survey_did_not_look_at_is_no_change(part: str) -> None:
    assert undeclared(BEFORE, {**BEFORE, part: None}, ()) == []
    assert undeclared({**BEFORE, part: None}, BEFORE, ()) == []


@pytest.mark.parametrize(
    ("part", "unseen", "what"),
    [
        ("service", {"known": False, "running": False, "pid": None, "started_at": None}, "the service"),
        ("migrations", {"readable": False, "current": []}, "the database"),
        ("cache", {"reachable": False, "stored": None}, "the cache"),
    ],
)
def test_what_cannot_be_seen_any_more_may_have_changed_and_what_could_not_be_seen_before_is_no_change(part: str, unseen: dict[str, t.Any], what: str) -> None:
    after = {**BEFORE, part: {**unseen, "reason": "it is down"}}
    assert undeclared(BEFORE, after, ()) == [{"kind": KINDS[part], "reason": f"{what} was read before and cannot be read now: it is down"}]
    assert undeclared(BEFORE, after, [KINDS[part]]) == []
    assert undeclared(after, BEFORE, ()) == []


WORKER: dict[str, t.Any] = {"name": "mailer", "known": True, "running": True, "pid": 20, "started_at": 6.0, "ticks": 600}


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"pid": 21}, ["the process (pid, ticks at its start) of mailer was (20, 600) and is (21, 600)"]),
        ({"running": False}, ["the process (pid, ticks at its start) of mailer was (20, 600) and is not running"]),
        ({"known": False}, []),
        ({"name": "clock", "pid": 21}, []),
        ({"version": "2.0.0", "stale": True}, []),
    ],
)
def test_a_worker_restarted_undeclared_is_found(change: dict[str, t.Any], reasons: list[str]) -> None:
    before, after = changed("service", {"others": [WORKER]}), changed("service", {"others": [{**WORKER, **change}]})
    assert [one["reason"] for one in undeclared(before, after, ["install"])] == reasons
    assert undeclared(before, after, ["restart"]) == []


def test_a_flag_of_an_earlier_release_that_changed_is_found() -> None:
    stars = {"flag": "stars", "audience": {"everyone": True}, "foreign": False, "reason": ""}
    before, after = changed("flag", {"others": [stars]}), changed("flag", {"others": [{**stars, "audience": None}]})
    assert [one["reason"] for one in undeclared(before, after, ["install"])] == ["the audience of stars was {'everyone': True} and is nothing"]


def test_several_changes_are_all_found() -> None:
    after = {**changed("cache", {"stored": "f2"}), "flag": {**BEFORE["flag"], "audience": None}}
    assert [one["kind"] for one in undeclared(BEFORE, after, ["install"])] == ["flush_cache", "enable_feature"]


def test_live_version() -> None:
    assert live_version(BEFORE) == "1.0.0"
    assert live_version({"artifacts": {"live": None}}) is None
    assert live_version({"artifacts": None}) is None
    assert live_version({}) is None
