# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the values of a step may be, whoever says them: a person in a feature file, or for the way back a host that told what was there before.

What says which version, migration, flag or cache is meant is written out: a template would be one text to whoever plans and another to whoever performs.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import VERSION
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.text import UNPRINTABLE

MIGRATION = re.compile(r"[^\s-]\S{0,199}")
_LINE = re.compile(r"[^\n]{1,2000}")
_FORMS: t.Mapping[str, tuple[re.Pattern[str], str]] = {
    "version": (VERSION, "letters, digits, dots, dashes, plus signs and underscores, and begins with a letter or a digit"),
    "to": (MIGRATION, "the name of a migration, without spaces, and begins with no dash"),
    "flag": (_LINE, "one line of text"),
    "prefix": (_LINE, "one line of text"),
}
_WRITTEN_OUT = "write it out; what differs between environments is a variable of the inventory, and gates and audiences may use those"
_TEMPLATE = re.compile(r"\{[{%#]")


def template_in(text: str) -> bool:
    """Whether Jinja would see anything but plain text."""
    return _TEMPLATE.search(text) is not None


def check_values(kind: str, step: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidInput for a value that a step of this kind cannot have. Whom it opens a feature to is seen to by `check_audience`."""
    for key, (form, meaning) in _FORMS.items():
        if key not in step:
            continue
        if not isinstance(step[key], str):
            raise InvalidInput(f"{kind}.{key} is text", seen=_short(step[key]))
        if template_in(step[key]):
            raise InvalidInput(f"{kind}.{key} holds a template, and is to be written out", seen=_short(step[key]), todo=_WRITTEN_OUT)
        if not form.fullmatch(step[key]) or UNPRINTABLE.search(step[key]):
            raise InvalidInput(f"{kind}.{key} is {meaning}", seen=_short(step[key]))


def check_audience(audience: t.Any) -> None:
    """Raise InvalidInput for what is no audience, or holds a template, which a person may write and a host may not say."""
    if not is_audience(audience):
        raise InvalidInput("An audience is everyone: true, or nobody: true, or groups, users and a percentage", seen=_short(audience))
    for name in (*audience.get("groups", ()), *audience.get("users", ())):
        if template_in(name) or not _LINE.fullmatch(name) or UNPRINTABLE.search(name):
            raise InvalidInput("Groups and users are written out, each on one line", seen=_short(name))


def is_audience(value: t.Any) -> bool:
    """Whether this has the form of an audience."""
    return isinstance(value, t.Mapping) and all(key in _AUDIENCE and _AUDIENCE[key](part) for key, part in value.items())


def _are_names(value: t.Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value)


_AUDIENCE: t.Mapping[str, t.Callable[[t.Any], bool]] = {
    "everyone": lambda value: isinstance(value, bool),
    "nobody": lambda value: isinstance(value, bool),
    "groups": _are_names,
    "users": _are_names,
    "percentage": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100,
}


def _short(value: t.Any) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
