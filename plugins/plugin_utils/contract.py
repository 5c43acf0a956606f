# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between neighbouring releases: what one expects to find follows from the declared steps of those before it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import BASE
from ansible_collections.surefoot.release.plugins.plugin_utils import audiences
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
    """What a release may find `live`: the version left by the releases before it, and its `own` where it was begun before.

    `begun_from` is what was live on each host when it was first begun, where it was and is not settled: a way back that was broken off leads there, and may
    have left receipts of the release behind.
    """

    live: frozenset[str]
    own: frozenset[str]
    begun_from: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)


_NO_RELEASE = Contract(live=frozenset(), own=frozenset())
"""Where no release comes next: only what receipts say may be live."""


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
    begun_from: t.Mapping[str, str | None] | None = None,
) -> tuple[Refusal, ...]:
    """Every way in which the surveyed hosts break the contract of `release`; empty when it holds."""
    contract = dataclasses.replace(contract_of(release, earlier, undoing), begun_from=begun_from or {})
    return (
        *_missing_hosts(release, surveys, hosts, undoing),
        *_unfinished(release, earlier, surveys, hosts),
        *(() if undoing else (*_overtaken(release, surveys, hosts), *unnotable(surveys))),
        *(refusal for host, survey in surveys.items() for refusal in _on_host(release, contract, host, survey, hosts.get("install", ()))),
        *_mixed_fleet(contract, surveys, hosts),
        # The way back stays open, whatever else is not as it should be.
        *(() if undoing else strayed(earlier, surveys, hosts, apart_from=release.flag)),
    )


def moved(release: Release, surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]]) -> tuple[Refusal, ...]:
    """Where hosts are not as `release`, the last one that is done, left them: whoever changed that by hand has undone it in part, or gone on from it."""
    return tuple(refusal for host, survey in surveys.items() for refusal in _on_host(release, _NO_RELEASE, host, survey, hosts.get("install", ())))


def as_left(done: t.Sequence[Release], surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]]) -> tuple[Refusal, ...]:
    """Every way in which hosts are no longer as the `done` releases left them, where no release comes next whose contract would say so."""
    return (
        *(refusal for host in hosts.get("install", ()) if host in surveys for refusal in _installed("", _NO_RELEASE, host, surveys[host])),
        *(refusal for host, survey in surveys.items() for refusal in _edited(host, survey)),
        *_mixed_fleet(_NO_RELEASE, surveys, hosts),
        *strayed(done, surveys, hosts),
    )


def unlike(done: t.Sequence[Release], surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]]) -> tuple[Refusal, ...]:
    """What keeps hosts from being taken for what the `done` releases leave, whatever their receipts say; which version is live is left to whoever asks."""
    problems = [host for host in hosts.get("install", ()) if (surveys.get(host, {}).get("artifacts") or {}).get("problem")]
    return (
        *(refusal for host in problems for refusal in _installed("", _NO_RELEASE, host, surveys[host])),
        *_mixed_fleet(_NO_RELEASE, surveys, hosts),
        *strayed(done, surveys, hosts, by_receipt=False),
    )


def strayed(
    done: t.Sequence[Release],
    surveys: t.Mapping[str, Survey],
    hosts: t.Mapping[str, t.Sequence[str]],
    *,
    apart_from: str | None = None,
    by_receipt: bool = True,
) -> tuple[Refusal, ...]:
    """Every way in which database and flags are no longer as the `done` releases of a feature left them, `by_receipt` on hosts that have theirs.

    Asked for is the least that they left: a database may have been migrated further by others, and a flag opened wider. What cannot be told is not refused.
    Of the flag `apart_from` another hand's edit is told elsewhere.
    """
    found: list[Refusal] = []
    for kind, left in {kind: [release for release in done if kind in release.steps] for kind in ("migrate", "enable_feature")}.items():
        for host in hosts.get(kind, ()) if left else ():
            survey = surveys.get(host, {})
            here = verified_here(survey, left[0].feature) if by_receipt else {release.name for release in left}
            ours = [release for release in left if release.name in here]
            found += _unmigrated(ours, host, survey.get("migrations") or {}) if kind == "migrate" else _narrowed(ours, host, survey, apart_from)
    return tuple(found)


def _unmigrated(done: t.Sequence[Release], host: str, found: Survey) -> t.Iterator[Refusal]:
    """What a database lacks of the migrations that releases brought it to."""
    applied = {*(found.get("current") or ()), *(found.get("applied") or ())}
    # Of a revision that the artifact does not know alembic cannot tell what it was built upon.
    if not found.get("readable") or (found.get("unknown") and found.get("engine") != "sql"):
        return
    for name, wanted in _brought_to(done, found).items():
        if lacking := [one for one in wanted if one not in applied]:
            yield Refusal(
                host=host,
                message=f"The database is not as {name} left it: {', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not applied",
                seen=f"the database is at {', '.join(found.get('current') or ()) or BASE}",
                todo=f"bring it back to where {name} left it; where it is meant to be there, roll {name} back",
            )


def _brought_to(done: t.Sequence[Release], found: Survey) -> dict[str, t.Sequence[str]]:
    """By release the migrations that have to be applied. A release that went back leaves nothing of those before it to be asked for."""
    wanted: dict[str, t.Sequence[str]] = {}
    for release in done:
        step = release.steps.get("migrate", {})
        to = step.get("to")
        wanted = {} if step.get("state") == "reverted" else wanted
        if to and to != BASE and "{{" not in to:
            wanted[release.name] = [to]
        elif step and not to and found.get("version") == step["version"]:
            wanted[release.name] = list(found.get("pending") or ())
    return wanted


def _narrowed(done: t.Sequence[Release], host: str, survey: Survey, apart_from: str | None) -> t.Iterator[Refusal]:
    """Flags that are open to fewer than the last release left them open to, or are another hand's by now."""
    last = {release.flag: release for release in done if release.flag}
    for flag, release in last.items():
        found, audience = surveyed_flag(survey, flag), release.steps["enable_feature"].get("audience")
        if found and found.get("foreign"):
            yield from _foreign(host, found) if flag != apart_from else ()
        elif found and not found.get("forced") and (lost := audiences.lost(audience, found.get("audience"))):
            yield Refusal(
                host=host,
                message=f"Flag {flag} is open to {audiences.spoken(found.get('audience'))}, and {release.name} left it open to {audiences.spoken(audience)}",
                seen=str(found.get("reason") or f"closed to {', '.join(lost)}") if found.get("audience") is None else f"closed to {', '.join(lost)}",
                todo=f"open it again; where it is meant to be closed, roll {release.name} back",
            )


def surveyed_flag(survey: Survey, name: str) -> t.Mapping[str, t.Any] | None:
    """What a survey says of the flag `name`, None where it did not look at it."""
    found = survey.get("flag") or {}
    return next((flag for flag in (found, *found.get("others", ())) if flag.get("flag", name) == name), None) if found else None


def _foreign(host: str, flag: t.Mapping[str, t.Any]) -> t.Iterator[Refusal]:
    if flag.get("foreign"):
        yield Refusal(
            host=host,
            message=f"Flag {flag.get('flag')} was changed by another hand",
            seen=str(flag.get("reason") or ""),
            todo="undo the edit, or take the flag over with enable_feature_force: true",
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


def unnotable(surveys: t.Mapping[str, Survey]) -> t.Iterator[Refusal]:
    """Better before the first step than after the last one. The way back is gone as far as it leads all the same."""
    for host, survey in surveys.items():
        if survey.get("receipt_problem"):
            yield Refusal(
                host=host,
                message="The receipt could not be written here",
                seen=str(survey["receipt_problem"]),
                todo="make room there, or let the user ansible works as write there",
            )


def verified_here(survey: Survey, feature: str) -> frozenset[str]:
    """The releases of `feature` that the receipt of a host holds as verified or adopted, and not as rolled back since."""
    return frozenset(_path_here(survey, feature))


def _path_here(survey: Survey, feature: str) -> tuple[str, ...]:
    """The verified and adopted releases of `feature`, in the order in which they were."""
    last: dict[str, str] = {}
    for entry in (survey.get("receipt") or {}).get("releases", ()):
        if entry["feature"] == feature:
            last.pop(entry["release"], None)
            last[entry["release"]] = entry["outcome"]
    return tuple(name for name, outcome in last.items() if outcome in {"verified", "adopted"})


def _on_host(release: Release, contract: Contract, host: str, survey: Survey, installed: t.Sequence[str]) -> t.Iterator[Refusal]:
    # One that only migrates has artifacts staged, and none live.
    yield from _installed(release.name, contract, host, survey, live=host in installed)
    if release.flag:
        yield from _foreign(host, surveyed_flag(survey, release.flag) or {})
    if "migrate" in release.steps:
        yield from _edited(host, survey)


def _edited(host: str, survey: Survey) -> t.Iterator[Refusal]:
    for edited in (survey.get("migrations") or {}).get("drift") or ():
        yield Refusal(
            host=host,
            message=f"Migration {edited.get('id')} is not what was applied",
            seen=str(edited.get("reason") or ""),
            todo="restore the applied file; write changes as a new migration",
        )


def _installed(name: str, contract: Contract, host: str, survey: Survey, *, live: bool = True) -> t.Iterator[Refusal]:
    artifacts = survey.get("artifacts") or {}
    if artifacts.get("problem"):
        yield Refusal(
            host=host,
            message=f"The install path is not as an installation leaves it: {artifacts['problem']}",
            todo="repair the link by hand, then survey again",
        )
    elif artifacts and live:
        yield from _live_moved(name, contract, host, survey, artifacts)


def _live_moved(name: str, contract: Contract, host: str, survey: Survey, artifacts: t.Mapping[str, t.Any]) -> t.Iterator[Refusal]:
    live = (artifacts.get("live") or {}).get("version")
    recorded = (survey.get("receipt") or {}).get("live_version")
    taken_back = recorded in contract.own and live is not None and live == contract.begun_from.get(host)
    if recorded and live not in {recorded, *contract.own} and not taken_back:
        yield Refusal(
            host=host,
            message=f"{live or 'Nothing'} is live, but the last receipt says {recorded}",
            seen=f"{artifacts.get('path')}/current leads to {live or 'nothing'}",
            todo=f"make {recorded} live again, or accept what is there with surefoot adopt",
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
