# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module restart takes and does."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED, alone, marked
from ansible_collections.surefoot.release.plugins.module_utils.health import secrets_in
from ansible_collections.surefoot.release.plugins.module_utils.service.options import ARGUMENT_SPEC, IDENTITY
from ansible_collections.surefoot.release.plugins.module_utils.service.restart import perform
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module
    from ansible_collections.surefoot.release.plugins.module_utils.step import Step


SIGNATURE: dict[str, t.Any] = dict(argument_spec=dict(ARGUMENT_SPEC, **MARKED))


def run(module: Module) -> None:
    module.no_log_values.update(secrets_in(module.params))
    activate = module.params["activate"]
    params = dict(module.params, expect_version=module.params["expect_version"] or (activate or {}).get("version"))
    run_step(
        module,
        lambda: perform(params, check_mode=module.check_mode, run=module.run_command),
        marked("restart", params, "service"),
        alone("restart", params, IDENTITY),
        activate=functools.partial(_activate, module) if activate else None,
    )


def _activate(module: Module) -> Step:
    from ansible_collections.surefoot.release.plugins.module_utils.artifact import install  # late, since it takes longer to load than most restarts need

    return install.activate(**module.params["activate"], check_mode=module.check_mode, run=module.run_command, warn=module.warn)
