"""No batch begins while any host of the fleet is behind."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.fleet import PHASES, before, behind, left_drained, told_left_drained

PLANNED = {"stage": ["a1", "a2"], "migrate": ["a1"], "roll": ["a1", "a2"], "flush_cache": ["c1"], "enable_feature": ["a1", "a2"]}
FINE: dict[str, t.Any] = {name: {"changed": True} for name in PHASES.values()}


def found(phase: str, left: dict[str, dict[str, t.Any]] | None = None, lost: t.Collection[str] = ()) -> dict[str, str]:
    """Who is behind where every host got through everything but for what is said in `left`, by host and variable."""
    return behind(before(phase), PLANNED, lambda host, name: {**FINE, **(left or {}).get(host, {})}.get(name), lost)


@pytest.mark.parametrize("phase", [*PHASES, "verify"])
def test_nobody_is_behind(phase: str) -> None:
    assert found(phase) == {}


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (None, "no result"),
        ("text", "no result"),
        ({"failed": True}, "failed"),
        ({"unreachable": True}, "unreachable"),
        ({"failed": True, "unreachable": True}, "unreachable"),
    ],
)
@pytest.mark.parametrize("earlier", PHASES)
def test_a_host_that_did_not_get_through_an_earlier_phase(earlier: str, result: t.Any, what: str) -> None:
    host = PLANNED[earlier][0]
    assert found("verify", {host: {PHASES[earlier]: result}}) == {host: f"{what} in phase {earlier}"}


def test_the_phases_before_a_phase() -> None:
    assert before("stage") == ()
    assert before("roll") == ("stage", "migrate")
    assert before("verify") == tuple(PHASES)


def test_what_comes_later_is_not_asked_for() -> None:
    nothing_yet = {host: {PHASES["roll"]: None, PHASES["flush_cache"]: None} for host in ("a1", "a2", "c1")}
    assert found("roll", nothing_yet) == {}
    assert found("flush_cache", nothing_yet) == {"a1": "no result in phase roll", "a2": "no result in phase roll"}


def test_where_no_host_has_a_pool_the_roll_ends_with_the_restart() -> None:
    def without_pool(**left: t.Any) -> dict[str, str]:
        return behind(("roll",), {"roll": ["a1"]}, lambda host, name: left.get(name), (), without_pool=True)

    assert without_pool(restart_result={"skipped": True}) == {}
    assert without_pool(restart_result={"failed": True}) == {"a1": "failed in phase roll"}
    assert without_pool(restart_restored={"changed": True}) == {"a1": "no result in phase roll"}


def test_the_first_phase_asks_for_nothing() -> None:
    assert behind(before("stage"), PLANNED, lambda host, name: None, ()) == {}


def test_a_host_that_was_not_planned_for_a_phase_leaves_nothing() -> None:
    assert found("verify", {"a2": {PHASES["migrate"]: None}, "c1": {PHASES["roll"]: None}}) == {}
    assert behind(before("verify"), {}, lambda host, name: None, ()) == {}


def test_a_host_lost_to_the_play_is_behind_whatever_it_left() -> None:
    assert found("roll", lost=["a2"]) == {"a2": "lost to this play"}
    assert found("roll", {"a2": {PHASES["stage"]: {"failed": True}}}, lost=["a2"]) == {"a2": "failed in phase stage"}


DRAINED = {"step": {"kind": "pool_member", "after": {"state": "drained"}}}
RESTORED = {"step": {"kind": "pool_member", "after": {"state": "in_pool"}}}


@pytest.mark.parametrize("restored", [None, {"failed": True, "msg": "not healthy"}, {"unreachable": True}])
def test_a_host_that_was_taken_out_of_its_pool_and_not_put_back_is_left_drained(restored: t.Any) -> None:
    left = {"a1": {"restart_drained": DRAINED, "restart_restored": restored}, "a2": {"restart_drained": DRAINED, "restart_restored": RESTORED}}
    assert left_drained(["a1", "a2", "a3"], lambda host, name: left.get(host, {}).get(name)) == ("a1",)


@pytest.mark.parametrize("drained", [None, {"skipped": True}, {"failed": True, "msg": "no socket"}, {"step": {"after": {"state": "in_pool"}}}])
def test_a_host_that_was_not_taken_out_is_not_left_drained(drained: t.Any) -> None:
    assert left_drained(["a1"], lambda _host, name: {"restart_drained": drained}.get(name)) == ()


def test_a_host_that_is_behind_and_left_drained_is_told_as_both() -> None:
    left = {"a1": {"restart_drained": DRAINED, "restart_restored": None}}
    assert found("flush_cache", left) == {"a1": "no result in phase roll, left drained"}


def test_who_is_left_drained_and_what_to_do_is_one_sentence() -> None:
    assert told_left_drained(["a1"]).startswith("a1 is left drained, so no user is sent there; next: see to it, then run the same command again")
    assert told_left_drained(["a1", "a2"]).startswith("a1, a2 are left drained")
