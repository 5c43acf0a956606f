# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a feature to an audience, or closing it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.flags import flagd, flagfile
from ansible_collections.surefoot.release.plugins.module_utils.flags.audience import Audience, losses, parse
from ansible_collections.surefoot.release.plugins.module_utils.flags.evaluate import evaluate
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

Params = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Sample:
    """Someone made up, or named by the user, for whom the flag is evaluated. `expect` is None where both answers are right."""

    who: str
    context: t.Mapping[str, t.Any]
    expect: bool | None


@dataclasses.dataclass(frozen=True)
class Move:
    """The flag as it is and as it shall be (None: no such flag), with the step that says so."""

    before: t.Mapping[str, t.Any] | None
    after: t.Mapping[str, t.Any] | None
    samples: t.Sequence[Sample]
    step: Step


def perform(params: Params, *, check_mode: bool) -> Step:
    """Bring the flag to its audience. `params` as in ARGUMENT_SPEC."""
    move = plan(flagfile.read(params["path"]), params)
    if check_mode or not move.step.needed:
        return move.step
    with flagfile.locked(params["path"]):
        file = flagfile.read(params["path"])
        move = plan(file, params)
        if move.step.needed:
            flagfile.write(file, file.with_flag(params["flag"], move.after))
            _read_back(params, move)
    return move.step


def plan(file: flagfile.FlagFile, params: Params) -> Move:
    """What to do about the flag, and why. Raises Refused where it must not be done, InvalidInput for an audience that cannot be."""
    name, before = params["flag"], file.flag(params["flag"])
    if not name:
        raise InvalidInput("The flag has no name", todo="set flag")
    wanted = None
    if params["state"] == "present":
        wanted = parse(params["audience"], group_attribute=params["group_attribute"], user_attribute=params["user_attribute"])
    reading = flagd.understand(before)
    if reading.foreign and not params["force"]:
        raise Refused(
            "Flag %s is another hand's: %s" % (name, reading.reason),
            seen=before,
            todo="agree with whoever wrote it in %s, then run again with force: true, which replaces its rules" % file.path,
        )
    _refuse_losses(name, reading.audience, wanted, params["allow_decrease"])
    after = None if wanted is None else flagd.compose(before, wanted)
    needed = reading.foreign or not flagd.same_rules(before, after)
    samples = _samples(wanted, params)
    _check(name, after if needed else before, samples, Refused)
    return Move(before, after, samples, _step(name, reading, wanted, needed, before, after if needed else before, samples, params))


def _refuse_losses(name: str, before: Audience | None, after: Audience | None, allowed: bool) -> None:
    if before is None or allowed:
        return
    lost = losses(before, after) if after is not None else ([] if before.nobody else [str(before)])
    if lost:
        raise Refused(
            "Flag %s would be closed to users who have it" % name,
            seen=", ".join(lost),
            todo="name them in the audience too, or set allow_decrease: true where that is what you want",
        )


def _step(
    name: str,
    reading: flagd.Reading,
    wanted: Audience | None,
    needed: bool,
    before: t.Any,
    after: t.Any,
    samples: t.Sequence[Sample],
    params: Params,
) -> Step:
    undo: dict[str, t.Any] | None = None
    if needed and not reading.foreign:
        undo = dict(flag=name, state="absent") if reading.audience is None else dict(flag=name, audience=reading.audience.as_data())
    return Step(
        kind="enable_feature",
        needed=needed,
        reason=_reason(name, reading, wanted, needed),
        before=_state(name, before, reading, samples),
        after=_state(name, after, flagd.understand(after), samples),
        undo=undo,
        reversible=not needed or (not reading.foreign and _attributes_match(reading.audience, params)),
    )


def _reason(name: str, reading: flagd.Reading, wanted: Audience | None, needed: bool) -> str:
    target = "%s is to be on for %s" % (name, wanted) if wanted is not None else "flag %s is to go" % name
    if not needed:
        return "no change needed: %s" % ("flag %s is not there" % name if wanted is None else "%s is on for %s" % (name, wanted))
    if reading.foreign:
        return "change forced: %s; the flag was another hand's: %s" % (target, reading.reason)
    return "change needed: %s; %s" % (target, reading.reason if reading.audience is None else "it is on for %s" % reading.audience)


def _state(name: str, body: t.Any, reading: flagd.Reading, samples: t.Sequence[Sample]) -> dict[str, t.Any]:
    return dict(
        exists=body is not None,
        foreign=reading.foreign,
        audience=None if reading.audience is None else reading.audience.as_data(),
        evaluated=[
            dict(who=sample.who, context=dict(sample.context), value=None if reading.foreign else evaluate(name, body, sample.context)) for sample in samples
        ],
    )


def _attributes_match(before: Audience | None, params: Params) -> bool:
    """Whether this host's own attribute names would write the audience that was there, as undo says it without them."""
    if before is None:
        return True
    return (not before.groups or before.group_attribute == params["group_attribute"]) and (
        not before.users or before.user_attribute == params["user_attribute"]
    )


def _samples(wanted: Audience | None, params: Params) -> list[Sample]:
    """Members of the audience, an outsider, someone unknown, and the contexts the user named."""
    if wanted is None:
        return []
    named = [Sample("context %d" % number, entry["context"], entry["expect"]) for number, entry in enumerate(params["contexts"], 1)]
    outsider = None if wanted.percentage and not wanted.everyone else wanted.everyone
    return [
        *(Sample("a member of %s" % group, _context(wanted, "surefoot-member", [group]), True) for group in wanted.groups),
        *(Sample("user %s" % user, _context(wanted, user, []), True) for user in wanted.users),
        Sample("an outsider", _context(wanted, "surefoot-outsider", ["surefoot-outsiders"]), outsider),
        Sample("someone unknown", {}, wanted.everyone),
        *named,
    ]


def _context(audience: Audience, user: str, groups: list[str]) -> dict[str, t.Any]:
    context: dict[str, t.Any] = dict(targetingKey=user)
    for attribute, value in ((audience.group_attribute, groups), (audience.user_attribute, user)):
        inner = context
        *path, last = attribute.split(".")
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return context


def _check(name: str, body: t.Any, samples: t.Sequence[Sample], kind: type[Refused] | type[StepFailed]) -> None:
    for sample in samples:
        value = evaluate(name, body, sample.context)
        if sample.expect is not None and value is not sample.expect:
            found = {True: "on", False: "off", None: "undecided (by the application's own default, or by a percentage on which flag providers differ)"}[value]
            raise kind(
                "Flag %s would not be %s for %s" % (name, "on" if sample.expect else "off", sample.who),
                seen="%s for %s" % (found, dict(sample.context)),
                todo="correct the audience, or what is expected of it",
            )


def _read_back(params: Params, move: Move) -> None:
    found = flagfile.read(params["path"]).flag(params["flag"])
    if found != move.after:
        raise StepFailed(
            "Flag %s reads back other than it was written" % params["flag"], seen=found, todo="look for whoever else writes %s, then run again" % params["path"]
        )
    _check(params["flag"], found, move.samples, StepFailed)
