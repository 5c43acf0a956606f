# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module install takes and does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact import install
from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import ARGUMENT_SPEC, is_url
from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED, marked
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module
    from ansible_collections.surefoot.release.plugins.module_utils.step import Step


ATTACHED = "content"
"""The option that may be large, and is bytes after a direct run has brought it."""

SIGNATURE: dict[str, t.Any] = dict(argument_spec=dict(ARGUMENT_SPEC, **MARKED))


def run(module: Module) -> None:
    run_step(module, lambda: _perform(module), marked("install", module.params, "version"))


def needs_ansible(params: t.Mapping[str, t.Any]) -> bool:
    """Whether something is to be downloaded, which Ansible's library does."""
    return is_url(params["src"])


def _perform(module: Module) -> Step:
    if not module.check_mode and install.upload_needed(module.params):
        module.exit_json(changed=False, upload_needed=True)
    return install.perform(module.params, check_mode=module.check_mode, run=module.run_command, warn=module.warn)
