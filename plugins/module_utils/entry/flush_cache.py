# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module flush_cache takes and does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED, alone, marked
from ansible_collections.surefoot.release.plugins.module_utils.cache.flush import perform
from ansible_collections.surefoot.release.plugins.module_utils.cache.options import ARGUMENT_SPEC, IDENTITY
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


SIGNATURE: dict[str, t.Any] = dict(
    argument_spec=dict(ARGUMENT_SPEC, **MARKED),
    required_if=[("backend", "redis", ["url"]), ("backend", "files", ["path"])],
)


def run(module: Module) -> None:
    run_step(
        module,
        lambda: perform(module.params, check_mode=module.check_mode),
        marked("flush_cache", module.params, "prefix"),
        alone("flush_cache", module.params, IDENTITY),
    )
