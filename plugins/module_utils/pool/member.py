# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a pool, seen from one of its members, and where each kind is found."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a member stands.

    `state` is C(in_pool), C(drained) or C(unknown), `detail` says it in the pool's own words. `ours` is False where somebody else drained the member, and
    then it is theirs to put back. `since` is when it was drained (seconds since the epoch), `open` the number of requests still open, `up` whether the
    balancer finds it healthy; each None where the pool does not tell.
    """

    state: str
    detail: str
    ours: bool = True
    since: float | None = None
    open: int | None = None
    up: bool | None = None


class Member(t.Protocol):
    """One member of a pool. Raises Refused where the pool cannot be asked, StepFailed where it does not do what it is told."""

    def look(self) -> Standing:
        """Where the member stands now."""

    def drain(self) -> None:
        """Have nobody new sent to the member."""

    def restore(self) -> None:
        """Have users sent to the member again."""


class Alone:
    """A service that no pool stands before: there is nothing to take it out of."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        pass

    def look(self) -> Standing:
        """Always in the pool, whatever it is told."""
        return Standing("in_pool", "there is no pool")

    def drain(self) -> None:
        """Nothing to do."""

    def restore(self) -> None:
        """Nothing to do."""


def open_member(params: t.Mapping[str, t.Any], run: Run) -> Member:
    """The member that `params` (the options of the pool_member module) name. Raises InvalidInput where an option it needs is missing or wrong."""
    # Imported here because each backend's file needs the interface above.
    from ansible_collections.surefoot.release.plugins.module_utils.pool.command import Command
    from ansible_collections.surefoot.release.plugins.module_utils.pool.file import File
    from ansible_collections.surefoot.release.plugins.module_utils.pool.haproxy import Haproxy

    backends: dict[str, t.Callable[..., Member]] = dict(none=Alone, file=File, command=Command, haproxy=Haproxy)
    return backends[params["backend"]](params, run)
