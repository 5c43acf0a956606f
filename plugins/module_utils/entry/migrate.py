# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module migrate takes and does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED, marked
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import ARGUMENT_SPEC, MASK, SECRET_LENGTH
from ansible_collections.surefoot.release.plugins.module_utils.migrate.perform import perform
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


SIGNATURE: dict[str, t.Any] = dict(
    argument_spec=dict(ARGUMENT_SPEC, **MARKED),
    required_if=[("state", "reverted", ["to"]), ("engine", "alembic", ["virtualenv", "python"], True)],
    mutually_exclusive=[("virtualenv", "python")],
)


def run(module: Module) -> None:
    params = dict(module.params)
    # Ansible blanks every no_log value wherever it occurs, and a value like "1" would blank half of every id. Such short ones are left alone, and
    # kept out of the result by taking them out of the invocation instead.
    module.no_log_values = {value for value in module.no_log_values if len(str(value)) >= SECRET_LENGTH}
    module.params["environment"] = dict.fromkeys(params["environment"], MASK)
    run_step(module, lambda: perform(params, check_mode=module.check_mode, run=module.run_command), marked("migrate", params, "to"))
