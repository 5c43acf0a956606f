# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cache holds, read only."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.cache.fingerprint import fingerprint
from ansible_collections.surefoot.release.plugins.module_utils.cache.flush import decide, open_cache
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused


def survey(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """`{backend, reachable, reason, stored, declared, needed}` for `params` as in ARGUMENT_SPEC.

    `stored` and `declared` are fingerprints, None where there is none yet. Raises InvalidInput for options that cannot be used.
    """
    found: dict[str, t.Any] = dict(backend=params["backend"], reachable=False, reason="", stored=None, declared=None, needed=False)
    try:
        cache = open_cache(params)
        stored = cache.stored()
        holds_entries = stored is None and cache.holds_entries()
    except Refused as error:
        return dict(found, reason=str(error))
    found.update(reachable=True, stored=stored)
    if not params["shapes"] and not params["version"]:
        return dict(found, reason="nothing declares the shape of the cached entries")
    try:
        declared = fingerprint(params["root"], params["shapes"], params["version"])
    except Refused as error:
        return dict(found, reason=str(error))
    decision = decide(stored, declared, holds_entries=holds_entries, initial=params["initial"], state=params["state"], force=params["force"])
    return dict(found, declared=declared, needed=decision.flush, reason=decision.reason)
