# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module enable_feature takes and does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED, marked
from ansible_collections.surefoot.release.plugins.module_utils.flags.enable import perform
from ansible_collections.surefoot.release.plugins.module_utils.flags.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


SIGNATURE: dict[str, t.Any] = dict(argument_spec=dict(ARGUMENT_SPEC, **MARKED), required_if=[("state", "present", ["audience"])])


def run(module: Module) -> None:
    run_step(module, lambda: perform(module.params, check_mode=module.check_mode), marked("enable_feature", module.params, "flag"))
