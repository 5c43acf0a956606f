# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module release_info takes and does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import at_work
from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError, describe
from ansible_collections.surefoot.release.plugins.module_utils.survey import take
from ansible_collections.surefoot.release.plugins.module_utils.survey_options import ARGUMENT_SPEC, checked, secret_values

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module
    from ansible_collections.surefoot.release.plugins.module_utils.survey_options import Validate


_OF_THE_CONTROLLER: dict[str, t.Any] = dict(
    scope=dict(type="dict"),
    wait=dict(type="float", default=0),
    known=dict(type="path"),
    begin=dict(type="path"),
    artifacts=dict(type="list", elements="str"),
)

SURVEYS = True

SIGNATURE: dict[str, t.Any] = dict(argument_spec=dict(ARGUMENT_SPEC, **_OF_THE_CONTROLLER))


def run(module: Module, validate: Validate) -> None:
    try:
        module.no_log_values.update(secret_values(module.params))
        # Before the survey, which then holds all that was left by a step that is not seen any more.
        steps = dict(at_work=at_work.seen(module.params["receipt"])) if module.params["receipt"] else {}
        survey = take(checked(module.params, validate), module.run_command)
    except SurefootError as error:
        module.fail_json(msg=str(error), error=describe(error))
    module.exit_json(changed=False, survey=survey, **steps)
