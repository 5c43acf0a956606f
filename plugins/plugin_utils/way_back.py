# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: a release that undoes another, in the same vocabulary and through the same modules."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from ansible_collections.surefoot.release.plugins.plugin_utils.step_values import check_values

Before = t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]]
"""For each kind of step and each host the state found before the release, as plans give it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WayBack:
    """The release that undoes another, or None with the `obstacles` where there is no way back; `unknown` is what is only seen later."""

    release: Release | None
    obstacles: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


NOTHING_TO_UNDO = "there is nothing to undo"
NOTHING_BEFORE = "nothing was live before"
HARMLESS = frozenset({NOTHING_TO_UNDO, NOTHING_BEFORE})
"""Obstacles that leave nobody worse off: nothing is changed, or there was nothing that users could go back to."""


def irrevocable(release: Release, before: Before) -> tuple[str, ...]:
    """Why users could not be given back what they had, once `release` is begun; empty where they could, or had nothing."""
    if release.playbook:
        return ("what a playbook of its own does is not undone by surefoot",)
    return tuple(obstacle for obstacle in checked(release, before).obstacles if obstacle not in HARMLESS)


def checked(release: Release, before: Before) -> WayBack:
    """The way back, and whether what it leads to is there: asked before the first step. Once it has to be taken, it is tried all the same."""
    back = way_back(release, before)
    lacking = tuple(_lacking(release, before.get("install", {})))
    return dataclasses.replace(
        back, release=None if lacking else back.release, obstacles=(*back.obstacles, *lacking), unknown=tuple(_unknown(release, before.get("migrate", {})))
    )


def _lacking(release: Release, before: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Iterator[str]:
    """What was live before and could not be made live again, or was never verified; hosts that have the version of the release are not asked."""
    for told, what in (("staged", "is no artifact of ours on {0}, so it could not be made live again"), ("verified", "was never verified on {0}")):
        hosts = [host for host, state in before.items() if state.get("live") not in {None, release.version} and state.get(told) is False]
        if hosts:
            yield f"{before[hosts[0]]['live']} {what.format(', '.join(hosts))}"


def _unknown(release: Release, before: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Iterator[str]:
    if any("irreversible" in state and state["irreversible"] is None for state in before.values()):
        yield f"whether the migration can be taken back is known once {release.steps['migrate']['version']} is staged"


def way_back(release: Release, before: Before) -> WayBack:
    """The way back from `release`, by the state `before` it.

    A migration that cannot be reverted is an obstacle only where it is to be run; hosts that differed before have no common way back.
    """
    steps: dict[str, t.Mapping[str, t.Any]] = {}
    obstacles: list[str] = []
    for kind in release.steps:
        undone = _UNDO[kind](release, list(before.get(kind, {}).values()))
        if isinstance(undone, str):
            obstacles.append(undone)
        elif undone is not None:
            obstacles.extend(_unusable(kind, undone))
            steps[kind] = undone
    if obstacles:
        return WayBack(release=None, obstacles=tuple(obstacles))
    if not steps:
        return WayBack(release=None, obstacles=(NOTHING_TO_UNDO,))
    return WayBack(release=dataclasses.replace(release, why=f"The way back from {release.name}", steps=steps, soak=0.0, hooks={}, verify=()))


Undone = t.Mapping[str, t.Any] | str | None


def _unusable(kind: str, step: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """What hosts said was there before, and no release may say: it is shown, and led back to by nobody."""
    try:
        check_values(kind, step)
    except InvalidInput as error:
        yield f"what was there before is nothing to go back to: {error.message}, found: {error.seen}"


def _migrate(release: Release, before: list[t.Mapping[str, t.Any]]) -> Undone:
    states = [list(state.get("current") or ()) for state in before]
    if not states:
        return "what the database held before is not known"
    if len(states[0]) > 1:
        return f"the database had several heads: {', '.join(states[0])}"
    step, stuck = release.steps["migrate"], before[0].get("irreversible")
    if step.get("state") == "reverted":
        return {"version": step["version"], "to": states[0][0]} if states[0] else None
    if stuck:
        return f"there is no way down from {', '.join(stuck)}"
    return {"version": step["version"], "to": states[0][0] if states[0] else "base", "state": "reverted"}


def _install(release: Release, before: list[t.Mapping[str, t.Any]]) -> Undone:
    versions = sorted({str(state.get("live")) for state in before if state.get("live") != release.version})
    if not versions:
        return None
    if len(versions) > 1:
        return f"different versions were live before: {', '.join(versions)}"
    return NOTHING_BEFORE if versions == ["None"] else {"version": versions[0]}


def _restart(release: Release, before: list[t.Mapping[str, t.Any]]) -> Undone:
    return dict(release.steps["restart"])


def _flush_cache(release: Release, before: list[t.Mapping[str, t.Any]]) -> Undone:
    return dict(release.steps["flush_cache"])


def _enable_feature(release: Release, before: list[t.Mapping[str, t.Any]]) -> Undone:
    flag = release.steps["enable_feature"]["flag"]
    audiences = [state.get("audience") for state in before]
    if not audiences:
        return f"whom {flag} was open to before is not known"
    if any(audience != audiences[0] for audience in audiences):
        return f"{flag} was open to different audiences before"
    return {"flag": flag, "audience": audiences[0]} if audiences[0] else {"flag": flag, "state": "absent"}


_UNDO: t.Mapping[str, t.Callable[[Release, list[t.Mapping[str, t.Any]]], Undone]] = {
    "migrate": _migrate,
    "install": _install,
    "restart": _restart,
    "flush_cache": _flush_cache,
    "enable_feature": _enable_feature,
}
