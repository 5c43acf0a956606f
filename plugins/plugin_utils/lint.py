# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a path of releases before any host is asked: contracts between neighbours that cannot hold, gates that cannot fail."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import BASE
from ansible_collections.surefoot.release.plugins.plugin_utils import audiences
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong: in one release, or without a `release` in surefoot.yml. What is `barring` also keeps the release from beginning."""

    message: str
    release: str | None = None
    barring: bool = True


def lint(releases: t.Sequence[Release], gates: t.Mapping[str, t.Any] | None = None, always: t.Sequence[t.Any] = ()) -> tuple[Finding, ...]:
    """Everything that is wrong with a path, in order. `gates` are those with a name, and `always` those asked after every release, as surefoot.yml has them."""
    known = gates or {}
    return (
        *(Finding(message=f"verify in surefoot.yml has {gate}") for gate in _cannot_fail(always, known)),
        *(
            Finding(release=release.name, message=message, barring=rule is not _impact_has_a_reason)
            for position, release in enumerate(releases)
            for rule in (_installs_once, _migrates_onward, _flags_grow, _gates_can_fail(known), _impact_has_a_reason)
            for message in rule(release, releases[:position])
        ),
    )


_GIVES_IN = re.compile(r"(^|\|\|)\s*(true|:|exit 0)\s*$")
"""The end of a script that passes whatever came before it."""

Rule = t.Callable[[Release, t.Sequence[Release]], t.Iterator[str]]


def _installs_once(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    installed = [before for before in earlier if before.version]
    if release.version and installed and installed[-1].version == release.version:
        yield f"installs {release.version}, which {installed[-1].name} made live already"


def _migrates_onward(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    """Along a path a database goes forward, unless a release says that it goes back."""
    step = release.steps.get("migrate", {})
    if step.get("to") and step.get("state") != "reverted" and (later := _later(step["to"], _trail(earlier))):
        to, name = later[-1]
        yield f"migrates to {step['to']}, which is before {to}, where {name} went; to go back, say state: reverted"


def _trail(releases: t.Sequence[Release]) -> list[tuple[str, str]]:
    """The migrations that the path stands on after these releases, as far as they are named, each with the release that went there."""
    trail: list[tuple[str, str]] = []
    for release in releases:
        step = release.steps.get("migrate", {})
        if step.get("state") == "reverted":
            trail = [one for one in trail if one not in _later(step["to"], trail)]
        elif step.get("to") and step["to"] not in dict(trail[-1:]):
            trail.append((step["to"], release.name))
    return trail


def _later(to: str, trail: t.Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What of a trail comes after `to`: what was gone to since, and where `to` is a number, higher ones. Other names have no order without a database."""
    places = [place for place, (known, _name) in enumerate(trail) if known == to]
    if places:
        return list(trail[places[-1] + 1 :])
    return [(known, name) for known, name in trail if to == BASE or (to.isdecimal() and known.isdecimal() and int(known) > int(to))]


def _flags_grow(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    """Along a path a feature is opened; taking it back is a rollback, not a release."""
    step = release.steps.get("enable_feature", {})
    before = [one for one in earlier if one.steps.get("enable_feature", {}).get("flag") == step.get("flag", "")][-1:]
    for known in before:
        audience = known.steps["enable_feature"].get("audience")
        fewer = audiences.lost(audience, step.get("audience"))
        if fewer and not audiences.plain(step.get("audience")):
            yield f"closes {step['flag']}, which {known.name} opened to {audiences.spoken(audience)}"
        elif fewer:
            yield f"opens {step['flag']} to fewer than {known.name} did: it would be closed to {', '.join(fewer)}"


def _gates_can_fail(gates: t.Mapping[str, t.Any]) -> Rule:
    return lambda release, _earlier: (f"has {gate}" for gate in _cannot_fail([*release.verify, *release.batch_gates], gates))


def _cannot_fail(written: t.Sequence[t.Any], gates: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Those of the gates, by name or written in place, that pass whatever happens."""
    for gate in written:
        found = gates.get(gate) if isinstance(gate, str) else gate
        command = [str(word) for word in (found.get("command") if isinstance(found, t.Mapping) else None) or ()]
        if command and _always_passes(command):
            yield f"a gate that cannot fail: {f'{gate}, which is ' if isinstance(gate, str) else ''}{' '.join(command)}"


def _always_passes(command: t.Sequence[str]) -> bool:
    program, *arguments = (command[0].rpartition("/")[2], *command[1:])
    if program in {"sh", "bash", "dash"} and arguments[:1] == ["-c"] and len(arguments) > 1:
        return bool(_GIVES_IN.search(arguments[1]))
    return program in {"true", ":", "echo"}


def _impact_has_a_reason(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    impact = release.impact
    if (impact.downtime or impact.errors or impact.slower) and not impact.because:
        yield "says that users will notice and not why; add because to its impact"
