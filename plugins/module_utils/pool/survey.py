# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pool member stands, as data."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.pool.member import open_member


def survey(params: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """`{backend, state, ours, up, reason}` for the options of the pool_member module; a pool that cannot be asked is C(unknown)."""
    try:
        seen = open_member(params, run).look()
    except Refused as error:
        return dict(backend=params["backend"], state="unknown", ours=False, up=None, reason=str(error))
    return dict(backend=params["backend"], state=seen.state, ours=seen.ours, up=seen.up, reason=seen.detail)
