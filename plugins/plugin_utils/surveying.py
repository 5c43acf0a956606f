# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the modules that survey: fills their options from the role variables of the host."""

from __future__ import annotations

import functools
import json
import typing as t

from ansible.errors import AnsibleActionFail

from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError
from ansible_collections.surefoot.release.plugins.module_utils.survey_options import secret_values
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import without_variables
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.action import DirectAction
from ansible_collections.surefoot.release.plugins.plugin_utils.known_survey import asked_of, known_survey, masked
from ansible_collections.surefoot.release.plugins.plugin_utils.plain import plain
from ansible_collections.surefoot.release.plugins.plugin_utils.role_variables import survey_options
from ansible_collections.surefoot.release.plugins.plugin_utils.survey_form import are_at_work, problem_in


class SurveyingAction(DirectAction):
    """Runs the module of the same name, with the options of each kind of survey taken from `<kind>_*` variables where `scope` is given."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(task_vars=task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        scope, known = args.pop("scope", None), args.pop("known", None)
        host = str(variables["inventory_hostname"])
        if scope:
            args.update(survey_options(scope, host, lambda name: self._variable(name, variables)))
        try:
            asked = masked(plain(asked_of(args)), secret_values(args))
        except SurefootError as error:
            raise AnsibleActionFail(str(error)) from error
        survey = known_survey(read_document(known).get(host), asked) if known else None
        if survey:
            result.update(changed=False, survey=survey)
        else:
            answer = without_variables(self._execute_module(module_name=self._task.action, module_args=args, task_vars=task_vars))
            result.update(understood(answer))
        if scope:
            result.update(hosts=dict(scope["hosts"]), asked=asked)
        return t.cast("dict[str, t.Any]", result)

    def _variable(self, name: str, variables: t.Mapping[str, t.Any]) -> t.Any:
        return self._templar.template(variables[name]) if name in variables else None


def understood(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """What a host said, without what only the controller tells; a failure where it should have been a survey and is none."""
    told = {key: value for key, value in answer.items() if key not in {"artifacts", "asked", "hosts"}}
    problem = problem_in(told.get("survey")) if "survey" in told or not (told.get("failed") or told.get("unreachable")) else None
    if problem is None and not are_at_work(told.get("at_work")):
        problem = "steps at work that are none"
    if problem is None:
        return told
    told = {key: value for key, value in told.items() if key not in {"survey", "at_work"}}
    message = f"The host answered, but not with a survey; found: {problem}; next: find out who answers there"
    return {**told, "failed": True, "msg": message}


@functools.lru_cache(maxsize=1)
def read_document(path: str) -> dict[str, t.Any]:
    """What hosts said, by host. Every task on every host would copy it, were it a variable, and templates in a file are not followed."""
    with open(path, encoding="utf-8") as stream:
        return t.cast("dict[str, t.Any]", json.load(stream))
