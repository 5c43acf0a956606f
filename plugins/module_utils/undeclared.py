# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared versus done: what changed on a host although the release did not say so."""

from __future__ import annotations

import typing as t

Survey = t.Mapping[str, t.Any]


def undeclared(before: Survey, after: Survey, declared: t.Collection[str]) -> list[dict[str, str]]:
    """Each kind of step whose traces differ between two surveys of one host although it is not among the `declared` kinds, as `{kind, reason}`."""
    found = []
    for kind, look in _TRACES.items():
        if kind not in declared:
            then, now = look(before), look(after)
            if then is not None and now is not None and then != now:
                found.append(dict(kind=kind, reason="%s was %s and is %s" % (_NAMES[kind], _shown(then), _shown(now))))
    return found


def _part(survey: Survey, name: str) -> t.Mapping[str, t.Any]:
    return survey.get(name) or {}


def _live(survey: Survey) -> t.Any:
    live = _part(survey, "artifacts").get("live")
    return live["version"] if live else None


def _process(survey: Survey) -> t.Any:
    service = _part(survey, "service")
    return (service["pid"], service["started_at"]) if service.get("running") else None


def _migrations(survey: Survey) -> t.Any:
    found = _part(survey, "migrations")
    return sorted(found["current"]) if found.get("readable") else None


def _fingerprint(survey: Survey) -> t.Any:
    return _part(survey, "cache").get("stored")


def _audience(survey: Survey) -> t.Any:
    return _part(survey, "flag").get("audience")


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


def _shown(state: t.Any) -> str:
    return "%s" % (state,)
