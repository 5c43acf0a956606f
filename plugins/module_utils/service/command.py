# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are started and stopped by commands of their own, as with an init script."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run, call
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import process
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Status
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll


class Command:
    """A service known by its pid file, by a status command, or by both (then both must say that it runs)."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        commands: t.Any = params["commands"] or {}
        self.service = params["service"]
        self._start, self._stop = commands.get("start"), commands.get("stop")
        self._status, self._pid_file, self._reload = commands.get("status"), commands.get("pid_file"), commands.get("reload")
        self._stop_timeout = params["stop_timeout"]
        self._run = run
        self._stopped_pid: int | None = None
        if not self._start or not self._stop:
            raise InvalidInput("The manager command needs commands.start and commands.stop for %s" % self.service)
        if not self._status and not self._pid_file:
            raise InvalidInput("The manager command needs commands.pid_file or commands.status, or nobody can tell whether %s runs" % self.service)

    def status(self) -> Status:
        """What the pid file and the status command say now."""
        if self._status:
            asked = call(self._run, self._status)
            if asked.rc is None:
                raise Refused("The status command of %s cannot be run" % self.service, seen=str(asked), todo="check commands.status")
            if asked.rc != 0 or not self._pid_file:
                return Status("stopped" if asked.rc else "running", None, "its status command says %s" % asked, bool(self._reload))
        pid = self._pid()
        if pid is None:
            # A daemon may write its pid file a moment after the start command has ended.
            return Status("starting" if self._stopped_pid is not None else "stopped", None, "there is no pid in %s" % self._pid_file)
        found = process.find(pid)
        if found:
            return Status("running", found, "process %d is alive" % pid, bool(self._reload))
        return Status("starting" if pid == self._stopped_pid else "stopped", None, "%s names process %d, which is gone" % (self._pid_file, pid))

    def restart(self, when_stopped: t.Callable[[], None]) -> None:
        """Stop, wait until the process is really gone, start."""
        seen = self.status()
        left_over = (self._pid() if self._pid_file else None) or 0
        if seen.running:
            self._call(self._stop, "stop")
            self._await_end(seen)
        when_stopped()
        self._stopped_pid = left_over
        self._call(self._start, "start")

    def reload(self) -> None:
        """Run the command that reloads it."""
        self._call(self._reload or (), "reload")

    def _await_end(self, seen: Status) -> None:
        def observe() -> bool:
            return process.find(seen.process.pid) == seen.process if seen.process else self.status().running

        _alive, ended = poll(observe, lambda alive: not alive, timeout=self._stop_timeout, interval=0.05)
        if not ended:
            raise StepFailed(
                "%s did not stop within %g s" % (self.service, self._stop_timeout),
                seen=seen.detail,
                todo="end it by hand or allow a longer stop_timeout; it was not started a second time",
            )

    def _call(self, argv: t.Sequence[str], what: str) -> None:
        done = call(self._run, argv)
        if done.rc != 0:
            raise StepFailed("The %s command of %s failed" % (what, self.service), seen=str(done), todo="run it by hand: %s" % " ".join(argv))

    def _pid(self) -> int | None:
        try:
            with open(self._pid_file, encoding="ascii", errors="replace") as stream:
                text = stream.read(64).strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused("The pid file of %s cannot be read" % self.service, seen=str(error), todo="check commands.pid_file") from error
        return int(text) if text.isdigit() and int(text) > 0 else None
