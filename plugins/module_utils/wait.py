# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One poller with a deadline; whoever calls it turns its last observation into words."""

from __future__ import annotations

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
