"""What `--json` answers: plain data, one function for each kind of answer. `format` rises when a reader would have to change."""

from __future__ import annotations

import dataclasses
import typing as t

from surefoot.jobs import Applied
from surefoot.ledger import Entry
from surefoot.planning import FeaturePlan, Surveyed
from surefoot.progress import Progress

FORMAT = 1


def plan_document(plan: FeaturePlan) -> dict[str, t.Any]:
    """A plan: `releases` with their state, and the `plans` of those to come."""
    return {
        "format": FORMAT,
        "feature": plan.feature,
        "environment": plan.environment,
        "pending": plan.pending,
        "releases": _releases(plan.progress),
        "plans": [one.as_mapping() for one in plan.plans],
        "refusals": [dataclasses.asdict(refusal) for refusal in plan.refusals],
        "way_back": None
        if plan.back is None
        else {"release": plan.back.release.as_mapping() if plan.back.release else None, "obstacles": list(plan.back.obstacles)},
    }


def applied_document(applied: Applied, code: int) -> dict[str, t.Any]:
    """The end of apply, rollback and verify."""
    outcomes = {name: dataclasses.asdict(outcome) for name, outcome in applied.outcomes.items()}
    return {"format": FORMAT, "result": outcomes, "rolled_back": applied.rolled_back, "exit": code}


def survey_document(surveyed: Surveyed) -> dict[str, t.Any]:
    """A survey by host."""
    return {
        "format": FORMAT,
        "hosts": {kind: list(hosts) for kind, hosts in surveyed.hosts.items()},
        "surveys": surveyed.surveys,
        "failures": list(surveyed.failures),
    }


def history_document(entries: t.Sequence[Entry]) -> dict[str, t.Any]:
    """Ledger entries, oldest first."""
    return {"format": FORMAT, "entries": [dataclasses.asdict(entry) for entry in entries]}


def _releases(progress: Progress) -> list[dict[str, t.Any]]:
    return [
        {"release": one.release.name, "why": one.release.why, "state": one.state, "since": one.standing.since or None, "missing": list(one.missing)}
        for one in progress.releases
    ]
