"""What differs between two pieces of plain data, told leaf by leaf in words people read. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.units import spoken
from surefoot.document import printable

Same = t.Callable[[t.Any, t.Any], bool]
"""Whether two values are the same to whoever asks."""

_NAMES = ("release", "host", "kind", "version", "id", "name")
"""What the members of a list are called by, the first one that all of them have."""

_DURATIONS = frozenset({"soak", "each", "downtime", "timeout", "interval"})
_ABSENT = object()


def equal(before: t.Any, after: t.Any) -> bool:
    """The plain way to be the same."""
    return bool(before == after)


def changes(before: t.Any, after: t.Any, *, same: Same = equal, where: tuple[str, ...] = ()) -> t.Iterator[str]:
    """A line for each leaf in which the two differ: `releases reviews-api soak was 10m, is 5m`. At least one where they are not the same."""
    if same(before, after):
        return
    one, other = _keyed(before), _keyed(after)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        yield _line(where, before, after)
        return
    found = False
    for key in dict.fromkeys([*one, *other]):
        left, right = ({key: side[key]} if key in side else {} for side in (one, other))
        if not same(left, right):
            found = True
            yield from _at_key((*where, key), left.get(key, _ABSENT), right.get(key, _ABSENT), same)
    if not found:
        yield _line(where, list(one), list(other)) if list(one) != list(other) else f"{_place(where)} changed"


def _at_key(where: tuple[str, ...], before: t.Any, after: t.Any, same: Same) -> t.Iterator[str]:
    if before is _ABSENT:
        yield f"{_place(where)} is new: {_told(where, after)}"
    elif after is _ABSENT:
        yield f"{_place(where)} is gone, was {_told(where, before)}"
    else:
        yield from changes(before, after, same=same, where=where)


def _keyed(value: t.Any) -> t.Any:
    """A list of mappings with names as a mapping by name; anything else as it is."""
    if isinstance(value, list) and value and all(isinstance(member, dict) for member in value):
        for name in _NAMES:
            names = [member.get(name) for member in value]
            if all(isinstance(found, str) for found in names) and len(set(names)) == len(names):
                return {str(member[name]): member for member in value}
        return {str(position): member for position, member in enumerate(value, start=1)}
    return value


def _line(where: tuple[str, ...], before: t.Any, after: t.Any) -> str:
    return f"{_place(where)} was {_told(where, before)}, is {_told(where, after)}"


def _place(where: tuple[str, ...]) -> str:
    return printable(" ".join(where)) or "it"


def _told(where: tuple[str, ...], value: t.Any) -> str:
    if value in (None, "", [], {}):
        return "nothing"
    if where and where[-1] in _DURATIONS and isinstance(value, (int, float)) and not isinstance(value, bool):
        return spoken(value)
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), most=100)
