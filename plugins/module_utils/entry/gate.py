# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module gate takes and does."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError, describe
from ansible_collections.surefoot.release.plugins.module_utils.gate.ask import ERROR, PASSED, ask
from ansible_collections.surefoot.release.plugins.module_utils.gate.command import command_look
from ansible_collections.surefoot.release.plugins.module_utils.gate.web import OPTIONS, http_look
from ansible_collections.surefoot.release.plugins.module_utils.health import secrets_in

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


SIGNATURE: dict[str, t.Any] = dict(
    argument_spec=dict(
        name=dict(type="str", required=True),
        http=dict(type="dict", options=OPTIONS),
        command=dict(type="list", elements="str"),
        chdir=dict(type="path"),
        timeout=dict(type="float", default=10),
        interval=dict(type="float", default=0.2),
    ),
    required_one_of=[("http", "command")],
    mutually_exclusive=[("http", "command")],
)


def run(module: Module) -> None:
    params = module.params
    if params["http"]:
        module.no_log_values.update(secrets_in(dict(health_headers=params["http"]["headers"], http_url=params["http"]["url"])))
    try:
        look = http_look(params["http"]) if params["http"] else command_look(params["command"], params["chdir"], module.run_command)
    except SurefootError as error:
        gate = dict(name=params["name"], verdict=ERROR, seen=str(error), samples=0, waited=0.0)
        module.fail_json(msg="Gate %s could not be asked: %s" % (params["name"], error), error=describe(error), gate=gate)
    interval = params["interval"] if params["http"] else None
    judgement = ask(look, timeout=params["timeout"], interval=interval, now=time.monotonic, sleep=time.sleep)
    gate = dict(dataclasses.asdict(judgement), name=params["name"], waited=round(judgement.waited, 3))
    if judgement.verdict != PASSED:
        module.fail_json(msg="Gate %s %s: %s" % (params["name"], _SPOKEN[judgement.verdict], judgement.seen), gate=gate)
    module.exit_json(changed=False, gate=gate)


_SPOKEN = {"failed": "failed", "inconclusive": "is inconclusive", "error": "could not be asked"}
