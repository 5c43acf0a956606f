# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.surefoot.release.plugins.module_utils.entry import gate as entry
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import without_variables
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.action import DirectAction


class ActionModule(DirectAction, NormalAction):
    """Runs the module of the same name on a host."""

    ENTRY = entry

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        return without_variables(super().run(tmp, task_vars))
