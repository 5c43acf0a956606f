# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a service is healthy: it answers, with the right version, and the process that answers is the one its manager started."""

from __future__ import annotations

import dataclasses
import functools
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import health
from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Manager, Status
from ansible_collections.surefoot.release.plugins.module_utils.service.process import Process, find, workers_of
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import ask_version, asks_version
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

# A manager may need a moment between a process that ended and its next try; a service that stays down longer is given up by it.
_DOWN_SECONDS = 1.0
# Who died before must outlive this before it is believed; so must a service that nobody can ask.
_DOUBT_SECONDS = 1.5
_PATIENCE = 2
# Asking a manager starts a program, which many hosts on one machine would feel; whether anybody listens yet is asked for next to nothing.
# While the process that it named lives, its last word stands for longer.
_MANAGER_SECONDS = 0.5
_ALIVE_SECONDS = 5.0
_CONNECT_SECONDS = 0.05
_GLANCE_SECONDS = 2.0
# Less would cut the last answer short, and with it the evidence.
_LAST_LOOK_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Healthy:
    """What was seen when the service was found healthy: at `since` (monotonic seconds) it gave its first good answer."""

    status: Status
    version: str | None
    since: float


def until_healthy(manager: Manager, params: t.Mapping[str, t.Any], *, expected: str | None) -> Healthy:
    """Watch the service until it is healthy. Raises StepFailed with the last observation: at the deadline (`health_timeout`), and before it where the
    service gives another version than `expected`, stays down, or dies again and again."""
    watch = _Watch(manager, params, expected)
    healthy = watch.until(params["health_timeout"])
    if healthy is None:
        raise StepFailed("%s was not healthy within %g s" % (params["service"], params["health_timeout"]), seen=watch.seen, todo=whereabouts(params))
    return healthy


def until_reloaded(manager: Manager, params: t.Mapping[str, t.Any], *, expected: str | None, since: int) -> Healthy:
    """Watch a service that was told to reload at `since` (ticks) until it is healthy, gives the version `expected`, and has no worker left from before.

    Raises StepFailed at the deadline (`reload_timeout`), and before it where the service stays down, or dies again and again.
    """
    watch = _Watch(manager, params, expected, reloaded_at=since)
    healthy = watch.until(params["reload_timeout"])
    if healthy is None:
        raise StepFailed(
            "%s was reloaded, and that was not enough within %g s" % (params["service"], params["reload_timeout"]),
            seen=watch.seen,
            todo="restart it, by method restart or auto; %s" % whereabouts(params),
        )
    return healthy


def require_silence(params: t.Mapping[str, t.Any]) -> None:
    """Nobody may answer in the place of a service that is stopped. Workers that outlive it a little are waited for, until `stop_timeout`.

    Otherwise what was left over from before could pass for the new process, which is still on its way to dying for want of the port.
    """
    url = params["health_url"]
    if not url:
        return
    ask = functools.partial(health.ask, params, url, timeout=_GLANCE_SECONDS)
    answer, silent = poll(ask, lambda answer: answer.status != params["health_status"], timeout=params["stop_timeout"], interval=0.05)
    if not silent:
        raise StepFailed(
            "%s is stopped, and something else answers in its place" % params["service"],
            seen=str(answer),
            todo="find the process that listens there and end it; %s was not started; %s" % (params["service"], whereabouts(params)),
        )


def whereabouts(params: t.Mapping[str, t.Any]) -> str:
    """What a person should know about the users of a service that is not healthy."""
    where = {
        True: "it is left drained, so no user is sent to it",
        False: "it is still in its pool, so users are sent to it",
        None: "it was not put back in any pool",
    }[params["member_drained"]]
    return "%s; read the log of %s, then release again or go back to the version before" % (where, params["service"])


class _Watch:
    """What was seen since the start, one look at a time. Of a service that is reloading the version before is an answer too, only not yet a good one."""

    def __init__(self, manager: Manager, params: t.Mapping[str, t.Any], expected: str | None, reloaded_at: int | None = None) -> None:
        self._manager, self._params, self._expected, self._reloaded_at = manager, params, expected, reloaded_at
        self._can_be_asked = bool(params["health_url"]) or asks_version(params)
        self._lives: list[Process] = []
        self._process: Process | None = None
        self._down_since: float | None = None
        self._good_since: float | None = None
        self._looked_at: float | None = None
        self._words: list[str] = []

    @property
    def seen(self) -> str:
        """The last look, in words."""
        return ", ".join(self._words)

    def until(self, timeout: float) -> Healthy | None:
        """Look at once, then every `health_interval` seconds and as soon as anybody listens, until the service is healthy; None where the time is over."""
        deadline = time.monotonic() + timeout
        if self._can_be_asked:
            health.load()  # now, since a service that was just started needs a moment anyway
        while True:
            pause = min(self._params["health_interval"], _CONNECT_SECONDS)
            if not self._still_refuses(deadline - time.monotonic()):
                pause = self._params["health_interval"]
                healthy = self.look(max(deadline - time.monotonic(), _LAST_LOOK_SECONDS))
                if healthy or time.monotonic() >= deadline:
                    return healthy
            time.sleep(min(pause, max(deadline - time.monotonic(), 0)))

    def _still_refuses(self, left: float) -> bool:
        """Whether there is nothing to look at yet: the manager was asked a moment ago, and nobody listens where the service is to answer."""
        url = self._params["health_url"]
        if not url or left <= 0 or self._looked_at is None:
            return False
        alive = self._process is not None and find(self._process.pid) == self._process
        if time.monotonic() - self._looked_at > (_ALIVE_SECONDS if alive else _MANAGER_SECONDS):
            return False
        return health.refuses(url, timeout=min(left, health.ATTEMPT_SECONDS))

    def look(self, left: float) -> Healthy | None:
        """One look, each question in it not longer than the time `left`; None where the service is not healthy (yet)."""
        self._looked_at = time.monotonic()
        status = self._manager.status()
        self._words = [status.detail]
        self._process = status.process
        self._require_life(status)
        version = self._require_answers(min(left, health.ATTEMPT_SECONDS)) if status.running else None
        if version is None or self._leftovers(status.process):
            self._good_since = None
            return None
        # Something else may have answered in its place: a process left over from before, while the new one died for want of the port.
        if self._manager.status().process != status.process:
            self._good_since = None
            self._words.append("but the process is not the one that was there before it answered")
            return None
        self._good_since = self._good_since or time.monotonic()
        if self._stood(status.process) < self._doubt():
            self._words.append("for less than %g s" % self._doubt())
            return None
        return Healthy(status, version or None, self._good_since)

    def _leftovers(self, process: Process | None) -> bool:
        """Whether a worker from before the reload is still there; it may be answering its last requests."""
        if self._reloaded_at is None or process is None:
            return False
        old = [worker.pid for worker in workers_of(process.pid) if worker.ticks < self._reloaded_at]
        if old:
            self._words.append("process %s is still there from before the reload" % ", ".join(map(str, old)))
        return bool(old)

    def _stood(self, process: Process | None) -> float:
        """For how long it has been good. Where only the process itself tells, it has been since it was started, whoever looked."""
        since_first_look = time.monotonic() - (self._good_since or time.monotonic())
        return since_first_look if self._can_be_asked or process is None else max(since_first_look, time.time() - process.started_at)

    def _doubt(self) -> float:
        stable_for: float | None = self._params["stable_for"]
        if stable_for is None:
            stable_for = 0 if self._can_be_asked else _DOUBT_SECONDS
        return max(stable_for, _DOUBT_SECONDS) if len(self._lives) > 1 else stable_for

    def _require_life(self, status: Status) -> None:
        if status.process and status.process not in self._lives:
            self._lives.append(status.process)
            self._good_since = None
        self._down_since = (self._down_since or time.monotonic()) if status.phase in ("stopped", "unknown") else None
        name = self._params["service"]
        if self._down_since and time.monotonic() - self._down_since > _DOWN_SECONDS:
            raise StepFailed("%s went down and stays down" % name, seen=self.seen, todo=whereabouts(self._params))
        if len(self._lives) > _PATIENCE:
            pids = ", ".join(str(life.pid) for life in self._lives)
            raise StepFailed("%s dies and is started again and again" % name, seen="processes %s; %s" % (pids, self.seen), todo=whereabouts(self._params))

    def _require_answers(self, timeout: float) -> str | None:
        """None where an answer is not good; else the version it gave, empty where none is asked."""
        params = self._params
        answer = None
        if params["health_url"]:
            answer = health.ask(params, params["health_url"], timeout=timeout)
            self._words.append(str(answer))
            if answer.status != params["health_status"]:
                self._words.append("expected is %d" % params["health_status"])
                return None
        if not asks_version(params):
            return ""
        if answer and (params["version_url"] or answer.url) == answer.url:
            version = health.version_in(answer, key=params["version_key"], header=params["version_header"])
        else:
            answer, version = ask_version(params, timeout=timeout)
            self._words.append(str(answer))
        if version is None:
            self._words.append("no version in it")
        elif self._expected and version != self._expected:
            if self._reloaded_at is not None:
                self._words.append("expected is version %s" % self._expected)
                return None
            raise StepFailed("%s answers version %s, expected is %s" % (params["service"], version, self._expected), seen=self.seen, todo=whereabouts(params))
        return version
