# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts fell behind in one release, counted over the whole fleet and not only over a batch."""

from __future__ import annotations

import typing as t

PHASES: t.Mapping[str, str] = {
    "stage": "install_staged",
    "migrate": "migrate_result",
    "roll": "restart_restored",
    "flush_cache": "flush_cache_result",
    "enable_feature": "enable_feature_result",
}
"""The phases of a release that touch hosts, in order, each with the variable its last task leaves on every host that got through."""


def before(phase: str) -> tuple[str, ...]:
    """The phases of a release that come before `phase`; of all of them where it is none of them."""
    names = list(PHASES)
    return tuple(names[: names.index(phase)] if phase in names else names)


def behind(
    after: t.Sequence[str],
    planned: t.Mapping[str, t.Sequence[str]],
    variable: t.Callable[[str, str], t.Any],
    lost: t.Collection[str],
    *,
    without_pool: bool = False,
) -> dict[str, str]:
    """The hosts that did not get through the phases `after` which the next one comes, or are `lost` to the play, each with what happened.

    `planned` maps each phase to its hosts; `variable(host, name)` gives what a task left on a host, or None. Where the whole fleet is `without_pool`, the roll
    ends with the restart.
    """
    found = dict.fromkeys(lost, "lost to this play")
    last = {**PHASES, "roll": "restart_result"} if without_pool else PHASES
    for earlier in after:
        for host in planned.get(earlier, ()):
            problem = _problem(variable(host, last[earlier]))
            if problem:
                found[host] = f"{problem} in phase {earlier}"
    for host in left_drained(found, variable):
        found[host] += ", left drained"
    return found


def left_drained(hosts: t.Iterable[str], variable: t.Callable[[str, str], t.Any]) -> tuple[str, ...]:
    """Those of the hosts that were taken out of their pool and not put back, in order, by what the tasks of the restart role left on them."""
    return tuple(host for host in hosts if _drained(variable(host, "restart_drained")) and _problem(variable(host, "restart_restored")))


def told_left_drained(hosts: t.Collection[str]) -> str:
    """Hosts that are left drained, and what to do about them, in one sentence."""
    them = "them" if len(hosts) > 1 else "it"
    are = "are" if len(hosts) > 1 else "is"
    return (
        f"{', '.join(hosts)} {are} left drained, so no user is sent there; next: see to {them}, then run the same command again, "
        f"which puts {them} back in the pool when healthy"
    )


def told_perhaps_drained(host: str) -> str:
    """A host that was lost while it was taken out of its pool, and what to do about it."""
    return (
        f"{host} was lost while it was taken out of its pool, and may be left drained; next: see to it, then run the same command again, "
        "which puts it back in the pool when healthy"
    )


def _drained(left: t.Any) -> bool:
    return isinstance(left, t.Mapping) and bool(left.get("step")) and left["step"]["after"].get("state") == "drained"


def _problem(left: t.Any) -> str | None:
    if not isinstance(left, t.Mapping):
        return "no result"
    if left.get("unreachable"):
        return "unreachable"
    return "failed" if left.get("failed") else None
