# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One poller with a deadline; whoever calls it turns its last observation into words."""

from __future__ import annotations

import fcntl
import time
import typing as t

Seen = t.TypeVar("Seen")


def poll(observe: t.Callable[[], Seen], good: t.Callable[[Seen], bool], *, timeout: float, interval: float) -> tuple[Seen, bool]:
    """Observe at once and then every `interval` seconds until it is good or `timeout` seconds are over: the last observation, and whether it is good."""
    deadline = time.monotonic() + timeout
    while True:
        seen = observe()
        if good(seen):
            return seen, True
        left = deadline - time.monotonic()
        if left <= 0:
            return seen, False
        time.sleep(min(interval, left))


def lock_file(descriptor: int, *, timeout: float, interval: float) -> bool:
    """Lock an open file against other processes, waiting at most `timeout` seconds: whether it is ours. The kernel lets go of it with the last descriptor."""

    def taken() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    return poll(taken, bool, timeout=timeout, interval=interval)[1]
