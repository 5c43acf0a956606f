# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who leaves the pool together, and in which order. Hosts that are down are counted over the whole roll and not only over a batch."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal, Survey
from ansible_collections.surefoot.release.plugins.plugin_utils.units import batch_sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Roll:
    """The batches of a roll, or why it must not begin."""

    batches: tuple[tuple[str, ...], ...] = ()
    refusal: Refusal | None = None


def roll_of(
    hosts: t.Sequence[str],
    surveys: t.Mapping[str, Survey],
    declared: t.Sequence[t.Any],
    leaving: t.Collection[str],
    *,
    back: bool = False,
    away: t.Collection[str] = (),
) -> Roll:
    """The roll over those of `hosts` that were surveyed, by the `declared` batches; `leaving` are those that leave the pool for it.

    Hosts that serve nobody go first and in batches of their own: it costs no user anything, and one that does not come up stops the rest. Where no pool tells,
    these are the ones known to be `away`. The others follow, never so many that more are down at once than in the largest declared batch.

    On the way `back`, to what is known to be good, those that serve nobody are one batch, and nothing is refused, since what users have now is worse.
    """
    if not hosts:
        return Roll()
    sizes = batch_sizes(declared, len(hosts))
    first = [host for host in hosts if host in surveys and not _serves(surveys[host], away=host in away)]
    others = [host for host in hosts if host in surveys and host not in first]
    stay = [host for host in hosts if (_stays_out(surveys[host]) if host in surveys else back)]
    room = max(sizes) - len(stay)
    if room < 1 and not back and any(host in leaving for host in others):
        return Roll(refusal=_too_many(stay, max(sizes)))
    # The last size repeats, since batches of their own may be more batches than were declared.
    left = itertools.chain(sizes, itertools.repeat(sizes[-1]))
    leading = ((tuple(first),) if first else ()) if back else _cut(first, left)
    return Roll(batches=(*leading, *_cut(others, (max(1, min(size, room)) for size in left))))


def _cut(hosts: t.Sequence[str], sizes: t.Iterator[int]) -> tuple[tuple[str, ...], ...]:
    batches: list[tuple[str, ...]] = []
    while hosts:
        size = next(sizes)
        batches.append(tuple(hosts[:size]))
        hosts = hosts[size:]
    return tuple(batches)


def _serves(survey: Survey, *, away: bool) -> bool:
    """Whether users are sent to a host. Where no pool tells, they are unless it is known to be `away`."""
    pool, service = survey.get("pool") or {}, survey.get("service") or {}
    if pool.get("state") == "drained" or pool.get("up") is False or service.get("running") is False:
        return False
    return not away or (pool.get("state") == "in_pool" and pool.get("backend") != "none")


def _stays_out(survey: Survey) -> bool:
    """Whether a host is out of its pool by another hand, which a release leaves as it is."""
    pool = survey.get("pool") or {}
    return pool.get("state") == "drained" and pool.get("ours") is False


def _too_many(stay: t.Sequence[str], most: int) -> Refusal:
    are, them = ("are", "them") if len(stay) > 1 else ("is", "it")
    return Refusal(
        message=f"Too many hosts would be out of the pool at once: {', '.join(stay)} {are}, by another hand, and the batches allow {most}",
        todo=f"put {them} back in the pool, take {them} out of the inventory, or declare larger batches under restart.batches",
    )
