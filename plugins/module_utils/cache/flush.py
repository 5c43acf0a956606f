# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cache must be flushed, and flushing it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.cache import files_backend, redis_backend
from ansible_collections.surefoot.release.plugins.module_utils.cache.fingerprint import fingerprint
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

FINGERPRINT_NAME = "__surefoot_fingerprint__"
UNFINISHED = "unfinished:"


class Cache(t.Protocol):
    """Where entries are cached: one small file per kind. Each method raises Refused or StepFailed where the cache does not answer."""

    def stored(self) -> str | None:
        """The fingerprint kept next to the entries, or None."""

    def holds_entries(self) -> bool:
        """Whether there is any entry under the prefix, our own fingerprint aside."""

    def count(self) -> int:
        """How many entries there are under the prefix, our own fingerprint aside."""

    def record(self, value: str) -> None:
        """Keep `value` as the fingerprint."""

    def flush(self) -> int:
        """Remove every entry under the prefix that is there now, make sure of it, and say how many there were."""


_BACKENDS: dict[str, tuple[str, t.Callable[[str, str, str], Cache]]] = {
    "redis": ("url", redis_backend.open_cache),
    "files": ("path", files_backend.open_cache),
}


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether to flush, whether to write the fingerprint down, and why, as a sentence."""

    flush: bool
    record: bool
    reason: str


def open_cache(params: t.Mapping[str, t.Any]) -> Cache:
    """The cache that `params`, as in ARGUMENT_SPEC, name. Raises InvalidInput for options that cannot be used together."""
    if not params["prefix"]:
        raise InvalidInput("An empty prefix would flush everything, other owners' entries too", todo="set prefix to what the keys of this cache begin with")
    where, opener = _BACKENDS[params["backend"]]
    if not params.get(where):
        raise InvalidInput("The cache backend %s needs %s" % (params["backend"], where), todo="set %s" % where)
    return opener(params[where], params["prefix"], FINGERPRINT_NAME)


def decide(stored: str | None, declared: str, *, holds_entries: bool, initial: str = "flush", state: str = "flushed", force: bool = False) -> Decision:
    """What to do about a cache whose fingerprint is `stored` (None: it has none) when the release declares `declared`.

    `holds_entries` counts only where there is no stored fingerprint.
    """
    if state == "recorded":
        return Decision(False, stored != declared, "no flush wanted: only the fingerprint %s of the cached shapes is recorded" % short(declared))
    if force:
        return Decision(True, True, "flush forced")
    if stored is None and not holds_entries:
        return Decision(False, True, "no flush needed: the cache holds nothing under this prefix; recording %s" % short(declared))
    if stored is None and initial == "record":
        return Decision(
            False, True, "no flush wanted: the cache holds entries of unknown shape, and initial says to trust them; recording %s" % short(declared)
        )
    if stored is None:
        return Decision(True, True, "flush needed: the cache holds entries of unknown shape; this release declares %s" % short(declared))
    if stored.startswith(UNFINISHED):
        return Decision(True, True, "flush needed: an earlier flush was not finished")
    if stored != declared:
        return Decision(True, True, "flush needed: cached shapes changed from %s to %s" % (short(stored), short(declared)))
    return Decision(False, False, "no flush needed: cached shapes unchanged (%s)" % short(declared))


def perform(params: t.Mapping[str, t.Any], *, check_mode: bool) -> Step:
    """Flush the cache if that is needed. `params` as in ARGUMENT_SPEC."""
    declared = fingerprint(params["root"], params["shapes"], params["version"])
    cache = open_cache(params)
    stored = cache.stored()
    decision = decide(
        stored, declared, holds_entries=stored is None and cache.holds_entries(), initial=params["initial"], state=params["state"], force=params["force"]
    )
    before: dict[str, t.Any] = dict(fingerprint=stored)
    after: dict[str, t.Any] = dict(fingerprint=declared)
    if decision.flush:
        before["entries"], after["entries"] = cache.count(), 0
    removed = 0
    if not check_mode:
        if decision.flush:
            # Whoever dies between here and the end leaves a mark that no release declares, so the next run flushes, whichever release it is for.
            cache.record(UNFINISHED + declared)
            removed = cache.flush()
            after["entries"] = cache.count()
        if decision.record:
            cache.record(declared)
    return Step(
        kind="flush_cache",
        needed=decision.flush,
        reason=decision.reason,
        before=before,
        after=after,
        impact=dict(entries_removed=removed) if decision.flush and not check_mode else {},
        undo=dict(prefix=params["prefix"]) if before != after else None,
    )


def short(value: str) -> str:
    """A fingerprint as people compare them."""
    return value[:12]
