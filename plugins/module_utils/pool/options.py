# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of M(surefoot.release.pool_member), shared with the survey."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import health

IDENTITY = ("backend", "path", "commands", "haproxy_sockets", "haproxy_backend", "haproxy_server")
"""The options that tell a member from every other."""

ARGUMENT_SPEC: dict[str, t.Any] = dict(
    backend=dict(type="str", required=True, choices=["none", "file", "command", "haproxy"]),
    state=dict(type="str", default="drained", choices=["drained", "in_pool"]),
    path=dict(type="path"),
    commands=dict(
        type="dict",
        options=dict(
            drain=dict(type="list", elements="str", required=True),
            restore=dict(type="list", elements="str", required=True),
            status=dict(type="list", elements="str"),
        ),
    ),
    haproxy_sockets=dict(type="list", elements="str", default=[]),
    haproxy_backend=dict(type="str"),
    haproxy_server=dict(type="str"),
    observe_url=dict(type="str"),
    settle=dict(type="float", default=0),
    connections_url=dict(type="str"),
    connections_key=dict(type="str", default="connections", no_log=False),
    connections_idle=dict(type="int", default=0),
    timeout=dict(type="float", default=60),
    interval=dict(type="float", default=0.2),
    on_timeout=dict(type="str", default="fail", choices=["fail", "proceed"]),
    **{name: spec for name, spec in health.OPTIONS.items() if name not in ("health_timeout", "health_interval")},
)
