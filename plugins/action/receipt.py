# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.entry import receipt as entry
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import of_a_step
from ansible_collections.surefoot.release.plugins.plugin_utils.surveying import SurveyingAction


class ActionModule(SurveyingAction):
    ENTRY = entry

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        return of_a_step(super().run(tmp, task_vars))
