# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping a lock for a holder that works elsewhere, as long as a file of its own is there. The file's time says when the last good beat was begun."""

from __future__ import annotations

import os
import time
import typing as t

Answer = t.Mapping[str, t.Any]
"""What a beat brought: `failed` where the lock could not be refreshed, `lost` where it is certain that another has it, or nobody."""

LOOK_SECONDS = 0.03
"""How often is looked whether the holder has ended."""


def clock() -> float:
    """Seconds that go on while the machine is suspended, where the system counts them. Every process of a machine reads the same."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def begin(heart: str) -> None:
    """Make the file that says that a holder works, and has the lock from now on."""
    with open(heart, "x", encoding="utf-8"):
        os.utime(heart, (clock(), clock()))


def last_beat(heart: str) -> float:
    """When the last good beat was begun, by clock()."""
    return os.stat(heart).st_mtime


def keep(beat: t.Callable[[], Answer], heart: str, ttl: float, alive: t.Callable[[], bool], sleep: t.Callable[[float], None] = time.sleep) -> Answer:
    """Beat every quarter of `ttl` seconds until the holder removes `heart` or is not `alive`; the last answer.

    A beat that fails is tried again until half of `ttl` has gone without a good one: the holder is told in time to stop before others count it as dead.
    """
    try:
        good = last_beat(heart)
    except FileNotFoundError:  # the holder has ended already
        return {}
    due = good + ttl / 4
    answer: Answer = {}
    while os.path.exists(heart) and alive():
        if clock() < due:
            sleep(min(LOOK_SECONDS, ttl / 60))
            continue
        begun = clock()
        answer = beat()
        if not answer.get("failed"):
            good, due = begun, begun + ttl / 4
            try:
                os.utime(heart, (good, good))
            except FileNotFoundError:
                break
        elif answer.get("lost") or clock() - good >= ttl / 2:
            return answer
        else:
            due = clock() + ttl / 60
    return {} if answer.get("failed") else answer
