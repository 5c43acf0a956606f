# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of an installation: find the artifact, check it, and get it to the host in as few round trips as it takes."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import ARGUMENT_SPEC, checksum, is_url
from ansible_collections.surefoot.release.plugins.module_utils.at_work import MARKED
from ansible_collections.surefoot.release.plugins.module_utils.entry import install as entry
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import of_a_step
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.action import DirectAction
from ansible_collections.surefoot.release.plugins.plugin_utils.known_artifacts import digest_of
from ansible_collections.surefoot.release.plugins.plugin_utils.unreachable import naming_left_drained

# Up to here the artifact travels with the module. Measured over SSH with pipelining, 8 hosts, seconds (a ping takes 2.0): 1 MiB inline 2.6, uploaded 4.5,
# asked for and uploaded 6.3; 4 MiB 3.6, 5.2, 7.1. Sending 4 MiB that nobody needed takes 3.2, asking 2.5.
_INLINE = 4 * 1024 * 1024


class ActionModule(DirectAction):
    """Runs M(surefoot.release.install) once, or for a large artifact once to ask and once with the artifact uploaded."""

    ENTRY = entry

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(task_vars=variables)
        with naming_left_drained(variables):
            return of_a_step(self._perform(variables))

    def _perform(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        _unused, options = self.validate_argument_spec(argument_spec={**ARGUMENT_SPEC, **MARKED})
        # The task's own words, not the validated ones: `~` and `$HOME` in a path mean the host's.
        arguments = dict(self._task.args)
        if options["environment"]:
            arguments["environment"] = options["environment"]
        if not options["src"] or is_url(options["src"]):
            return self._install(arguments, variables)
        artifact = self._find(options["src"], variables)
        if artifact is None:
            return self._install_without(options["src"], arguments, variables)
        arguments["sha256"] = _checked(artifact, options["sha256"])
        if self._task.check_mode:
            return self._install(arguments, variables)
        return self._install_from(artifact, arguments, variables, ask=options["check_first"])

    def _install(self, arguments: dict[str, t.Any], variables: dict[str, t.Any], **delivered: str | bytes) -> dict[str, t.Any]:
        result = self._execute_module(module_name="surefoot.release.install", module_args={**arguments, **delivered}, task_vars=variables)
        return t.cast("dict[str, t.Any]", result)

    def _install_from(self, artifact: str, arguments: dict[str, t.Any], variables: dict[str, t.Any], *, ask: bool) -> dict[str, t.Any]:
        if 0 < os.path.getsize(artifact) <= _INLINE:
            with open(artifact, "rb") as stream:
                return self._install(arguments, variables, content=stream.read())
        if ask:
            result = self._install(arguments, variables)
            if not result.get("upload_needed"):
                return result
        return self._install(arguments, variables, uploaded=self._upload(artifact))

    def _install_without(self, src: str, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Going back must work when the controller no longer has the old artifact, as long as the host has it staged."""
        del arguments["src"]
        result = self._install(arguments, variables)
        if result.get("failed"):
            result["msg"] = "%s; note that the controller has no artifact %s" % (result.get("msg"), src)
        return result

    def _upload(self, artifact: str) -> str:
        # The directory asking may have made on the host, or a new one; Ansible removes the last one it knows of, and that one only.
        directory: str = self._connection._shell.tmpdir or self._make_tmp_path()  # noqa: SLF001
        uploaded = directory.rstrip("/") + "/artifact"
        self._transfer_file(artifact, uploaded)
        self._fixup_perms2((directory, uploaded))
        return uploaded

    def _find(self, src: str, variables: dict[str, t.Any]) -> str | None:
        root = self._templar.template(variables.get("surefoot_root"))
        candidates = [os.path.join(root, src)] if root else []
        with contextlib.suppress(AnsibleError):
            candidates.append(self._find_needle("files", src))
        return next((path for path in candidates if os.path.isfile(path)), None)


def _checked(artifact: str, wanted: str | None) -> str:
    """The SHA-256 of the file; fails where another one was asked for."""
    try:
        expected, found = checksum(wanted), digest_of(artifact)
    except (InvalidInput, OSError) as error:
        raise AnsibleActionFail(str(error)) from error
    if expected and expected != found:
        raise AnsibleActionFail(
            "The artifact %s does not have the checksum asked for, so no host was touched; found: %s instead of %s; "
            "next: build it again, or correct sha256 if this is the artifact you tested" % (artifact, found, expected)
        )
    return found
