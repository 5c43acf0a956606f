# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluating the rules that `flags.flagd` writes, as an application's flag provider would."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.flags.murmur import murmur3

Context = t.Mapping[str, t.Any]


class Unsupported(Exception):
    """A rule uses an operator that this project never writes."""


def evaluate(flag: str, body: t.Mapping[str, t.Any] | None, context: Context, encodings: t.Sequence[str] = ("text", "cbor")) -> bool | None:
    """The value of a boolean flag for `context` (attributes, `targetingKey` among them), as all providers of these ENCODINGS see it.

    None where it cannot be told: there is no such flag or it is disabled, so the application's own default decides; a rule is not one of ours; or providers
    differ. They differ in a percentage, because some hash the bucketing text itself and some its CBOR form.
    """
    if body is None or body.get("state") != "ENABLED":
        return None
    try:
        values = {_value(flag, body, context, ENCODINGS[encoding]) for encoding in encodings}
    except Unsupported:
        return None
    return values.pop() if len(values) == 1 else None


def variant_value(body: t.Mapping[str, t.Any], variant: t.Any) -> bool | None:
    """The value of a variant of a boolean flag; None where there is no such variant. The name may be given as a boolean, as flagd allows."""
    name = str(variant).lower() if isinstance(variant, bool) else variant
    value = body["variants"].get(name) if isinstance(name, str) else None
    return value if isinstance(value, bool) else None


def _text(text: str) -> bytes:
    return text.encode("utf-8")


def _cbor(text: str) -> bytes:
    data = text.encode("utf-8")
    if len(data) < 24:
        return bytes([0x60 + len(data)]) + data
    size, head = next((size, head) for size, head in ((1, 0x78), (2, 0x79), (4, 0x7A)) if len(data) < 1 << 8 * size)
    return bytes([head]) + len(data).to_bytes(size, "big") + data


ENCODINGS: dict[str, t.Callable[[str], bytes]] = dict(text=_text, cbor=_cbor)
"""What providers hash: flagd-core 2 for Python the CBOR form of the bucketing text, flagd-core 4 for JavaScript and older ones the text itself."""


def _value(flag: str, body: t.Mapping[str, t.Any], context: Context, encode: t.Callable[[str], bytes]) -> bool | None:
    variant = None
    if body.get("targeting"):
        data = dict(context)
        data["$flagd"] = dict(flagKey=flag)
        variant = _apply(body["targeting"], data, encode)
    return variant_value(body, body.get("defaultVariant") if variant is None else variant)


def _apply(rule: t.Any, data: t.Mapping[str, t.Any], encode: t.Callable[[str], bytes]) -> t.Any:
    if isinstance(rule, list):
        return [_apply(part, data, encode) for part in rule]
    if not isinstance(rule, dict):
        return rule
    if len(rule) != 1:
        raise Unsupported(sorted(rule))
    ((operator, arguments),) = rule.items()
    if operator == "var" and isinstance(arguments, str):
        return _look_up(arguments, data)
    if operator not in _OPERATORS or not isinstance(arguments, list):
        raise Unsupported(operator)
    return _OPERATORS[operator](arguments, data, encode)


def _look_up(name: str, data: t.Any) -> t.Any:
    for part in name.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _if(arguments: list[t.Any], data: t.Any, encode: t.Any) -> t.Any:
    for condition, result in zip(arguments[::2], arguments[1::2]):
        if _apply(condition, data, encode):
            return _apply(result, data, encode)
    return _apply(arguments[-1], data, encode) if len(arguments) % 2 else None


def _or(arguments: list[t.Any], data: t.Any, encode: t.Any) -> t.Any:
    return any(_apply(argument, data, encode) for argument in arguments)


def _in(arguments: list[t.Any], data: t.Any, encode: t.Any) -> bool:
    needle, haystack = _apply(arguments, data, encode)
    if not isinstance(haystack, list):
        raise Unsupported("in, with something other than a list")
    return any(type(straw) is type(needle) and straw == needle for straw in haystack)


def _merge(arguments: list[t.Any], data: t.Any, encode: t.Any) -> list[t.Any]:
    merged: list[t.Any] = []
    for part in _apply(arguments, data, encode):
        merged.extend(part if isinstance(part, list) else [part])
    return merged


def _cat(arguments: list[t.Any], data: t.Any, encode: t.Any) -> str:
    parts = _apply(arguments, data, encode)
    if not all(isinstance(part, str) for part in parts):
        raise Unsupported("cat, with something other than text")
    return "".join(parts)


def _fractional(arguments: list[t.Any], data: t.Any, encode: t.Callable[[str], bytes]) -> t.Any:
    key, *fractions = _apply(arguments, data, encode)
    total = sum(weight for _name, weight in fractions)
    bucket = murmur3(encode(key)) * total >> 32
    reached = 0
    for name, weight in fractions:
        reached += weight
        if bucket < reached:
            return name
    return None


_OPERATORS: dict[str, t.Callable[[list[t.Any], t.Any, t.Any], t.Any]] = {
    "if": _if,
    "or": _or,
    "in": _in,
    "merge": _merge,
    "cat": _cat,
    "fractional": _fractional,
}
