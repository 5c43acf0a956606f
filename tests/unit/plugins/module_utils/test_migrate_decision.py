from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.migrate import alembic, decision
from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import State


def line(known: str, applied: str, **more: t.Any) -> State:
    """A straight line of one-letter ids."""
    order = sorted(set(known + applied))
    return State(
        order=tuple(order),
        parents={item: (before,) for before, item in itertools.pairwise(order)},
        known=frozenset(known),
        current=tuple(applied[-1:]),
        applied=tuple(applied),
        **more,
    )


@pytest.mark.parametrize(
    ("known", "applied", "to", "ids"),
    [
        ("abc", "", None, "abc"),
        ("abc", "a", None, "bc"),
        ("abc", "a", "b", "b"),
        ("abc", "abc", None, ""),
        ("abc", "ab", "b", ""),
        ("", "", None, ""),
        ("ab", "abc", "b", ""),
        ("ab", "abc", None, ""),
        ("ab", "abc", "c", ""),
        ("ab", "", "base", ""),
    ],
)
def test_forward(known: str, applied: str, to: str | None, ids: str) -> None:
    decided = decision.go_forward(line(known, applied), to)
    assert "".join(decided.ids) == ids
    assert decided.needed == bool(ids)


@pytest.mark.parametrize(
    ("known", "applied", "to", "message"),
    [
        ("abc", "abc", "a", "say state: reverted"),
        ("abc", "abc", "base", "say state: reverted"),
        ("abd", "abc", None, "ahead of this artifact"),
        ("ab", "ac", "b", "ahead of this artifact"),
    ],
)
def test_forward_refuses(known: str, applied: str, to: str | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        decision.go_forward(line(known, applied), to)


def test_an_unknown_target_is_bad_input_in_both_directions() -> None:
    for direction in ("migrated", "reverted"):
        with pytest.raises(InvalidInput, match=r"no migration 8 .*0010 without them is the number 8"):
            decision.decide(line("ab", "a"), direction, "8")


def test_says_when_the_database_is_ahead() -> None:
    assert "ahead of this artifact (it does not know c)" in decision.go_forward(line("ab", "abc"), "b").reason


def test_drift_is_refused_even_if_nothing_is_to_be_done() -> None:
    with pytest.raises(Refused, match="a was edited"):
        decision.go_forward(line("ab", "ab", drift={"a": "was edited"}), None)


@pytest.mark.parametrize(("to", "ids"), [("b", "c"), ("a", "cb"), ("base", "cba"), ("c", "")])
def test_back(to: str, ids: str) -> None:
    assert "".join(decision.go_back(line("abc", "abc"), to).ids) == ids


def test_back_is_refused_without_a_way_down_or_to_what_was_never_applied() -> None:
    with pytest.raises(Refused, match="no way down from b"):
        decision.go_back(line("abc", "abc", irreversible=frozenset("b")), "a")
    assert decision.go_back(line("abc", "abc", irreversible=frozenset("b")), "b").ids == ("c",)
    with pytest.raises(Refused, match="not known to be applied"):
        decision.go_back(line("abc", "a"), "b")


def test_reversible_means_that_each_can_be_taken_back() -> None:
    assert decision.go_forward(line("abc", "", irreversible=frozenset("c")), "b").reversible
    assert not decision.go_forward(line("abc", "", irreversible=frozenset("c")), None).reversible
    assert not decision.go_back(line("ab", "abc"), "a").reversible, "the artifact could not come back to c"


@pytest.mark.parametrize(("before", "done", "to"), [("", "ab", "base"), ("a", "abc", "a"), ("abc", "a", "c"), ("ab", "", "b"), ("a", "a", None)])
def test_undo_leads_back(before: str, done: str, to: str | None) -> None:
    assert decision.undo(line("abc", before), line("abc", done)) == (to and {"to": to})


def branches(*heads: str) -> State:
    """base - a - b - d (merge of b and c); c stands beside b. Alembic stores heads only."""
    graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    return alembic.state([{"id": item, "parents": parents, "reversible": True} for item, parents in graph.items()], list(heads))


def test_branches() -> None:
    assert branches("b", "c").applied == ("a", "b", "c")
    assert decision.go_forward(branches("b"), "c").ids == ("c",)
    assert decision.go_forward(branches("b"), None).ids == ("c", "d")
    assert decision.after(branches("b"), "migrated", ["c"]).current == ("b", "c")
    assert decision.undo(branches("b", "c"), branches("d")) == {"to": "b"}
    assert decision.undo(branches("b"), branches("d")) is None, "alembic takes back d only on the way down to b, and c would stay"
    assert decision.go_back(branches("d"), "a").ids == ("d", "c", "b")


def test_a_head_the_artifact_does_not_know_hides_what_is_below_it() -> None:
    state = branches("x")
    assert (state.applied, state.unknown, state.pending) == (("x",), ("x",), ("a", "b", "c", "d"))
    with pytest.raises(Refused, match="ahead of this artifact"):
        decision.go_forward(state, "b")
    with pytest.raises(Refused, match="not in this artifact: x"):
        decision.go_back(state, "b")


def test_two_thousand_migrations_are_decided_at_once() -> None:
    ids = [f"{number:04}" for number in range(2000)]
    parents = dict(zip(ids[1:], [(item,) for item in ids], strict=False))
    state = State(order=tuple(ids), parents=parents, known=frozenset(ids), current=(), applied=())
    decided = decision.go_forward(state, None)
    done = decision.after(state, "migrated", decided.ids)
    assert decision.undo(state, done) == {"to": "base"}
    assert decision.go_back(done, ids[0]).ids[-1] == ids[1]
