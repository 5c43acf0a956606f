# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services run by systemd, through C(systemctl)."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run, call
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import process
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Status

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainStatus", "CanReload")
_AT_IT = ("activating", "reloading", "deactivating")


class Systemd:
    """One unit of the system manager."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        self.service = params["service"]
        self._run = run
        self._shown: dict[str, str] | None = None

    def status(self) -> Status:
        """What the manager says now."""
        self._shown = self._show()
        return read_status(self._shown)

    def restart(self, when_stopped: t.Callable[[], None]) -> None:
        """Stop and start in one job, so that systemd orders it among the units that depend on this one."""
        seen = self._shown or self._show()
        if seen.get("ActiveState") in ("inactive", "failed"):
            when_stopped()
        if seen.get("ActiveState") == "failed" or seen.get("NRestarts", "0") != "0":
            # A unit that hit its start limit refuses to be started, and that must not stand in the way of a rollback.
            call(self._run, ["systemctl", "reset-failed", "--", self.service])
        done = call(self._run, ["systemctl", "restart", "--", self.service])
        if done.rc != 0:
            raise StepFailed(
                "systemd could not restart %s" % self.service, seen="%s; %s" % (done, self.status().detail), todo="read journalctl --unit %s" % self.service
            )

    def reload(self) -> None:
        """Run what the unit has as ExecReload, and wait for it to end."""
        done = call(self._run, ["systemctl", "reload", "--", self.service])
        if done.rc != 0:
            raise StepFailed("systemd could not reload %s" % self.service, seen=str(done), todo="read journalctl --unit %s" % self.service)

    def _show(self) -> dict[str, str]:
        done = call(self._run, ["systemctl", "show", "--property=%s" % ",".join(_PROPERTIES), "--", self.service])
        if done.rc != 0:
            raise Refused("systemd does not answer about %s" % self.service, seen=str(done), todo="check that this host runs systemd and that we may ask it")
        return dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)


def read_status(shown: t.Mapping[str, str]) -> Status:
    """The status in the properties that C(systemctl show) answers."""
    if shown.get("LoadState") in ("not-found", "masked", "bad-setting", "error"):
        return Status("unknown", None, "systemd says %s" % shown["LoadState"])
    active = shown.get("ActiveState", "")
    main = int(shown.get("MainPID") or 0)
    found = process.find(main) if main else None
    detail = "systemd says %s (%s)" % (active, shown.get("SubState"))
    if shown.get("Result") not in ("success", "", None):
        detail += ", result %s, exit status %s" % (shown["Result"], shown.get("ExecMainStatus"))
    if shown.get("NRestarts", "0") not in ("0", ""):
        detail += ", started again %s times" % shown["NRestarts"]
    if active in ("active", "reloading") and (found or not main):
        return Status("running", found, detail, shown.get("CanReload") == "yes")
    if active in _AT_IT or active == "active":
        return Status("starting", found, detail)
    return Status("stopped", None, detail)
