# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Survey and release in, plan out: what would be done on which host, and why. Pure; its tests are the files in tests/cases."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils import audiences
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal, refusals, surveyed_flag
from ansible_collections.surefoot.release.plugins.plugin_utils.release import HOOKS, STEP_KINDS, Release
from ansible_collections.surefoot.release.plugins.plugin_utils.rolling import Roll, roll_of

Survey = t.Mapping[str, t.Any]
"""What `release_info` read on one host: receipt, artifacts, service, pool, migrations, cache, flag; None where a kind was not asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostStep:
    """One step on one host. `needed` is None where only an earlier step of the same release can tell."""

    host: str
    needed: bool | None
    reason: str
    before: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    after: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One kind of step over all its hosts."""

    kind: str
    hosts: tuple[HostStep, ...]

    @property
    def needed(self) -> bool:
        """Whether anything has to be done, or may have to be, anywhere."""
        return any(step.needed is not False for step in self.hosts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What one release would do, seen from the surveyed state, and in which `batches` it rolls. A plan with refusals must not be applied.

    `lost` are hosts that a way back does without, since they did not answer.
    """

    release: Release
    steps: tuple[PlannedStep, ...]
    refusals: tuple[Refusal, ...]
    batches: tuple[tuple[str, ...], ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether the release has anything left to do."""
        return any(step.needed for step in self.steps)

    def rolls(self, host: str) -> bool:
        """Whether the host has to leave the pool and come back: its code or its process changes, or it was left drained."""
        return True in self._needed(host)

    def restores(self, host: str) -> bool:
        """Whether the host has to be put back in the pool: it leaves it, or only the pool can tell whether it was left drained."""
        return bool(self._needed(host) - {False})

    def _needed(self, host: str) -> set[bool | None]:
        return {step.needed for planned in self.steps if planned.kind in ("install", "restart") for step in planned.hosts if step.host == host}

    def as_mapping(self) -> dict[str, t.Any]:
        """Plain data for facts, `--json` and saved plans."""
        return {
            "release": self.release.as_mapping(),
            "needed": self.needed,
            "steps": [{"kind": step.kind, "needed": step.needed, "hosts": [dataclasses.asdict(host) for host in step.hosts]} for step in self.steps],
            "refusals": [dataclasses.asdict(refusal) for refusal in self.refusals],
            "batches": [list(batch) for batch in self.batches],
        }


def plan_release(
    release: Release,
    earlier: t.Sequence[Release],
    surveys: t.Mapping[str, Survey],
    hosts: t.Mapping[str, t.Sequence[str]],
    undoing: Release | None = None,
    away: t.Collection[str] = (),
    begun_from: t.Mapping[str, str | None] | None = None,
) -> Plan:
    """Plan `release`, which follows on `earlier` ones of its feature.

    `surveys` maps each host that answered to its survey; `hosts` maps each declared kind of step to the hosts it is for; `undoing` is the release that
    this one is the way back from. Of the hosts `away` it is known that they serve nobody, where no pool tells. `begun_from` is what was live on each host
    when this release was first begun, where it was.
    """
    refused = refusals(release, earlier, surveys, hosts, undoing, begun_from)
    steps = tuple(
        PlannedStep(kind=kind, hosts=tuple(_DECIDE[kind](release, host, surveys[host]) for host in hosts[kind] if host in surveys))
        for kind in STEP_KINDS
        if kind in release.steps
    )
    plan = Plan(release=release, steps=steps, refusals=refused)
    roll = _roll(plan, surveys, hosts, back=undoing is not None, away=away)
    lost = dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ()) if host not in surveys) if undoing else ()
    return dataclasses.replace(plan, refusals=(*refused, *([roll.refusal] if roll.refusal else [])), batches=roll.batches, lost=tuple(lost))


def _roll(plan: Plan, surveys: t.Mapping[str, Survey], hosts: t.Mapping[str, t.Sequence[str]], *, back: bool, away: t.Collection[str]) -> Roll:
    rolled = list(dict.fromkeys(host for kind in ("install", "restart") if kind in plan.release.steps for host in hosts.get(kind, ())))
    leaving = [host for host in rolled if "restart" in plan.release.steps and plan.rolls(host)]
    return roll_of(rolled, surveys, plan.release.batches, leaving, back=back, away=away)


def at_ramp_stage(release: Release, share: float | None, surveys: t.Mapping[str, Survey]) -> Release:
    """The release as far as one stage of its ramp goes: open to `share` percent of users besides those who are let in already.

    Raises InvalidInput where a release has a ramp and no stage is named, or the other way round.
    """
    if bool(release.ramp) != (share is not None):
        stages = ", ".join(f"{known:g}" for known in release.ramp) or "none"
        raise InvalidInput(
            f"Release {release.name} opens in stages: {stages}",
            seen=f"stage {share}",
            todo="let surefoot apply go through them, or name one with -e surefoot_ramp=PERCENT",
        )
    if share is None or share >= 100:
        return release
    audiences = [found["audience"] for survey in surveys.values() if (found := survey.get("flag")) and found.get("audience")] or [{}]
    # A run that was killed may have come further, and on some hosts only; what was opened is not closed again.
    if any(audience.get("everyone") for audience in audiences):
        return release
    reached = max([share, *(float(audience.get("percentage") or 0) for audience in audiences)])
    # Who is let in on one host alone is that host's word, and no reason to let them in on others.
    everywhere = {key: [name for name in audiences[0].get(key) or () if all(name in (one.get(key) or ()) for one in audiences)] for key in ("groups", "users")}
    let_in = {key: names for key, names in everywhere.items() if names}
    step = {**release.steps["enable_feature"], "audience": {**let_in, "percentage": reached}}
    return dataclasses.replace(release, steps={**release.steps, "enable_feature": step})


def here(release: Release, hosts: t.Mapping[str, t.Sequence[str]]) -> Release:
    """The part of a release that concerns any of `hosts`, under a limit that leaves others out."""
    return dataclasses.replace(release, steps={kind: step for kind, step in release.steps.items() if hosts.get(kind)})


def unused(release: Release, pools: t.Collection[str]) -> tuple[str, ...]:
    """What no host needs in this release, where `pools` are the pool backends of all hosts: hooks by name, and `activate`, `pool` and `batch_gates`."""
    used = {"activate": release.activates_apart, "pool": bool(set(pools) - {"none"}), "batch_gates": bool(release.batch_gates)}
    return (*sorted(HOOKS - release.hooks.keys()), *(part for part, is_used in used.items() if not is_used))


def reality_digest(surveys: t.Mapping[str, Survey]) -> str:
    """sha256 over the surveyed state without what moves by itself, such as process ids and start times."""
    steady = {host: {kind: _steady(found) for kind, found in survey.items()} for host, survey in surveys.items()}
    return hashlib.sha256(json.dumps(steady, sort_keys=True, default=str).encode()).hexdigest()


_VOLATILE = frozenset({"pid", "started_at", "ticks", "since", "staged_at", "reason", "duration_ms", "up"})


def _steady(found: t.Any) -> t.Any:
    if isinstance(found, t.Mapping):
        return {key: _steady(value) for key, value in found.items() if key not in _VOLATILE}
    if isinstance(found, (list, tuple)):
        return [_steady(value) for value in found]
    return found


def live_version(survey: Survey) -> str | None:
    """The version the live link of a surveyed host leads to."""
    live = (survey.get("artifacts") or {}).get("live")
    return t.cast("str | None", live["version"]) if live else None


def has_staged(survey: Survey, version: str | None) -> bool:
    """Whether a surveyed host has this version, live or only staged."""
    return any(artifact["version"] == version for artifact in (survey.get("artifacts") or {}).get("staged", ()))


def _migrate(release: Release, host: str, survey: Survey) -> HostStep:
    step, found = release.steps["migrate"], survey.get("migrations") or {}
    target, current = step.get("to"), list(found.get("current") or ())
    before = {"current": current, "irreversible": _irreversible(step, found)}
    if not found.get("readable"):
        return HostStep(host=host, needed=None, reason=f"the database is read once {step['version']} is staged", before=before)
    if step.get("state") == "reverted":
        above = target not in current
        return HostStep(
            host=host, needed=above, reason=f"{'above' if above else 'already at'} {target}", before=before, after={"current": [target] if above else current}
        )
    if target and target in (*current, *(found.get("applied") or ())):
        return HostStep(host=host, needed=False, reason=f"{target} is already applied", before=before, after=before)
    if target is None and not found.get("pending"):
        return HostStep(host=host, needed=None, reason=f"pending migrations are counted once {step['version']} is staged", before=before)
    seen = " and ".join(current) if current else "no migration"
    return HostStep(
        host=host,
        needed=True,
        reason=f"the database is at {seen}, the release wants {target or 'the newest'}",
        before=before,
        after={"current": [target] if target else []},
    )


def _irreversible(step: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> list[str] | None:
    """Those of the migrations the step would run that have no way down; None where that is not known before its artifact is staged."""
    to, pending = step.get("to"), list(found.get("pending") or ())
    if step.get("state") == "reverted" or to in (*(found.get("current") or ()), *(found.get("applied") or ())):
        return []
    if not found.get("readable") or found.get("version") != step["version"]:
        return None
    run = pending[: pending.index(to) + 1] if to in pending else pending
    return [one for one in run if one in found.get("irreversible", ())]


def _install(release: Release, host: str, survey: Survey) -> HostStep:
    version, live = release.version, live_version(survey)
    verified = (survey.get("receipt") or {}).get("verified_versions")
    # What a way back could lead to.
    kept = {} if live is None else {"staged": has_staged(survey, live), "verified": verified is None or live in verified}
    before, after = {"live": live, **kept}, {"live": version}
    if live == version:
        return HostStep(host=host, needed=False, reason=f"{version} is already live", before=before, after=before)
    staged = f", {version} is staged" if has_staged(survey, version) else ""
    return HostStep(host=host, needed=True, reason=f"{live or 'nothing'} is live{staged}", before=before, after=after)


def _restart(release: Release, host: str, survey: Survey) -> HostStep:
    service = survey.get("service") or {}
    units = [service, *service.get("others", ())]
    before = _of_service(units, lambda unit: {"version": unit.get("version"), "running": unit.get("running")})
    if release.version and live_version(survey) != release.version:
        after = _of_service(units, lambda unit: {"version": release.version, "running": True})
        return HostStep(host=host, needed=True, reason=f"it will be older than {release.version}", before=before, after=after)
    due = [unit for unit in units if unit.get("stale") or not unit.get("running")]
    if due:
        reason = "; ".join(unit.get("reason") or ("it is older than what is live" if unit.get("running") else "it is not running") for unit in due)
        after = _of_service(units, lambda unit: {"version": (live_version(survey) if unit in due else None) or unit.get("version"), "running": True})
        return HostStep(host=host, needed=True, reason=reason, before=before, after=after)
    pool = (survey.get("pool") or {}).get("state")
    if pool == "drained":
        return HostStep(host=host, needed=True, reason="it was left out of the pool", before=before, after=before)
    reason = "; ".join(unit.get("reason") or "it runs what is live" for unit in units)
    # Asked from another host, several balancers that do not agree, or none that answers: the step itself looks again, and from there.
    if pool == "unknown":
        reason = f"{reason}; whether it is in its pool is seen when it is put back there"
        return HostStep(host=host, needed=None, reason=reason, before=before, after=before)
    return HostStep(host=host, needed=False, reason=reason, before=before, after=before)


def _of_service(units: t.Sequence[t.Mapping[str, t.Any]], state: t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]]) -> dict[str, t.Any]:
    """A state of the service, with that of each unit that goes with it under `others`."""
    service, *others = units
    return {**state(service), **({"others": {unit["name"]: state(unit) for unit in others}} if others else {})}


def _flush_cache(release: Release, host: str, survey: Survey) -> HostStep:
    cache = survey.get("cache") or {}
    before = {"fingerprint": cache.get("stored")}
    if release.version and survey.get("artifacts") is not None and live_version(survey) != release.version:
        return HostStep(host=host, needed=None, reason=f"cached shapes are compared once {release.version} is live", before=before)
    if not cache.get("reachable", False):
        return HostStep(host=host, needed=None, reason=cache.get("reason") or "the cache was not surveyed", before=before)
    return HostStep(host=host, needed=bool(cache.get("needed")), reason=cache.get("reason") or "", before=before, after={"fingerprint": cache.get("declared")})


def _enable_feature(release: Release, host: str, survey: Survey) -> HostStep:
    step = release.steps["enable_feature"]
    flag = surveyed_flag(survey, step["flag"]) if survey.get("flag") else {}
    if flag is None:
        return HostStep(host=host, needed=None, reason=f"{step['flag']} is read when its release comes")
    wanted = step.get("audience") if step.get("state", "present") == "present" else None
    before, after = {"audience": flag.get("audience")}, {"audience": wanted}
    same = audiences.plain(flag.get("audience")) == audiences.plain(wanted)
    reason = f"{step['flag']} is open to {audiences.spoken(flag.get('audience'))}" + ("" if same else f", the release opens it to {audiences.spoken(wanted)}")
    return HostStep(host=host, needed=not same, reason=reason, before=before, after=after)


_DECIDE: t.Mapping[str, t.Callable[[Release, str, Survey], HostStep]] = {
    "migrate": _migrate,
    "install": _install,
    "restart": _restart,
    "flush_cache": _flush_cache,
    "enable_feature": _enable_feature,
}
