# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module pool_member takes and does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED, alone, marked
from ansible_collections.surefoot.release.plugins.module_utils.health import secrets_in
from ansible_collections.surefoot.release.plugins.module_utils.pool.move import perform
from ansible_collections.surefoot.release.plugins.module_utils.pool.options import ARGUMENT_SPEC, IDENTITY
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


SIGNATURE: dict[str, t.Any] = dict(argument_spec=dict(ARGUMENT_SPEC, **MARKED))


def run(module: Module) -> None:
    module.no_log_values.update(secrets_in(module.params))
    run_step(
        module,
        lambda: perform(module.params, check_mode=module.check_mode, run=module.run_command, warn=module.warn),
        marked("pool_member", module.params, "state"),
        alone("pool_member", module.params, IDENTITY),
    )
