# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.utils.display import Display

from ansible_collections.surefoot.release.plugins.module_utils.entry import release_info as entry
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.plugin_utils.at_work import LOOK_SECONDS, waited_for
from ansible_collections.surefoot.release.plugins.plugin_utils.awaited import awaited
from ansible_collections.surefoot.release.plugins.plugin_utils.known_artifacts import known_artifacts
from ansible_collections.surefoot.release.plugins.plugin_utils.surveying import SurveyingAction
from ansible_collections.surefoot.release.plugins.plugin_utils.text import one_line

TELL_SECONDS = 10.0
"""How often a person is told of what is waited for."""


class ActionModule(SurveyingAction):
    ENTRY = entry

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        versions, scope = self._task.args.pop("artifacts", None), self._task.args.get("scope")
        if begin := self._task.args.pop("begin", None):
            versions = _awaited(begin)["artifacts"]
        result = self._settled(float(self._task.args.pop("wait", 0) or 0), variables)
        # One host answers for all: an artifact may be large, and every host would read the same one.
        if versions and scope and variables["inventory_hostname"] == _first_to_install(scope, variables):
            result["artifacts"] = known_artifacts(versions, lambda name, version: self._for_version(name, version, scope, variables), scope["root"])
        return result

    def _settled(self, wait: float, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """A survey once nothing is at work on the host any more, or after `wait` seconds of asking again."""
        result = super().run(None, variables)
        tells_at = time.monotonic()
        deadline = tells_at + wait
        while result.get("at_work") and (left := deadline - time.monotonic()) > 0:
            if time.monotonic() >= tells_at:
                Display().display(one_line(waited_for(str(variables["inventory_hostname"]), result["at_work"])))
                tells_at += TELL_SECONDS
            time.sleep(min(LOOK_SECONDS, left))
            result = super().run(None, variables)
        return result

    def _for_version(self, name: str, version: str, scope: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> t.Any:
        told = {**variables, "install_version": version, "surefoot_root": scope["root"], "surefoot_app": scope["app"]}
        try:
            return self._templar.copy_with_new_env(available_variables=told).template(variables[name]) if name in variables else None
        except AnsibleError:
            return None


def _awaited(path: str) -> dict[str, t.Any]:
    try:
        return t.cast("dict[str, t.Any]", awaited(path))
    except Refused as error:
        raise AnsibleActionFail(str(error)) from error


def _first_to_install(scope: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> str | None:
    playing = set(variables["ansible_play_hosts_all"])
    return next((host for kind in ("install", "migrate") for host in scope["hosts"][kind] if host in playing), None)
