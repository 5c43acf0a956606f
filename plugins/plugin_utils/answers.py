# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may answer with. Whoever has taken a host over answers with what they like, and there it has to end."""

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.surefoot.release.plugins.plugin_utils.direct.action import DirectAction

_DISCOVERED = "discovered_interpreter_"


def without_variables(answer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """An answer without the facts in it. Facts win over the inventory, which says what is run and on which machine, the controller among them.

    What ansible itself puts there, the interpreter it found, stays.
    """
    found = answer.get("ansible_facts")
    discovered = {name: value for name, value in found.items() if str(name).startswith(_DISCOVERED)} if isinstance(found, t.Mapping) else {}
    rest = {key: value for key, value in answer.items() if key not in {"ansible_facts", "ansible_stats"}}
    return {**rest, "ansible_facts": discovered} if discovered else rest


def of_a_step(answer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a step module answered on a host, as far as it may; a failure where that should have been a step and is none."""
    told = without_variables(answer)
    wrong = [key for key in ("step", "activation") if key in told and not _is_step(told[key])]
    missing = not (told.get("failed") or told.get("unreachable") or told.get("skipped") or "step" in told)
    if not wrong and not missing:
        return told
    rest = {key: value for key, value in told.items() if key not in {"step", "activation"}}
    return {**rest, "failed": True, "msg": "The host answered, but not with what a step tells; next: find out who answers there"}


def _is_step(value: t.Any) -> bool:
    """Whether a part of an answer has the form in which all steps tell."""
    if not isinstance(value, t.Mapping):
        return False
    kinds = {"kind": str, "reason": str, "before": t.Mapping, "after": t.Mapping, "impact": t.Mapping}
    return all(isinstance(value.get(key), kind) for key, kind in kinds.items())


class StepAction(DirectAction, NormalAction):  # type: ignore[misc]  # ansible-core is not typed
    """Runs the module of the same name on a host."""

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        return of_a_step(super().run(tmp, task_vars))
