# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of M(surefoot.release.restart), shared with the survey."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import health

ARGUMENT_SPEC: dict[str, t.Any] = dict(
    manager=dict(type="str", required=True, choices=["systemd", "supervisor", "command"]),
    service=dict(type="str", required=True),
    path=dict(type="path"),
    supervisor_config=dict(type="path"),
    commands=dict(
        type="dict",
        options=dict(
            start=dict(type="list", elements="str", required=True),
            stop=dict(type="list", elements="str", required=True),
            status=dict(type="list", elements="str"),
            pid_file=dict(type="path"),
        ),
    ),
    version_url=dict(type="str"),
    version_key=dict(type="str", no_log=False),
    version_header=dict(type="str"),
    expect_version=dict(type="str"),
    force=dict(type="bool", default=False),
    stop_timeout=dict(type="float", default=30),
    stable_for=dict(type="float"),
    member_drained=dict(type="bool"),
    **health.OPTIONS,
)
