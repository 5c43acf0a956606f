# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of enable_feature, for the module and for the survey."""

from __future__ import annotations

import typing as t

AUDIENCE_SPEC: dict[str, t.Any] = dict(
    everyone=dict(type="bool"),
    nobody=dict(type="bool"),
    groups=dict(type="list", elements="str"),
    users=dict(type="list", elements="str"),
    percentage=dict(type="float"),
)

ARGUMENT_SPEC: dict[str, t.Any] = dict(
    backend=dict(type="str", choices=["flagd"], default="flagd"),
    path=dict(type="path", required=True),
    flag=dict(type="str", required=True),
    state=dict(type="str", choices=["present", "absent"], default="present"),
    audience=dict(type="dict", options=AUDIENCE_SPEC),
    group_attribute=dict(type="str", default="groups"),
    user_attribute=dict(type="str", default="targetingKey"),
    allow_decrease=dict(type="bool", default=False),
    force=dict(type="bool", default=False),
    contexts=dict(
        type="list",
        elements="dict",
        default=[],
        options=dict(context=dict(type="dict", required=True), expect=dict(type="bool", required=True)),
    ),
)
