# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel knows about a process, and what is live on disk. No clock of a program is trusted where the kernel knows better."""

from __future__ import annotations

import dataclasses
import os
import time


@dataclasses.dataclass(frozen=True)
class Process:
    """A living process. `ticks` since boot and `pid` together name it for good; `started_at` is in seconds since the epoch, by today's clock."""

    pid: int
    ticks: int
    started_at: float = dataclasses.field(compare=False)


@dataclasses.dataclass(frozen=True)
class Home:
    """The release a process runs in. `deleted` is True where that directory is gone from disk, or another of the same name has taken its place."""

    version: str
    deleted: bool
    directory: str


@dataclasses.dataclass(frozen=True)
class Live:
    """The release that `current` points to, and since when (seconds since the epoch)."""

    version: str
    since: float


def find(pid: int) -> Process | None:
    """The process with this pid, or None where there is none or only its remains wait to be collected."""
    fields = stat_of(pid)
    if not fields:
        return None
    ticks = int(fields[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return Process(pid, ticks, round(time.time() - age, 2))


def now_in_ticks() -> int:
    """The `ticks` of a process that would be started now."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def workers_of(pid: int) -> tuple[Process, ...]:
    """The living children of a process, the oldest first."""
    children = (int(name) for name in os.listdir("/proc") if name.isdigit() and (stat_of(int(name)) or ["", ""])[1] == str(pid))
    return tuple(sorted(filter(None, map(find, children)), key=lambda child: child.ticks))


def stat_of(pid: int) -> list[str]:
    """What the kernel says of a living process, beginning with its state and its parent; nothing where there is none."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if not fields or fields[0] in ("Z", "X") else fields


def home_of(pid: int, path: str) -> Home | None:
    """The release below `path` that the process works in or was started from; None where neither is below `path`/releases, or we may not look."""
    releases = os.path.join(os.path.realpath(path), "releases") + os.sep
    for link in ("cwd", "exe"):
        try:
            directory = os.readlink("/proc/%d/%s" % (pid, link))
        except OSError:
            continue
        if directory.startswith(releases):
            place = directory[: -len(" (deleted)")] if directory.endswith(" (deleted)") else directory
            return Home(place[len(releases) :].split(os.sep)[0], place != directory, place)
    return None


def live_in(path: str) -> Live | None:
    """What is live below `path`; None where `current` is not there or is not a link."""
    link = os.path.join(path, "current")
    try:
        return Live(os.path.basename(os.path.normpath(os.readlink(link))), os.lstat(link).st_mtime)
    except OSError:
        return None
