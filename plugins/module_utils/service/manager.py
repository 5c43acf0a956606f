# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a service manager, and where each one is found."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.service.process import Process


@dataclasses.dataclass(frozen=True)
class Status:
    """What a manager says about a service.

    `phase` is C(unknown) (it knows no such service), C(stopped) (and it does nothing about that), C(starting) (not running, and it is still at it) or
    C(running). `process` is None where the service has no process that can be named. `detail` are the manager's own words. `reloadable` says whether the
    manager could reload it.
    """

    phase: str
    process: Process | None
    detail: str
    reloadable: bool = False

    @property
    def running(self) -> bool:
        """Whether there is something that could answer."""
        return self.phase == "running"


class Manager(t.Protocol):
    """A service as its manager shows it. All methods raise Refused where the manager itself cannot be reached."""

    def status(self) -> Status:
        """What the manager says now."""

    def restart(self, when_stopped: t.Callable[[], None]) -> None:
        """Stop the service where it runs, and start it; answers as soon as the manager has started it. Raises StepFailed where that does not work.

        `when_stopped` is called between the two, where there is a moment between them, and may raise so that nothing is started.
        """

    def reload(self) -> None:
        """Tell a running service to take over what is live, without stopping it. Raises StepFailed where it cannot be told."""


def open_manager(params: t.Mapping[str, t.Any], run: Run) -> Manager:
    """The manager that `params` (the options of the restart module) name. Raises InvalidInput where an option it needs is missing."""
    # Imported here because each manager's file needs the interface above, and alone because loading takes a host longer than anything else here.
    if params["manager"] == "command":
        from ansible_collections.surefoot.release.plugins.module_utils.service.command import Command

        return Command(params, run)
    if params["manager"] == "supervisor":
        from ansible_collections.surefoot.release.plugins.module_utils.service.supervisor import Supervisor

        return Supervisor(params, run)
    from ansible_collections.surefoot.release.plugins.module_utils.service.systemd import Systemd

    return Systemd(params, run)
