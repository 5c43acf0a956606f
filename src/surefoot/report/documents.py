"""What `--json` answers: plain data, one function for each kind of answer. `format` rises when a reader would have to change."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.plan import Plan
from surefoot.jobs import Applied
from surefoot.ledger import Entry
from surefoot.planning import FeaturePlan, Surveyed, Took
from surefoot.policy import Objection
from surefoot.progress import Progress

FORMAT = 1


def plan_document(plan: FeaturePlan) -> dict[str, t.Any]:
    """A plan: `releases` with their state, the `plans` of those to come, and what is `in_the_way` of the first one besides the `refusals` of its hosts."""
    return {
        "format": FORMAT,
        "feature": plan.feature,
        "environment": plan.environment,
        "pending": plan.pending,
        "releases": _releases(plan.progress),
        "plans": [_planned(one, plan.took) for one in plan.plans],
        "refusals": [dataclasses.asdict(refusal) for refusal in plan.refusals],
        "in_the_way": [_objection(one) for one in (*plan.ruling.refusals, *plan.ruling.waits_for)],
        "way_back": None
        if plan.back is None
        else {
            "release": plan.back.release.as_mapping() if plan.back.release else None,
            "obstacles": list(plan.back.obstacles),
            "unknown": list(plan.back.unknown),
        },
        "irrevocable": list(plan.irrevocable),
    }


def applied_document(applied: Applied, code: int) -> dict[str, t.Any]:
    """The end of apply, rollback and verify."""
    outcomes = {name: dataclasses.asdict(outcome) for name, outcome in applied.outcomes.items()}
    return {"format": FORMAT, "result": outcomes, "rolled_back": applied.rolled_back, "drained": list(applied.drained), "exit": code}


def survey_document(surveyed: Surveyed, planned: FeaturePlan | None) -> dict[str, t.Any]:
    """A survey by host, the `disagreements` of ledger, receipts and hosts, and under `behind` by host the releases it lacks; both null without a ledger."""
    return {
        "format": FORMAT,
        "hosts": {kind: list(hosts) for kind, hosts in surveyed.hosts.items()},
        "surveys": surveyed.surveys,
        "failures": list(surveyed.failures),
        "disagreements": None if planned is None else [dataclasses.asdict(one) for one in planned.disagreements],
        "behind": None if planned is None else dict(planned.behind),
    }


def history_document(entries: t.Sequence[Entry]) -> dict[str, t.Any]:
    """Ledger entries, oldest first."""
    return {"format": FORMAT, "entries": [dataclasses.asdict(entry) for entry in entries]}


def _planned(plan: Plan, took: t.Mapping[str, Took]) -> dict[str, t.Any]:
    told = plan.as_mapping()
    for step in told["steps"]:
        last = took.get(step["kind"])
        step["last_took"] = dataclasses.asdict(last) if last else None
    return told


def _objection(objection: Objection) -> dict[str, t.Any]:
    return {key: value for key, value in dataclasses.asdict(objection).items() if key != "host"}


def _releases(progress: Progress) -> list[dict[str, t.Any]]:
    return [
        {"release": one.release.name, "why": one.release.why, "state": one.state, "since": one.standing.since or None, "missing": list(one.missing)}
        for one in progress.releases
    ]
