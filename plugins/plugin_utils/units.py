# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations, percentages and batches as people write them."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LONGEST = 366 * 24 * 3600.0


def seconds(value: t.Any) -> float:
    """The seconds in `value`: a number, or text such as `90s`, `10m`, `1h30m`, `500ms`, `2d`.

    Raises InvalidInput for anything else, for negative and for more than a year.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        total = float(value)
    else:
        total = _seconds_of_text(str(value).strip())
    if not 0 <= total <= _LONGEST:
        raise InvalidInput("A duration lies between 0 and one year", seen=repr(value))
    return total


def _seconds_of_text(text: str) -> float:
    days = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)d", text)
    if days:
        return float(days[1]) * 24 * 3600
    match = _DURATION.fullmatch(text) if len(text) <= 40 else None
    if not match or not match[0]:
        raise InvalidInput("A duration is written like 500ms, 90s, 10m, 1h30m or 2d", seen=repr(text))
    return sum(float(amount) * _SECONDS[unit] for unit, amount in match.groupdict().items() if amount)


def fraction(value: t.Any) -> float:
    """The fraction (0 to 1) in `value`, text such as `0.1%` or `50%`. Raises InvalidInput for anything else."""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", str(value).strip())
    if not match or float(match[1]) > 100:
        raise InvalidInput("A percentage is written like 0.1% or 50%, and is at most 100%", seen=repr(value))
    return float(match[1]) / 100


def batch_sizes(batches: t.Sequence[t.Any], hosts: int) -> tuple[int, ...]:
    """How many hosts go in each batch, for `hosts` hosts in all; the last size repeats until every host has had its turn.

    A percentage is of all hosts, rounded down, but one host at least, as `serial` has it: no more are taken than was said. Raises InvalidInput for an empty
    list and for sizes below one host.
    """
    if not batches:
        raise InvalidInput("batches needs at least one size", seen=list(batches))
    wanted = [_batch_size(batch, hosts) for batch in batches]
    sizes: list[int] = []
    while sum(sizes) < hosts:
        sizes.append(min(wanted[min(len(sizes), len(wanted) - 1)], hosts - sum(sizes)))
    return tuple(sizes)


def _batch_size(batch: t.Any, hosts: int) -> int:
    if isinstance(batch, bool):
        raise InvalidInput("A batch is a number of hosts or a percentage of them", seen=repr(batch))
    if isinstance(batch, int) or re.fullmatch(r"\d{1,9}", str(batch)):
        size = int(batch)
    else:
        share = fraction(batch)
        size = max(1, math.floor(share * hosts)) if share else 0
    if size < 1:
        raise InvalidInput("A batch holds at least one host", seen=repr(batch))
    return size


def spoken(duration: float) -> str:
    """`duration` (seconds) the way it is written in a feature file: `90s` is `1m30s`, `0.25` is `250ms`."""
    if duration < 1:
        return f"{round(duration * 1000)}ms"
    whole = round(duration, 1) if duration < 60 else round(duration)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{int(hours)}h" if hours else "", f"{int(minutes)}m" if minutes else "", f"{left:g}s" if left or not (hours or minutes) else ""]
    return "".join(parts)
