# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between neighbouring releases: what one expects to find follows from the declared steps of those before it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release

Survey = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why nothing may be changed: what is not as expected, on which host, and what a person can do."""

    message: str
    host: str | None = None
    seen: str = ""
    todo: str = ""


def spoken(refusal: Refusal) -> str:
    """A refusal in one line."""
    parts = [f"{refusal.host}: {refusal.message}" if refusal.host else refusal.message]
    return "; ".join([*parts, *([f"found: {refusal.seen}"] if refusal.seen else []), *([f"next: {refusal.todo}"] if refusal.todo else [])])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contract:
    """What a release may find `live`: the version left by the releases before it, and its `own` where it was begun before."""

    live: frozenset[str]
    own: frozenset[str]


def contract_of(release: Release, earlier: t.Sequence[Release], undoing: Release | None = None) -> Contract:
    """What `release` expects of hosts, by the declared steps of the `earlier` releases of its feature; a way back may also find what it undoes."""
    installed = [before.version for before in earlier if before.version][-1:]
    own = [one.version for one in (release, undoing) if one and one.version]
    return Contract(live=frozenset([*installed, *own]), own=frozenset(own))


def refusals(
    release: Release,
    earlier: t.Sequence[Release],
    surveys: t.Mapping[str, Survey],
    hosts: t.Mapping[str, t.Sequence[str]],
    undoing: Release | None = None,
) -> tuple[Refusal, ...]:
    """Every way in which the surveyed hosts break the contract of `release`; empty when it holds."""
    contract = contract_of(release, earlier, undoing)
    return (
        *_missing_hosts(release, surveys, hosts, undoing),
        *_unfinished(release, earlier, surveys, hosts),
        *(() if undoing else _overtaken(release, surveys, hosts)),
        *(refusal for host, survey in surveys.items() for refusal in _on_host(release, contract, host, survey)),
        *_mixed_fleet(contract, surveys, hosts),
    )


def _missing_hosts(release: Release, surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]], undoing: Release | None) -> t.Iterator[Refusal]:
    for kind in release.steps:
        if not hosts.get(kind):
            yield Refusal(message=f"No host is there for {kind}", todo=f"check the group under hosts.{kind} in surefoot.yml and the inventory")
    if undoing and surveys:
        # A way back that one host does not take leads the others out of what failed all the same.
        return
    for host in dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ()) if host not in surveys):
        yield Refusal(host=host, message="The host did not answer the survey", todo="bring it back, or take it out of the inventory")


def _unfinished(release: Release, earlier: t.Sequence[Release], surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[Refusal]:
    """A release goes only where every earlier release of the path, as far as it concerns this host, has been verified."""
    concerned = dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ()) if host in surveys)
    for host in concerned:
        verified = verified_here(surveys[host], release.feature)
        for before in earlier:
            if before.name not in verified and any(host in hosts.get(kind, ()) for kind in before.steps):
                yield Refusal(
                    host=host,
                    message=f"Release {before.name} comes before {release.name} and has no receipt here",
                    seen=f"verified here: {', '.join(sorted(verified)) or 'nothing'}",
                    todo=f"apply {before.name} first",
                )
                break


def _overtaken(release: Release, surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[Refusal]:
    """A release that others came after is over: to perform it again would take back what they did."""
    for host in dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ()) if host in surveys):
        path = _path_here(surveys[host], release.feature)
        later = path[path.index(release.name) + 1 :] if release.name in path else ()
        if later:
            yield Refusal(
                host=host,
                message=f"Release {release.name} is over, {later[-1]} came after it",
                seen=f"verified here: {', '.join(path)}",
                todo="go on with the releases that are left, or roll back; a host that is behind is brought up with --limit",
            )


def verified_here(survey: Survey, feature: str) -> frozenset[str]:
    """The releases of `feature` that the receipt of a host holds as verified, and not as rolled back since."""
    return frozenset(_path_here(survey, feature))


def _path_here(survey: Survey, feature: str) -> tuple[str, ...]:
    """The verified releases of `feature`, in the order in which they were."""
    last: dict[str, str] = {}
    for entry in (survey.get("receipt") or {}).get("releases", ()):
        if entry["feature"] == feature:
            last.pop(entry["release"], None)
            last[entry["release"]] = entry["outcome"]
    return tuple(name for name, outcome in last.items() if outcome == "verified")


def _on_host(release: Release, contract: Contract, host: str, survey: Survey) -> t.Iterator[Refusal]:
    artifacts = survey.get("artifacts") or {}
    if artifacts.get("problem"):
        yield Refusal(
            host=host,
            message=f"The install path is not as an installation leaves it: {artifacts['problem']}",
            todo="repair the link by hand, then survey again",
        )
    elif artifacts:
        yield from _live_moved(release.name, contract, host, survey, artifacts)
    flag = survey.get("flag") or {}
    if flag.get("foreign") and "enable_feature" in release.steps:
        yield Refusal(
            host=host,
            message=f"Flag {flag.get('flag')} was changed by another hand",
            seen=str(flag.get("reason") or ""),
            todo="undo the edit, or take the flag over with enable_feature_force: true",
        )
    if "migrate" in release.steps:
        for edited in (survey.get("migrations") or {}).get("drift") or ():
            yield Refusal(
                host=host,
                message=f"Migration {edited.get('id')} is not what was applied",
                seen=str(edited.get("reason") or ""),
                todo="restore the applied file; write changes as a new migration",
            )


def _live_moved(name: str, contract: Contract, host: str, survey: Survey, artifacts: t.Mapping[str, t.Any]) -> t.Iterator[Refusal]:
    live = (artifacts.get("live") or {}).get("version")
    recorded = (survey.get("receipt") or {}).get("live_version")
    if recorded and live not in {recorded, *contract.own}:
        yield Refusal(
            host=host,
            message=f"{live or 'Nothing'} is live, but the last receipt says {recorded}",
            seen=f"{artifacts.get('path')}/current leads to {live or 'nothing'}",
            todo=f"make {recorded} live again, or record what is there",
        )
    elif not recorded and contract.live - contract.own and live not in contract.live:
        yield Refusal(
            host=host,
            message=f"{live or 'Nothing'} is live, {name} expects {' or '.join(sorted(contract.live))}",
            todo="apply the releases before it first",
        )


def _mixed_fleet(contract: Contract, surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[Refusal]:
    """Hosts of one group may differ only by being before or after this very release."""
    versions: dict[str | None, list[str]] = {}
    for host in hosts.get("install", ()):
        artifacts = surveys.get(host, {}).get("artifacts")
        live = (artifacts or {}).get("live") or {}
        if artifacts and not artifacts.get("problem") and live.get("version") not in contract.own:
            versions.setdefault(live.get("version"), []).append(host)
    if len(versions) > 1:
        seen = "; ".join(f"{version or 'nothing'} on {', '.join(sorted(group))}" for version, group in sorted(versions.items(), key=str))
        yield Refusal(message="The hosts run different versions", seen=seen, todo="bring the ones that are behind up to the others first")
