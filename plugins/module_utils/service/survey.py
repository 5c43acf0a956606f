# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service runs, and whether that is what is live."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import health
from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Manager, Status, open_manager
from ansible_collections.surefoot.release.plugins.module_utils.service.options import units_of
from ansible_collections.surefoot.release.plugins.module_utils.service.process import Home, Live, Process, home_of, live_in, workers_of

_GLANCE_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Observation:
    """Everything the decision is made from.

    `home` is the release the process runs in, as far as the kernel tells; `answered` the version it names itself, asked only where the kernel does not
    tell; `live` what is live on disk; `expected` what it should answer. `workers` are the children of the process of a service that is reloaded, whose own
    directory tells nothing because it outlives its code; None for one that is restarted.
    """

    service: str
    status: Status
    live: Live | None
    home: Home | None
    answered: str | None
    expected: str | None
    workers: tuple[Process, ...] | None = None

    @property
    def version(self) -> str | None:
        """What the process runs, as far as anything tells."""
        return self.home.version if self.home else self.answered


def survey(params: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """What the service holds, for the options of the restart module; a manager that is not there is an answer too.

    Answers `{name, manager, known, running, pid, started_at, ticks, version, stale, reason}`, and under `others` the same of each other unit, in the declared
    order. `started_at` is in seconds since the epoch, by today's clock; `pid` and `ticks`, which no clock moves, name the process.
    """
    found = [_survey_unit(unit, run) for unit in units_of(params)]
    (service,) = (unit for unit in found if unit["name"] == params["service"])
    return dict(service, others=[unit for unit in found if unit is not service])


def _survey_unit(params: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    about = dict(name=params["service"], manager=params["manager"])
    try:
        seen = observe(params, open_manager(params, run))
    except Refused as error:
        return dict(about, known=False, running=False, pid=None, started_at=None, ticks=None, version=None, stale=False, reason=str(error))
    stale, reason = judge(seen, now=time.time())
    process = seen.status.process
    return dict(
        about,
        known=seen.status.phase != "unknown",
        running=seen.status.running,
        pid=process.pid if process else None,
        started_at=process.started_at if process else None,
        ticks=process.ticks if process else None,
        version=seen.version,
        stale=stale,
        reason=reason,
    )


def observe(params: t.Mapping[str, t.Any], manager: Manager) -> Observation:
    """Ask the manager, the kernel, the disk, and only where those leave it open, the service itself."""
    path = params["path"]
    status = manager.status()
    live = live_in(path) if path else None
    reloads = params["method"] != "restart" and status.reloadable and asks_version(params)
    home = home_of(status.process.pid, path) if path and status.process and not reloads else None
    answered = None
    if status.running and home is None and asks_version(params):
        answered = ask_version(params, timeout=_GLANCE_SECONDS)[1]
    workers = (workers_of(status.process.pid) if status.process else ()) if reloads else None
    return Observation(params["service"], status, live, home, answered, expected_version(params, live), workers)


def asks_version(params: t.Mapping[str, t.Any]) -> bool:
    """Whether the service can be asked for its version."""
    return bool(params["version_url"] or params["version_key"] or params["version_header"])


def ask_version(params: t.Mapping[str, t.Any], *, timeout: float) -> tuple[health.Answer, str | None]:
    """What the service answered, and the version in it."""
    url = params["version_url"] or params["health_url"]
    if not url:
        raise InvalidInput("A version_key or version_header needs a URL to ask", todo="give version_url or health_url")
    answer = health.ask(params, url, timeout=timeout)
    return answer, health.version_in(answer, key=params["version_key"], header=params["version_header"])


def expected_version(params: t.Mapping[str, t.Any], live: Live | None) -> str | None:
    """What the service should answer: what we were told, else what is live."""
    return params["expect_version"] or (live.version if live else None)


def judge(seen: Observation, *, now: float) -> tuple[bool, str]:
    """Whether the service runs something else than what is live, and a sentence that says why.

    The working directory is asked first, because the kernel keeps it whatever the clocks did; then what the service says of itself; times come last.
    """
    name, process, live = seen.service, seen.status.process, seen.live
    if seen.status.phase == "unknown":
        return False, "%s is not known: %s" % (name, seen.status.detail)
    if not seen.status.running:
        return False, "%s does not run: %s" % (name, seen.status.detail)
    if live is None and not (seen.answered and seen.expected):
        return False, "%s runs, and nothing is live that it could be compared with" % name
    if seen.workers is not None and not seen.answered:
        return True, "%s does not say which version it runs" % name
    if seen.home and live:
        return _judge_home(name, seen.home, live)
    if seen.answered and seen.expected:
        if seen.answered != seen.expected:
            return True, "%s answers version %s, expected is %s" % (name, seen.answered, seen.expected)
        # One answer tells of one worker only; another may still be at work for the version before.
        oldest = seen.workers[0] if seen.workers else None
        if oldest and live and oldest.started_at < live.since <= now:
            times = (clock(oldest.started_at, now), live.version, clock(live.since, now))
            return True, "%s answers version %s, but its process %d started %s, and %s went live %s" % (name, seen.answered, oldest.pid, *times)
        return False, "%s answers version %s, as expected" % (name, seen.answered)
    if live is None or process is None:
        return True, "nothing tells what %s runs" % name
    if live.since > now:
        return True, "nothing tells what %s runs: %s went live %s, which this host's clock has not reached" % (name, live.version, clock(live.since, now))
    times = "%s started %s, %s went live %s" % (name, clock(process.started_at, now), live.version, clock(live.since, now))
    return process.started_at < live.since, times


def _judge_home(name: str, home: Home, live: Live) -> tuple[bool, str]:
    if home.deleted:
        return True, "%s runs in a copy of %s that is gone from disk" % (name, home.version)
    if home.version != live.version:
        return True, "%s runs %s, %s is live" % (name, home.version, live.version)
    return False, "%s runs %s, which is live" % (name, live.version)


def clock(moment: float, now: float) -> str:
    """A moment as people of this host's time zone say it, with the date where it is another day."""
    day, today = (time.strftime("%Y-%m-%d", time.localtime(value)) for value in (moment, now))
    return time.strftime("%H:%M:%S" if day == today else "%Y-%m-%d %H:%M:%S", time.localtime(moment))
