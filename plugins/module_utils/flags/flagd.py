# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audience as a flagd flag, and back.

A flag we wrote carries in its metadata a digest of its rules. Whoever edits the rules by hand leaves the digest behind, and so is noticed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.flags.audience import DECIMALS, NOBODY, Audience
from ansible_collections.surefoot.release.plugins.module_utils.flags.evaluate import variant_value

Body = t.Mapping[str, t.Any]

MARK = "surefoot"
_RULES = ("state", "variants", "defaultVariant", "targeting")
_PARTS = 10**DECIMALS


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a flag says. `audience` is None where there is no flag, or where it is `foreign`: its rules are another hand's, and `reason` says how."""

    audience: Audience | None
    foreign: bool
    reason: str


def understand(body: t.Any) -> Reading:
    """Read the flag `body`, None where there is none. Raises Refused for a flag that is not boolean."""
    if body is None:
        return Reading(None, False, "there is no such flag yet")
    variants = body.get("variants") if isinstance(body, dict) else None
    if not isinstance(variants, dict) or not variants or not all(isinstance(value, bool) for value in variants.values()):
        raise Refused("The flag is not a boolean one", seen="variants %s" % json.dumps(variants), todo="use a flag whose variants are true and false")
    metadata = body.get("metadata")
    mark = metadata.get(MARK) if isinstance(metadata, dict) else None
    if mark is not None:
        audience = _audience_of(body) if mark == digest(body) else None
        if audience is None:
            return Reading(None, True, "its rules were edited by hand since surefoot wrote them")
        return Reading(audience, False, "written by surefoot")
    if body.get("state") != "ENABLED":
        return Reading(None, True, "it is %s, so every application uses the default in its own code" % body.get("state"))
    if body.get("targeting"):
        return Reading(None, True, "its targeting was not written by surefoot")
    audience = _static_audience(body)
    if audience is None:
        return Reading(None, True, "it has no defaultVariant, so every application uses the default in its own code")
    return Reading(audience, False, "the same for everyone")


def compose(body: Body | None, audience: Audience) -> dict[str, t.Any]:
    """The flag for this audience. What `body`, the flag so far, holds besides its rules is kept, in its order; so are the names of its variants.

    No one sees the feature through an enabled flag with a default of off: a disabled flag would leave the answer to each application.
    """
    flag = dict(body or {})
    variants = dict(flag.get("variants") or {})
    on, off = _variant(variants, True), _variant(variants, False)
    flag.update(state="ENABLED", variants=variants, defaultVariant=on if audience.everyone else off)
    if audience.everyone or audience.nobody:
        flag.pop("targeting", None)
    else:
        flag["targeting"] = _targeting(audience, on, off)
    flag["metadata"] = dict(flag.get("metadata") or {}, **{MARK: digest(flag)})
    return flag


def same_rules(one: Body | None, other: Body | None) -> bool:
    """Whether two flags decide alike; metadata aside."""
    if one is None or other is None:
        return one is other
    return all((one.get(name) or None) == (other.get(name) or None) for name in _RULES)


def digest(body: Body) -> str:
    """SHA-256, in hex, of the rules of a flag."""
    rules = {name: body[name] for name in _RULES if body.get(name)}
    return hashlib.sha256(json.dumps(rules, sort_keys=True, separators=(",", ":")).encode("utf-8")).hexdigest()


def _variant(variants: dict[str, t.Any], value: bool) -> str:
    """The name of the variant of this value, added to `variants` where there is none."""
    name = "on" if value else "off"
    names = [known for known, held in variants.items() if held is value]
    if not names:
        if name in variants:
            raise Refused(
                "The flag has a variant %s with another value" % name,
                seen="variants %s" % json.dumps(variants),
                todo="give it a variant for %s" % json.dumps(value),
            )
        variants[name] = value
    return name if name in names or not names else names[0]


def _targeting(audience: Audience, on: str, off: str) -> dict[str, t.Any]:
    # `merge` makes a list of a single group: without it, an attribute that is text would match every group whose name it contains.
    members: list[dict[str, t.Any]] = [{"in": [group, {"merge": [{"var": audience.group_attribute}]}]} for group in audience.groups]
    if audience.users:
        members.append({"in": [{"var": audience.user_attribute}, list(audience.users)]})
    rule: list[t.Any] = []
    if members:
        rule += [members[0] if len(members) == 1 else {"or": members}, on]
    if audience.percentage:
        weight, whole = round(audience.percentage * _PARTS), 100 * _PARTS
        if weight % _PARTS == 0:
            weight, whole = weight // _PARTS, 100
        # Without the condition, all who have no targeting key would share one bucket, and could all be in.
        bucket = {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}
        rule += [{"var": "targetingKey"}, {"fractional": [bucket, [on, weight], [off, whole - weight]]}]
    return {"if": [*rule, off]}


def _audience_of(body: Body) -> Audience | None:
    """The audience of which these rules were made, None where they were not made by `_targeting`."""
    targeting = body.get("targeting")
    if not targeting:
        return _static_audience(body)
    try:
        audience = _read_targeting(targeting["if"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    return audience if same_rules(compose(body, audience), body) else None


def _read_targeting(rule: t.Sequence[t.Any]) -> Audience:
    audience = NOBODY
    for condition, outcome in zip(rule[:-1:2], rule[1::2]):
        if condition == {"var": "targetingKey"}:
            weight, rest = outcome["fractional"][1][1], outcome["fractional"][2][1]
            audience = dataclasses.replace(audience, percentage=round(100.0 * weight / (weight + rest), DECIMALS))
            continue
        for member in condition.get("or", [condition]):
            needle, haystack = member["in"]
            if isinstance(needle, str):
                audience = dataclasses.replace(audience, groups=(*audience.groups, needle), group_attribute=haystack["merge"][0]["var"])
            else:
                audience = dataclasses.replace(audience, users=tuple(haystack), user_attribute=needle["var"])
    return audience


def _static_audience(body: Body) -> Audience | None:
    value = variant_value(body, body.get("defaultVariant"))
    if value is None:
        return None
    return Audience(percentage=100.0) if value else NOBODY
