# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One migrator at a time: waiting for the lock of a database, holding it, and noticing when it was lost."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import Lock
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

INTERVAL = 0.25


@contextlib.contextmanager
def hold(lock: Lock, wait: float) -> t.Iterator[Lock]:
    """Hold `lock`, having waited for it at most `wait` seconds. Raises Busy if it could not be had, StepFailed if it was lost meanwhile."""
    try:
        _seen, acquired = poll(lock.acquire, bool, timeout=wait, interval=INTERVAL)
        if not acquired:
            raise Busy(
                "Another migration of this database is under way and did not end within %d s" % wait,
                seen=lock.holder(),
                todo="wait for it and run again, or find out what it waits for; lock_wait sets how long to wait",
            )
        yield lock
    except BaseException:
        lock.close()
        raise
    if not lock.release():
        raise StepFailed(
            "The migration ended, but its lock was lost meanwhile",
            todo="make sure that no other migration ran, and give a URL that leads to the server directly and not through a connection pooler",
        )
