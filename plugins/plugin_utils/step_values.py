# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the values of a step may be, whoever says them: a person in a feature file, or for the way back a host that told what was there before.

A step is written out. A template in it would be one text to whoever plans and another to whoever performs, and out of a host's mouth a command.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import VERSION
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

MIGRATION = re.compile(r"[^\s-]\S{0,199}")
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, halves of surrogate pairs, and what turns the direction of writing: nothing needs them, and terminals act on them."""

LONGEST = 2000
_TEMPLATE = re.compile(r"\{[{%#]")
_AUDIENCE: t.Mapping[str, t.Callable[[t.Any], bool]] = {
    "everyone": lambda value: isinstance(value, bool),
    "nobody": lambda value: isinstance(value, bool),
    "groups": lambda value: _are_names(value),
    "users": lambda value: _are_names(value),
    "percentage": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100,
}


def template_in(text: str) -> bool:
    """Whether Jinja would see anything but plain text."""
    return _TEMPLATE.search(text) is not None


def check_values(kind: str, step: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidInput for a value that a step of this kind cannot have."""
    for key, value in step.items():
        # Gates are no part of what a step does, and hold templates.
        for text in _texts(value) if key != "verify" else ():
            if template_in(text):
                todo = "write it out; what differs between environments is a variable of the inventory, and gates may use those"
                raise InvalidInput(f"{kind}.{key} holds a template, and a step is written out", seen=_short(text), todo=todo)
            if UNPRINTABLE.search(text) or "\n" in text or len(text) > LONGEST:
                raise InvalidInput(f"{kind}.{key} is not one line of text that can be read", seen=_short(text))
    for key, pattern, meaning in (
        ("version", VERSION, "letters, digits, dots, dashes, plus signs and underscores, and begins with a letter or a digit"),
        ("to", MIGRATION, "the name of a migration, without spaces, and begins with no dash"),
    ):
        if key in step and not (isinstance(step[key], str) and pattern.fullmatch(step[key])):
            raise InvalidInput(f"{kind}.{key} is {meaning}", seen=_short(step[key]))
    for key in ("flag", "prefix"):
        if key in step and not isinstance(step[key], str):
            raise InvalidInput(f"{kind}.{key} is text", seen=_short(step[key]))
    if step.get("audience") is not None and not is_audience(step["audience"]):
        raise InvalidInput("An audience is everyone: true, or nobody: true, or groups, users and a percentage", seen=_short(step["audience"]))


def is_audience(value: t.Any) -> bool:
    """Whether this has the form of an audience."""
    return isinstance(value, t.Mapping) and all(key in _AUDIENCE and _AUDIENCE[key](part) for key, part in value.items())


def _are_names(value: t.Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value)


def _texts(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, t.Mapping):
        for key, part in value.items():
            yield from (*_texts(key), *_texts(part))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)


def _short(value: t.Any) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
