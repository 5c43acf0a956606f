# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a survey looks like. A host that answers with anything else is refused by name, before anything is planned by it."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.receipt import is_whole
from ansible_collections.surefoot.release.plugins.plugin_utils.step_values import is_audience

Fits = t.Callable[[t.Any], bool]


def problem_in(survey: t.Any) -> str | None:
    """Which part of a survey is none, in words; None for a survey. What nobody plans by, such as times, may be anything."""
    if not isinstance(survey, t.Mapping):
        return "the whole of it is no survey"
    for part, fits in _PARTS.items():
        if survey.get(part) is not None and not fits(survey[part]):
            return f"its part {part} is not what a survey tells there"
    return None


def are_at_work(value: t.Any) -> bool:
    """Whether these are steps at work, as a host tells of them."""
    return _AT_WORK(value)


def _is(*kinds: type) -> Fits:
    return lambda value: isinstance(value, kinds)


def _is_time(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < 1e12


def _or_nothing(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _list(fits: Fits) -> Fits:
    return lambda value: isinstance(value, (list, tuple)) and all(map(fits, value))


def _mapping(**keys: Fits) -> Fits:
    return lambda value: isinstance(value, t.Mapping) and all(fits(value.get(key)) for key, fits in keys.items())


def _with(form: Fits, **optional: Fits) -> Fits:
    """A mapping of that form in which these keys may be missing."""
    return lambda value: form(value) and all(fits(value[key]) for key, fits in optional.items() if key in value)


_TEXT, _YES_OR_NO = _is(str), _is(bool)
_SAID, _TEXTS = _or_nothing(_TEXT), _list(_TEXT)
_STEP_AT_WORK = _mapping(kind=_TEXT, what=_TEXT, seconds=_or_nothing(_is_time))
_PROCESS = _mapping(pid=_is(int), user=_is(int))
_AT_WORK = _or_nothing(_list(lambda step: _STEP_AT_WORK(step) and (step.get("pid", 0) is None or _PROCESS(step))))
_ARTIFACT = _mapping(version=_TEXT, sha256=_SAID)
_FLAG = _mapping(flag=_TEXT, audience=_or_nothing(is_audience), foreign=_YES_OR_NO, forced=_or_nothing(_YES_OR_NO), reason=_SAID)
_UNIT = _mapping(name=_TEXT, running=_YES_OR_NO, stale=_YES_OR_NO, version=_SAID, reason=_SAID)

_PARTS: t.Mapping[str, Fits] = {
    "receipt": is_whole,
    "artifacts": _mapping(path=_SAID, live=_or_nothing(_ARTIFACT), staged=_list(_ARTIFACT), problem=_SAID),
    "service": _with(_UNIT, others=_list(_UNIT)),
    "pool": _mapping(state=_TEXT, reason=_SAID),
    "migrations": _with(
        _mapping(readable=_YES_OR_NO, reason=_SAID, current=_TEXTS, applied=_TEXTS, pending=_TEXTS, drift=_list(_mapping(id=_TEXT, reason=_SAID))),
        unknown=_TEXTS,
        irreversible=_TEXTS,
        version=_SAID,
    ),
    "cache": _mapping(reachable=_YES_OR_NO, needed=_YES_OR_NO, stored=_SAID, declared=_SAID, reason=_SAID),
    "flag": _with(_FLAG, others=_list(_FLAG)),
}
