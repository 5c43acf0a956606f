"""Surveys and plans of a whole feature. Pure; `surefoot.project` does the reading."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import Plan, here, plan_release
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from ansible_collections.surefoot.release.plugins.plugin_utils.way_back import WayBack, way_back
from surefoot.progress import IN_PLACE, Progress, Standing, progress

Survey = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surveyed:
    """What the hosts of a feature hold: surveys by host, and the hosts of each kind of step. `limited` when only some hosts were asked, on purpose."""

    surveys: t.Mapping[str, Survey]
    hosts: t.Mapping[str, t.Sequence[str]]
    failures: tuple[str, ...] = ()
    limited: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """How far a feature has come in an environment, and the plans of the releases still to come; only the first of these is exact."""

    feature: str
    environment: str
    progress: Progress
    plans: tuple[Plan, ...]
    refusals: tuple[Refusal, ...] = ()
    back: WayBack | None = None

    @property
    def pending(self) -> bool:
        """Whether any release is left."""
        return bool(self.plans)


def plan_feature(feature: str, environment: str, releases: t.Sequence[Release], found: Surveyed, known: t.Mapping[str, Standing]) -> FeaturePlan:
    """Plan what is left of a feature, by what its hosts hold and what the ledger knows of its releases."""
    come = progress(releases, found.surveys, found.hosts, known, limited=found.limited)
    todo = [one for one in come.releases if one.state != "done"]
    plans = tuple(
        plan_release(here(one.release, found.hosts) if found.limited else one.release, releases[: releases.index(one.release)], found.surveys, found.hosts)
        for one in todo
    )
    refusals = [*_drifted(feature, environment, come), *(plans[0].refusals if plans else ())]
    refusals += [Refusal(message=failure) for failure in found.failures]
    if found.limited and todo and todo[0].state != "behind":
        message = f"Release {todo[0].release.name} is not done in {environment} yet, and a limit only brings up hosts that are behind"
        refusals.append(Refusal(message=message, todo="apply it without --limit first"))
    back = way_back(todo[0].release, before_states(plans[0])) if plans else None
    return FeaturePlan(feature=feature, environment=environment, progress=come, plans=plans, refusals=tuple(refusals), back=back)


def _drifted(feature: str, environment: str, come: Progress) -> t.Iterator[Refusal]:
    where = f"{feature} -E {environment}"
    behind = dict.fromkeys(host for one in come.releases if one.standing.state in IN_PLACE for host in one.missing)
    bring_up = f"; hosts that are new or were away: surefoot apply {where} --all --limit {','.join(behind)}" if behind else ""
    todo = f"surefoot survey {where}{bring_up}; to accept what is there: surefoot adopt {where} --release RELEASE --because REASON"
    yield from (Refusal(message=drift, todo=todo) for drift in come.drift)


def concerned(release: Release, hosts: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """The hosts a release touches."""
    return list(dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ())))


def before_states(plan: Plan) -> dict[str, dict[str, t.Mapping[str, t.Any]]]:
    """The state before a release by kind of step and host, as its plan found it."""
    return {step.kind: {host.host: dict(host.before) for host in step.hosts} for step in plan.steps}
