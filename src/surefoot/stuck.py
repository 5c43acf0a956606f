"""An ansible-playbook that waits for ever: a worker that is killed (out of memory, say) while it writes a result takes the lock of that queue with it.

ansible-core (seen in 2.19) notices the dead worker, wants to write to the queue itself before it ends, and waits for the lock without a limit.
"""

from __future__ import annotations

import os
import pathlib
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.service.process import stat_of

STUCK_SECONDS = 30.0
"""For how long it has to wait for a lock without a tick of the processor. One that waits for its workers looks for them all the time."""

LOOK_SECONDS = 1.0
"""How often is looked, at most."""

TOLD = "stuck: it waits for a worker that was killed"
"""The status of a run that was ended for that."""


class Stuck:
    """Looks at the ansible-playbook that this process began and that works in the private directory `name`. Where the system does not tell, none is stuck."""

    def __init__(self, name: str, *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self.found = False
        self._name = os.fsencode(name)
        self._clock = clock
        self._looks_at = clock()
        self._pid: int | None = None
        self._still: tuple[int, float] | None = None

    def look(self) -> bool:
        """Whether it is stuck, as of the last look."""
        now = self._clock()
        if not self.found and now >= self._looks_at:
            self._looks_at = now + LOOK_SECONDS
            self._pid = self._pid or _child(self._name)
            ticks = _waits_for_a_lock(self._pid) if self._pid else None
            if ticks is None:
                self._still = None
            elif self._still is None or self._still[0] != ticks:
                self._still = ticks, now
            else:
                self.found = now - self._still[1] >= STUCK_SECONDS
        return self.found


def _child(name: bytes) -> int | None:
    """The child of this process with `name` in its environment."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if stat_of(int(process.name))[1] == str(os.getpid()) and name in (process / "environ").read_bytes():
                return int(process.name)
        except (OSError, IndexError):
            continue
    return None


def _waits_for_a_lock(pid: int) -> int | None:
    """The ticks that a process had on the processor, where its main thread waits for a lock; else None."""
    try:
        waits = pathlib.Path(f"/proc/{pid}/wchan").read_text().startswith("futex")
        fields = stat_of(pid)
        return int(fields[11]) + int(fields[12]) if waits else None
    except (OSError, IndexError):
        return None
