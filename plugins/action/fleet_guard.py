# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.surefoot.release.plugins.plugin_utils.fleet import PHASES, before, behind, left_drained, told_left_drained


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(task_vars=task_vars)
        variables = task_vars or {}
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "required": True},
                "after": {"type": "list", "elements": "str", "choices": list(PHASES)},
                "planned": {"type": "dict", "required": True},
                "without": {"type": "list", "elements": "str", "default": []},
                "ended": {"type": "bool", "default": False},
                "without_pool": {"type": "bool", "default": False},
            }
        )
        after = before(args["phase"]) if args["after"] is None else args["after"]
        of_host = functools.cache(variables["hostvars"].__getitem__)  # ansible puts them together anew each time

        def variable(host: str, name: str) -> t.Any:
            return of_host(host).get(name)

        if args["ended"]:
            drained = left_drained(args["planned"].get(args["phase"], ()), variable)
            if drained:
                raise AnsibleActionFail(told_left_drained(drained))
            return {**result, "changed": False, "behind": []}
        lost = [host for host in variables["ansible_play_hosts_all"] if host not in variables["ansible_play_hosts"]]
        found = {
            host: what
            for host, what in behind(after, args["planned"], variable, lost, without_pool=args["without_pool"]).items()
            if host not in args["without"]
        }
        if found:
            told = ", ".join(f"{host} ({what})" for host, what in sorted(found.items()))
            raise AnsibleActionFail(
                f"The release stops before phase {args['phase']}, because hosts fell behind; found: {told}; "
                "next: see to these hosts, then run the same command again"
            )
        result.update(changed=False, behind=[])
        return t.cast("dict[str, t.Any]", result)
