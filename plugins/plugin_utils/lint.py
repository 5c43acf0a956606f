# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a path of releases before any host is asked: contracts between neighbours that cannot hold, gates that cannot fail."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, in one release."""

    release: str
    message: str


def lint(releases: t.Sequence[Release]) -> tuple[Finding, ...]:
    """Everything that is wrong with a path, in order."""
    return tuple(
        Finding(release=release.name, message=message)
        for position, release in enumerate(releases)
        for rule in (_installs_once, _flags_grow, _gates_can_fail, _impact_has_a_reason)
        for message in rule(release, releases[:position])
    )


def _installs_once(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    installed = [before for before in earlier if before.version]
    if release.version and installed and installed[-1].version == release.version:
        yield f"installs {release.version}, which {installed[-1].name} made live already"


def _flags_grow(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    """Along a path a feature is opened; taking it back is a rollback, not a release."""
    step = release.steps.get("enable_feature")
    wide = [before for before in earlier if _opens_to_everyone(before, step)]
    if step and wide and not (step.get("audience") or {}).get("everyone"):
        yield f"opens {step['flag']} to fewer than {wide[-1].name} did"


def _opens_to_everyone(before: Release, step: t.Mapping[str, t.Any] | None) -> bool:
    known = before.steps.get("enable_feature")
    return bool(step and known and known["flag"] == step["flag"] and (known.get("audience") or {}).get("everyone"))


def _gates_can_fail(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    for gate in release.verify:
        command = gate.get("command") if isinstance(gate, t.Mapping) else None
        if command and str(command[0]).rpartition("/")[2] in {"true", ":", "echo"}:
            yield f"has a gate that cannot fail: {' '.join(map(str, command))}"


def _impact_has_a_reason(release: Release, earlier: t.Sequence[Release]) -> t.Iterator[str]:
    impact = release.impact
    if (impact.downtime or impact.errors or impact.slower) and not impact.because:
        yield "says that users will notice and not why; add because to its impact"
