# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of moving a member of a pool: it says so when a host is lost while it is drained."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.entry import pool_member as entry
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import StepAction
from ansible_collections.surefoot.release.plugins.plugin_utils.unreachable import naming_left_drained


class ActionModule(StepAction):
    """Runs the module of the same name."""

    ENTRY = entry

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        with naming_left_drained(task_vars or {}, draining=self._task.args.get("state", "drained") == "drained"):
            return super().run(tmp, task_vars)
