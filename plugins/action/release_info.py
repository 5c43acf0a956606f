# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError

from ansible_collections.surefoot.release.plugins.plugin_utils.known_artifacts import known_artifacts
from ansible_collections.surefoot.release.plugins.plugin_utils.surveying import SurveyingAction


class ActionModule(SurveyingAction):
    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        versions, scope = self._task.args.pop("artifacts", None), self._task.args.get("scope")
        result = super().run(tmp, variables)
        # One host answers for all: an artifact may be large, and every host would read the same one.
        if versions and scope and variables["inventory_hostname"] == _first_to_install(scope, variables):
            result["artifacts"] = known_artifacts(versions, lambda name, version: self._for_version(name, version, scope, variables), scope["root"])
        return result

    def _for_version(self, name: str, version: str, scope: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> t.Any:
        told = {**variables, "install_version": version, "surefoot_root": scope["root"], "surefoot_app": scope["app"]}
        try:
            return self._templar.copy_with_new_env(available_variables=told).template(variables[name]) if name in variables else None
        except AnsibleError:
            return None


def _first_to_install(scope: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> str | None:
    playing = set(variables["ansible_play_hosts_all"])
    return next((host for kind in ("install", "migrate") for host in scope["hosts"][kind] if host in playing), None)
