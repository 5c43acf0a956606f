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

    Something that came or went is a difference too, and so is what was seen and cannot be seen any more: nobody knows then whether it changed. What was not
    looked at, or could not be seen before, is none.
    """
    found = []
    for kind in (kind for kind in _TRACES if kind not in declared):
        if kind in _SEEN and _sees(before, kind) and _sees(after, kind) is False:
            part, what, _told = _SEEN[kind]
            found.append(dict(kind=kind, reason="%s was read before and cannot be read now: %s" % (what, after[part].get("reason") or "no reason was given")))
        then, now = _TRACES[kind](before), _TRACES[kind](after)
        for trace in then:
            if trace in now and then[trace] != now[trace]:
                found.append(dict(kind=kind, reason="%s was %s and is %s" % (trace, then[trace], now[trace])))
    return found


def _part(survey: Survey, name: str) -> t.Mapping[str, t.Any]:
    return survey.get(name) or {}


def live_version(survey: Survey) -> str | None:
    """The live version a survey found, None where nothing is live or nobody looked."""
    return t.cast("str | None", (_part(survey, "artifacts").get("live") or {}).get("version"))


# What each kind of step leaves in a survey, by the words for it; nothing where the survey does not tell.

Traces = t.Dict[str, t.Any]


def _live(survey: Survey) -> Traces:
    return {"the live version": live_version(survey) or _NOTHING} if survey.get("artifacts") else {}


def _processes(survey: Survey) -> Traces:
    service = _part(survey, "service")
    process = "the process (pid, ticks at its start)"
    units = [(process, service), *(("%s of %s" % (process, other["name"]), other) for other in service.get("others", ()))]
    return {trace: (unit["pid"], unit["ticks"]) if unit["running"] else "not running" for trace, unit in units if unit.get("known")}


def _migrations(survey: Survey) -> Traces:
    found = _part(survey, "migrations")
    return {"the database": sorted(found["current"])} if found.get("readable") else {}


def _fingerprint(survey: Survey) -> Traces:
    cache = _part(survey, "cache")
    return {"the cache's fingerprint": cache["stored"] or _NOTHING} if cache.get("reachable") else {}


def _audience(survey: Survey) -> Traces:
    flag = _part(survey, "flag")
    flags = [("the flag's audience", flag), *(("the audience of %s" % other["flag"], other) for other in flag.get("others", ()))] if flag else []
    return {trace: "not ours" if one["foreign"] else one["audience"] or _NOTHING for trace, one in flags}


_TRACES: dict[str, t.Callable[[Survey], Traces]] = {
    "install": _live,
    "restart": _processes,
    "migrate": _migrations,
    "flush_cache": _fingerprint,
    "enable_feature": _audience,
}

_SEEN = {
    "restart": ("service", "the service", "known"),
    "migrate": ("migrations", "the database", "readable"),
    "flush_cache": ("cache", "the cache", "reachable"),
}
"""For kinds whose state may be out of sight: its part of a survey, the word for it, and the key that says whether it was seen."""


def _sees(survey: Survey, kind: str) -> bool | None:
    """Whether a survey saw the state of a kind; None where it did not look."""
    part, _what, told = _SEEN[kind]
    return bool(survey[part].get(told)) if survey.get(part) else None
