# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of a database and an artifact → which migrations to run, and why. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused

BASE = "base"


@dataclasses.dataclass(frozen=True)
class State:
    """What the artifact brings and what the database holds; ids throughout.

    `order` has every id that either side knows, oldest first, and `parents` the ids each of them builds upon. `known` are those in the artifact,
    `applied` those in the database, `current` the newest of them as the engine records it. `drift` says per id why the two sides contradict
    each other. `irreversible` have no way down.
    """

    order: tuple[str, ...]
    parents: t.Mapping[str, tuple[str, ...]]
    known: frozenset[str]
    current: tuple[str, ...]
    applied: tuple[str, ...]
    drift: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    irreversible: frozenset[str] = frozenset()

    @property
    def unknown(self) -> tuple[str, ...]:
        """In the database and not in the artifact, oldest first."""
        return tuple(item for item in self.applied if item not in self.known)

    @property
    def pending(self) -> tuple[str, ...]:
        """In the artifact and not in the database, oldest first."""
        return tuple(item for item in self.order if item in self.known and item not in self.applied)

    def recorded(self) -> dict[str, list[str]]:
        """The part of the state a step reports: `{current, applied}`."""
        return dict(current=list(self.current), applied=list(self.applied))

    def lineage(self, target: str) -> frozenset[str]:
        """`target` and everything it builds upon."""
        found: set[str] = set()
        todo = [] if target == BASE else [target]
        while todo:
            item = todo.pop()
            if item not in found:
                found.add(item)
                todo.extend(self.parents.get(item, ()))
        return frozenset(found)

    def descendants(self, target: str) -> frozenset[str]:
        """Everything that builds upon `target`, itself not included."""
        if target == BASE:
            return frozenset(self.order)
        found = {target}
        for item in self.order:
            if not found.isdisjoint(self.parents.get(item, ())):
                found.add(item)
        return frozenset(found - {target})


@dataclasses.dataclass(frozen=True)
class Decision:
    """The migrations to run, in the order of running, and a sentence why. `reversible` is True if each of them can be taken back."""

    ids: tuple[str, ...]
    reason: str
    reversible: bool = True

    @property
    def needed(self) -> bool:
        return bool(self.ids)


def decide(state: State, direction: str, to: str | None) -> Decision:
    """What C(state=migrated) or C(state=reverted) means for this state. Raises InvalidInput and Refused."""
    return go_back(state, to or BASE) if direction == "reverted" else go_forward(state, to)


def go_forward(state: State, to: str | None) -> Decision:
    """The migrations that lead up to `to`, or to the newest of the artifact."""
    _check_exists(state, to)
    if state.drift:
        raise Refused(
            "The migrations of this artifact contradict what was applied",
            seen=["%s %s" % pair for pair in sorted(state.drift.items())],
            todo="put the applied text back and write the change as a new migration, numbered after the newest one",
        )
    wanted = state.lineage(to) if to else state.known
    missing = tuple(item for item in state.order if item in wanted and item not in state.applied)
    if not missing:
        _check_not_older(state, to)
        return Decision((), _reason_not_needed(state, to))
    if state.unknown:
        raise Refused(
            "The database is ahead of this artifact, which wants to migrate further",
            seen="applied but not in the artifact: %s; in the artifact but not applied: %s" % (_list(state.unknown), _list(missing)),
            todo="release an artifact that holds both, or go back with the artifact that brought the unknown ones",
        )
    reason = "migration needed: %s not applied yet; the database is at %s" % (_list(missing), _at(state))
    return Decision(missing, reason, reversible=not state.irreversible.intersection(missing))


def go_back(state: State, to: str) -> Decision:
    """The migrations to take back, newest first, until `to` is the newest one left."""
    _check_exists(state, to)
    seen = "the database is at %s%s" % (_at(state), "; not in this artifact: %s" % _list(state.unknown) if state.unknown else "")
    if to != BASE and to not in state.applied:
        raise Refused(
            "Going back to %s is not possible, because it is not known to be applied" % to,
            seen=seen,
            todo="use the artifact that brought the newest migration, or migrate forward",
        )
    later = state.descendants(to)
    undone = tuple(item for item in reversed(state.order) if item in state.applied and item in later)
    stuck = [item for item in undone if item in state.irreversible]
    if stuck:
        raise Refused(
            "Going back to %s is not possible, because there is no way down from %s" % (to, _list(stuck)),
            seen=seen,
            todo="use an artifact that knows the way down, or write a new migration that leads forward to the wanted schema",
        )
    if not undone:
        return Decision((), "nothing to take back: the database is at %s" % _at(state))
    # Coming back up needs the files, which the artifact at hand may not have.
    return Decision(undone, "going back to %s takes back %s" % (to, _list(undone)), reversible=state.known.issuperset(undone))


def after(state: State, direction: str, ids: t.Collection[str]) -> State:
    """The state that running `ids` in `direction` leads to."""
    if not ids:
        return state
    held = set(state.applied) - set(ids) if direction == "reverted" else set(state.applied) | set(ids)
    return dataclasses.replace(state, current=tuple(_heads(state, held)), applied=tuple(item for item in state.order if item in held))


def undo(state: State, done: State) -> dict[str, str] | None:
    """The `to` that leads from `done` back to `state`, or None where one `to` cannot say it."""
    before, now = set(state.applied), set(done.applied)
    if before == now:
        return None
    for target in _heads(state, before) or [BASE]:
        # The newer of the two surveys knows every id involved, so lineage and descendants are asked of it.
        back = now - done.descendants(target) if before < now else now | done.lineage(target)
        if back == before:
            return dict(to=target)
    return None


def _heads(state: State, held: set[str]) -> list[str]:
    built_upon = {parent for item in held for parent in state.parents.get(item, ())}
    return [item for item in state.order if item in held and item not in built_upon]


def _check_exists(state: State, to: str | None) -> None:
    if to and to != BASE and to not in state.order:
        raise InvalidInput(
            "There is no migration %s in this artifact or in the database" % to,
            seen=_list(state.order) or "no migrations at all",
            todo="give the whole id as text (in YAML in quotes: 0010 without them is the number 8)",
        )


def _check_not_older(state: State, to: str | None) -> None:
    later = state.descendants(to) if to else frozenset()
    newer = [item for item in state.applied if item in state.known and item in later]
    if newer:
        raise Refused(
            "Migrating to %s would be a way back" % to,
            seen="the database is at %s, %s applied after it" % (_at(state), _list(newer)),
            todo="say state: reverted if that is meant",
        )


def _reason_not_needed(state: State, to: str | None) -> str:
    reason = "no migration needed: %s applied, the database is at %s" % ("%s is" % to if to and to != BASE else "all of this artifact are", _at(state))
    if state.unknown:
        reason += ", which is ahead of this artifact (it does not know %s)" % _list(state.unknown)
    return reason


def _at(state: State) -> str:
    return _list(state.current) or BASE


def _list(ids: t.Iterable[str]) -> str:
    return ", ".join(ids)
