"""Surveys and plans of a whole feature. Pure; `surefoot.project` does the reading."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.at_work import AtWork
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal, as_left
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import Plan, here, plan_release
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from ansible_collections.surefoot.release.plugins.plugin_utils.way_back import Before, WayBack, checked, irrevocable
from surefoot.policy import Ruling
from surefoot.progress import Progress, Standing, progress
from surefoot.states import IN_PLACE

if t.TYPE_CHECKING:
    from surefoot.ledger import Entry

Survey = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surveyed:
    """What the hosts of a feature hold: surveys by host, and the hosts of each kind of step. `limited` when only some hosts were asked, on purpose.

    `artifacts` are the digests by version of artifacts to come, as far as the controller knows them.
    """

    surveys: t.Mapping[str, Survey]
    hosts: t.Mapping[str, t.Sequence[str]]
    failures: tuple[str, ...] = ()
    limited: bool = False
    artifacts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    asked: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    """What each host was asked for its survey."""
    at_work: AtWork = dataclasses.field(default_factory=dict)
    """The steps that were at work while the hosts were surveyed, by host, of hosts where there were any."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Took:
    """How long a kind of step last took, in seconds on its slowest host, in which release, which was done at that time (UTC, ISO)."""

    seconds: float
    feature: str
    release: str
    at: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """How far a feature has come in an environment, and the plans of the releases still to come; only the first of these is exact.

    `refusals` are what the hosts have against the first one, `ruling` is what people and the calendar have; `took` is how long steps last took there, by kind.
    `disagreements` are where ledger, receipts and reality differ, whatever is to be done next; `behind` are by host the releases that are in place and have no
    receipt there.
    """

    feature: str
    environment: str
    progress: Progress
    plans: tuple[Plan, ...]
    refusals: tuple[Refusal, ...] = ()
    disagreements: tuple[Refusal, ...] = ()
    behind: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    back: WayBack | None = None
    irrevocable: tuple[str, ...] = ()
    """Why users could not be given back what they have, once the next release is begun."""
    ruling: Ruling = dataclasses.field(default_factory=Ruling)
    took: t.Mapping[str, Took] = dataclasses.field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Whether any release is left."""
        return bool(self.plans)


def plan_feature(feature: str, environment: str, releases: t.Sequence[Release], found: Surveyed, known: t.Mapping[str, Standing]) -> FeaturePlan:
    """Plan what is left of a feature, by what its hosts hold and what the ledger knows of its releases."""
    come = progress(releases, found.surveys, found.hosts, known, limited=found.limited)
    todo = [one for one in come.releases if one.state != "done"]
    plans = tuple(
        plan_release(
            here(one.release, found.hosts) if found.limited else one.release,
            releases[: releases.index(one.release)],
            found.surveys,
            found.hosts,
            begun_from={} if one.standing.begins else live_before(one.standing.before),
        )
        for one in todo
    )
    # With nothing left to do nobody has a contract to be held to.
    held = [*(plans[0].refusals if plans else as_left(releases, found.surveys, found.hosts)), *(Refusal(message=failure) for failure in found.failures)]
    whole = progress(releases, found.surveys, found.hosts, known) if found.limited else come
    refusals = [*_drifted(feature, environment, come), *held]
    if found.limited and todo and todo[0].state != "behind":
        message = f"Release {todo[0].release.name} is not done in {environment} yet, and a limit only brings up hosts that are behind"
        refusals.append(Refusal(message=message, todo="apply it without --limit first"))
    before = before_of(todo[0].standing, plans[0]) if plans else {}
    begins = plans and todo[0].state != "behind" and todo[0].standing.begins and not nothing_live(found.surveys)
    return FeaturePlan(
        feature=feature,
        environment=environment,
        progress=come,
        plans=plans,
        refusals=tuple(refusals),
        disagreements=(*_drifted(feature, environment, whole), *held),
        behind=_behind(whole),
        back=checked(todo[0].release, before) if plans else None,
        irrevocable=irrevocable(todo[0].release, before) if begins else (),
    )


def live_before(before: Before) -> dict[str, str | None]:
    """The version by host that was live in the state before a release."""
    return {host: state.get("live") for host, state in before.get("install", {}).items()}


def _behind(come: Progress) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in come.releases:
        for host in one.missing if one.standing.state in IN_PLACE and one.release.steps else ():
            found.setdefault(host, []).append(one.release.name)
    return found


def _drifted(feature: str, environment: str, come: Progress) -> t.Iterator[Refusal]:
    where = f"{feature} -E {environment}"
    hosts = ",".join(_behind(come))
    bring_up = f"; hosts that are new or were away: surefoot apply {where} --all --limit {hosts}" if hosts else ""
    todo = f"surefoot survey {where}{bring_up}; to accept what is there: surefoot adopt {where} --release RELEASE --because REASON"
    yield from (Refusal(message=drift, todo=todo) for drift in come.drift)


def artifact_digests(version: str | None, surveys: t.Mapping[str, Survey]) -> tuple[str, ...]:
    """The digests under which hosts hold the artifact of a version: one, unless something else was built under the same version."""
    held = (one for survey in surveys.values() for one in (survey.get("artifacts") or {}).get("staged", ()))
    return tuple(sorted({one["sha256"] for one in held if one["version"] == version and one.get("sha256")}))


def planned_artifacts(release: Release, found: Surveyed) -> dict[str, frozenset[str]]:
    """The digests by version of what a release would bring, wherever they are known: on the controller, or on hosts that have it already."""
    version = release.staged_version
    known = frozenset(filter(None, [*artifact_digests(version, found.surveys), found.artifacts.get(version or "")]))
    return {version: known} if version and known else {}


def last_took(entries: t.Iterable[Entry]) -> dict[str, Took]:
    """How long each kind of step last took, by the `released` entries of an environment, oldest first."""
    return {
        kind: Took(seconds=milliseconds / 1000, feature=str(entry.feature), release=str(entry.release), at=entry.at)
        for entry in entries
        for kind, milliseconds in entry.payload.get("took_ms", {}).items()
    }


def concerned(release: Release, hosts: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """The hosts a release touches."""
    return list(dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ())))


def nothing_live(surveys: t.Mapping[str, Survey]) -> bool:
    """Whether there are hosts to install on and the application is live on none of them: then nobody has anything that could be lost."""
    found = [artifacts for survey in surveys.values() if (artifacts := survey.get("artifacts"))]
    return bool(found) and not any(artifacts.get("live") or artifacts.get("problem") for artifacts in found)


def before_of(standing: Standing, plan: Plan) -> Before:
    """The state a way back would lead to: what the plan found, or the ledger keeps of the first try where the release was begun before."""
    return before_states(plan) if standing.begins else standing.before


def before_states(plan: Plan) -> dict[str, dict[str, t.Mapping[str, t.Any]]]:
    """The state before a release by kind of step and host, as its plan found it."""
    return {step.kind: {host.host: dict(host.before) for host in step.hosts} for step in plan.steps}
