# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy, Refused, SurefootError, describe
from ansible_collections.surefoot.release.plugins.module_utils.health import secrets_in
from ansible_collections.surefoot.release.plugins.plugin_utils import at_work
from ansible_collections.surefoot.release.plugins.plugin_utils.awaited import awaited
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal, spoken
from ansible_collections.surefoot.release.plugins.plugin_utils.plain import plain
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import Plan, at_ramp_stage, has_staged, here, plan_release, unused
from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release
from ansible_collections.surefoot.release.plugins.plugin_utils.scope import with_names
from ansible_collections.surefoot.release.plugins.plugin_utils.surveying import read_document


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(task_vars=task_vars)
        variables = task_vars or {}
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "scope": {"type": "dict", "required": True},
                "ramp": {"type": "float"},
                "away": {"type": "list", "elements": "str", "default": []},
                "decision": {"type": "path"},
                "live_before": {"type": "path"},
            }
        )
        scope = args["scope"]
        hosts = _within_limit(scope["hosts"], variables)
        answers = {host: variables["hostvars"][host].get("survey_result", {}) for host in variables["ansible_play_hosts_all"]}
        surveys = {host: found for host, answer in answers.items() if (found := plain(answer.get("survey")))}
        busy = at_work.refusals({host: plain(answer.get("at_work") or []) for host, answer in answers.items()})
        written = self._templar.template(scope["release"])
        try:
            decision = awaited(args["decision"]) if args["decision"] else {}
            release = parse_release(plain(written), scope["feature"])
            stage = at_ramp_stage(release, args["ramp"], surveys)
            wanted = here(stage, hosts) if variables.get("ansible_limit") else stage
            undoing = parse_release(plain(scope["undoing"]), scope["feature"]) if scope.get("undoing") else None
            earlier = [parse_release(plain(before), scope["feature"]) for before in scope["earlier"]]
            begun_from = read_document(args["live_before"]) if args["live_before"] else {}
            plan = plan_release(wanted, earlier, surveys, hosts, undoing, args["away"], begun_from)
        except SurefootError as error:
            raise AnsibleActionFail(str(error)) from error
        if busy or plan.refusals:
            message = _refused(release.name, (*busy, *plan.refusals))
            result.update(failed=True, msg=message, error=describe((Busy if busy else Refused)(message)))
            return t.cast("dict[str, t.Any]", result)
        between, after = with_names(release.batch_gates), with_names(release.verify)
        facts = {
            "surefoot_release": {
                **plain(written),
                **{kind: dict(step) for kind, step in stage.steps.items()},
                **({"restart": {**stage.steps["restart"], "verify": between}} if "restart" in stage.steps else {}),
                "verify": after,
                "digest": release.digest(),
            },
            "surefoot_plan": {
                "planned": _planned(plan, hosts),
                "rolling": [host for host in dict.fromkeys([*hosts["install"], *hosts["restart"]]) if plan.rolls(host)],
                "restoring": [host for host in hosts["restart"] if plan.restores(host)],
                "unstaged": [
                    host for host in dict.fromkeys([*hosts["install"], *hosts["migrate"]]) if not has_staged(surveys.get(host, {}), release.staged_version)
                ],
                "batches": [list(batch) for batch in plan.batches],
                "lost": list(plan.lost),
                "activates_apart": wanted.activates_apart,
                "unused": list(unused(wanted, _pools(variables))),
                "final": stage is release,
                "reversible_only": bool(decision.get("reversible_only")),
            },
            "surefoot_root": scope["root"],
            "surefoot_app": scope["app"],
        }
        # With -v ansible prints what comes back; a plan is worth seeing, but not at the price of a token.
        result.update(changed=False, facts=facts, plan=plan.as_mapping(), _ansible_no_log=_has_secrets([*between, *after]))
        return t.cast("dict[str, t.Any]", result)


def _within_limit(hosts: t.Mapping[str, t.Sequence[str]], variables: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """The planned hosts; under --limit those of them that the limit lets in, and only then may there be fewer."""
    there = set(variables["ansible_play_hosts_all"])
    return {kind: [host for host in group if host in there or not variables.get("ansible_limit")] for kind, group in hosts.items()}


def _pools(variables: t.Mapping[str, t.Any]) -> set[str]:
    """The pool backends of all hosts; where one is set for a play, the variables of this task have it."""
    of_hosts = (variables, *(variables["hostvars"][host] for host in variables["ansible_play_hosts_all"]))
    return {str(of_host.get("restart_pool_backend", "none")) for of_host in of_hosts}


def _planned(plan: Plan, hosts: t.Mapping[str, t.Sequence[str]]) -> dict[str, list[str]]:
    steps = plan.release.steps
    kinds = {
        "stage": ("install", "migrate"),
        "migrate": ("migrate",),
        "roll": ("install", "restart"),
        "flush_cache": ("flush_cache",),
        "enable_feature": ("enable_feature",),
    }
    return {phase: list(dict.fromkeys(host for kind in of if kind in steps for host in hosts[kind])) for phase, of in kinds.items()}


def _has_secrets(gates: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    asked = [gate["http"] for gate in gates if gate.get("http")]
    return any(secrets_in({"health_headers": http.get("headers"), "http_url": http.get("url")}) for http in asked)


def _refused(release: str, refusals: t.Iterable[Refusal]) -> str:
    lines = [f"Release {release} is refused, nothing was changed"]
    return "\n".join([*lines, *(f"- {spoken(refusal)}" for refusal in refusals)])
