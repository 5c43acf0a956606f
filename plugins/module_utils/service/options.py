# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of M(surefoot.release.restart), shared with the survey."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import health
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

_METHOD = dict(type="str", choices=["restart", "reload", "auto"])

# How one unit is handled and asked, which it shares with no other.
_OWN: dict[str, t.Any] = dict(
    method=_METHOD,
    reload_signal=dict(type="str"),
    commands=dict(
        type="dict",
        options=dict(
            start=dict(type="list", elements="str", required=True),
            stop=dict(type="list", elements="str", required=True),
            reload=dict(type="list", elements="str"),
            status=dict(type="list", elements="str"),
            pid_file=dict(type="path"),
        ),
    ),
    health_url=dict(type="str"),
    version_url=dict(type="str"),
    version_key=dict(type="str", no_log=False),
    version_header=dict(type="str"),
)
# What one of several units may say for itself, and otherwise shares.
_SHARED = ("health_timeout", "reload_timeout", "stop_timeout", "stable_for")

IDENTITY = ("manager", "service", "path", "commands", "supervisor_config")
"""The options that tell a service from every other of the host."""

ARGUMENT_SPEC: dict[str, t.Any] = dict(
    health.OPTIONS,
    **dict(_OWN, method=dict(_METHOD, default="restart")),
    manager=dict(type="str", required=True, choices=["systemd", "supervisor", "command"]),
    service=dict(type="str", required=True),
    services=dict(
        type="list",
        elements="dict",
        options=dict(_OWN, name=dict(type="str", required=True), **{option: dict(type="float") for option in _SHARED}),
    ),
    path=dict(type="path"),
    supervisor_config=dict(type="path"),
    expect_version=dict(type="str"),
    force=dict(type="bool", default=False),
    reload_timeout=dict(type="float", default=30),
    stop_timeout=dict(type="float", default=30),
    stable_for=dict(type="float"),
    member_drained=dict(type="bool"),
    activate=dict(type="dict", options=dict(path=dict(type="path", required=True), version=dict(type="str", required=True))),
)


def units_of(params: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The options of each unit in the declared order, as if it were the only one. Raises InvalidInput for a list that does not hold `service` once."""
    if not params["services"]:
        return [dict(params)]
    names = [unit["name"] for unit in params["services"]]
    if params["service"] not in names or len(set(names)) < len(names):
        raise InvalidInput(
            "The services are to be named once each, %s among them" % params["service"], seen=", ".join(names), todo="correct service or services"
        )
    nobodys = dict(params, **dict(dict.fromkeys(_OWN), method="restart"))
    units = []
    for unit in params["services"]:
        said = {option: value for option, value in unit.items() if option != "name" and value is not None}
        units.append(dict(params if unit["name"] == params["service"] else nobodys, services=None, service=unit["name"], **said))
    return units
