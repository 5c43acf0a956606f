# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared versus done: what changed on a host although the release did not say so."""

from __future__ import annotations

import typing as t

Survey = t.Mapping[str, t.Any]
_NOTHING = "nothing"


def undeclared(before: Survey, after: Survey, declared: t.Collection[str]) -> list[dict[str, str]]:
    """Each kind of step whose traces differ between two surveys of one host although it is not among the `declared` kinds, as `{kind, reason}`.

    Something that came or went is a difference too; what only one of the surveys could see is none.
    """
    found = []
    for kind, look in _TRACES.items():
        if kind not in declared:
            then, now = look(before), look(after)
            if then is not None and now is not None and then != now:
                found.append(dict(kind=kind, reason="%s was %s and is %s" % (_NAMES[kind], then, now)))
    return found


def _part(survey: Survey, name: str) -> t.Mapping[str, t.Any]:
    return survey.get(name) or {}


def live_version(survey: Survey) -> str | None:
    """The live version a survey found, None where nothing is live or nobody looked."""
    return t.cast("str | None", (_part(survey, "artifacts").get("live") or {}).get("version"))


# What each kind of step leaves in a survey; None where the survey does not tell.


def _live(survey: Survey) -> t.Any:
    return (live_version(survey) or _NOTHING) if survey.get("artifacts") else None


def _process(survey: Survey) -> t.Any:
    service = _part(survey, "service")
    if not service.get("known"):
        return None
    return (service["pid"], service["started_at"]) if service["running"] else "not running"


def _migrations(survey: Survey) -> t.Any:
    found = _part(survey, "migrations")
    return sorted(found["current"]) if found.get("readable") else None


def _fingerprint(survey: Survey) -> t.Any:
    cache = _part(survey, "cache")
    return (cache["stored"] or _NOTHING) if cache.get("reachable") else None


def _audience(survey: Survey) -> t.Any:
    flag = _part(survey, "flag")
    if not flag:
        return None
    return "not ours" if flag["foreign"] else flag["audience"] or _NOTHING


_TRACES: dict[str, t.Callable[[Survey], t.Any]] = {
    "install": _live,
    "restart": _process,
    "migrate": _migrations,
    "flush_cache": _fingerprint,
    "enable_feature": _audience,
}
_NAMES = {
    "install": "the live version",
    "restart": "the process (pid, start)",
    "migrate": "the database",
    "flush_cache": "the cache's fingerprint",
    "enable_feature": "the flag's audience",
}
