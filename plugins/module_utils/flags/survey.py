# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a flag says, read only."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.flags import flagd, flagfile


def survey(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """`{backend, flag, audience, foreign, reason, others}` for `params` as in ARGUMENT_SPEC, where `others` may name more flags, which are told of alike.

    `audience` is as a feature file writes it, None where there is no flag, or where its rules are another hand's, or where `reason` says that the file
    cannot be read. `foreign` says that another hand's rules stand in the way, which they do not under `force`; `forced` is there and true then. Raises
    InvalidInput for options that cannot be used.
    """
    told = dict(_told(params, params["flag"]), backend=params["backend"])
    others = [_told(params, name) for name in params.get("others") or ()]
    return dict(told, others=others) if others else told


def _told(params: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = dict(flag=name, audience=None, foreign=False, reason="")
    try:
        reading = flagd.understand(flagfile.read(params["path"]).flag(name))
    except Refused as error:
        return dict(found, reason=str(error))
    audience = None if reading.audience is None else reading.audience.as_data()
    forced = dict(forced=True) if reading.foreign and params["force"] else {}
    return dict(found, audience=audience, foreign=reading.foreign and not forced, reason=reading.reason, **forced)
