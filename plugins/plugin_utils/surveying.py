# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the modules that survey: fills their options from the role variables of the host."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.surefoot.release.plugins.plugin_utils.role_variables import survey_options


class SurveyingAction(ActionBase):  # type: ignore[misc]  # ansible-core is not typed
    """Runs the module of the same name, with the options of each kind of survey taken from `<kind>_*` variables where `scope` is given."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(task_vars=task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        scope = args.pop("scope", None)
        if scope:
            args.update(survey_options(scope, str(variables["inventory_hostname"]), lambda name: self._variable(name, variables)))
        result.update(self._execute_module(module_name=self._task.action, module_args=args, task_vars=task_vars))
        if scope:
            result["hosts"] = dict(scope["hosts"])
        return t.cast("dict[str, t.Any]", result)

    def _variable(self, name: str, variables: t.Mapping[str, t.Any]) -> t.Any:
        return self._templar.template(variables[name]) if name in variables else None
