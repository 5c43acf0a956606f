# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of flush_cache, for the module and for the survey."""

from __future__ import annotations

import typing as t

IDENTITY = ("backend", "url", "path", "prefix")
"""The options that tell a cache from every other."""

ARGUMENT_SPEC: dict[str, t.Any] = dict(
    backend=dict(type="str", required=True, choices=["redis", "files"]),
    url=dict(type="str", no_log=True),
    path=dict(type="path"),
    prefix=dict(type="str", required=True),
    shapes=dict(type="list", elements="str", default=[]),
    root=dict(type="path"),
    version=dict(type="str", default=""),
    state=dict(type="str", choices=["flushed", "recorded"], default="flushed"),
    initial=dict(type="str", choices=["flush", "record"], default="flush"),
    force=dict(type="bool", default=False),
)
