"""Survey and release in, plan out: every file in tests/cases/plan holds such cases."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import at_ramp_stage, plan_release, reality_digest, unused
from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release

CASES = pathlib.Path(__file__).parents[4] / "tests/cases/plan"


def cases() -> list[t.Any]:
    return [pytest.param(case, id=f"{path.stem}: {case['case']}") for path in sorted(CASES.glob("*.yml")) for case in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("case", cases())
def test_plan(case: dict[str, t.Any]) -> None:
    undoing = parse_release(case["undoing"], "f") if "undoing" in case else None
    earlier = [parse_release(before, "f") for before in case.get("earlier", ())]
    plan = plan_release(parse_release(case["release"], "f"), earlier, case["surveys"], case["hosts"], undoing, case.get("away", ()), case.get("begun_from"))
    assert {step.kind: {host.host: [host.needed, host.reason] for host in step.hosts} for step in plan.steps} == case["expect"]
    hosts = dict.fromkeys(host for kind in ("install", "restart") for host in case["hosts"].get(kind, ()))
    for told, holds in (("rolling", plan.rolls), ("restoring", plan.restores)):
        assert told not in case or [host for host in hosts if holds(host)] == case[told]
    refused = [f"{refusal.host}: {refusal.message}" if refusal.host else refusal.message for refusal in plan.refusals]
    assert refused == case.get("refusals", [])
    if "batches" in case:
        assert [list(batch) for batch in plan.batches] == case["batches"]


def test_what_no_host_needs() -> None:
    rolled = {"release": "r", "install": {"version": "1"}, "restart": {}}
    gates = [{"http": {"url": "http://shop", "expect": 200}}]
    hooked = {**rolled, "restart": {"verify": gates}, "hooks": {"after_restart": "hooks/a.yml", "before_restart": "hooks/b.yml"}}
    assert {"after_restart", "activate", "pool", "batch_gates"} <= set(unused(parse_release(rolled, "f"), ["none"]))
    assert not {"after_restart", "before_restart", "activate", "pool", "batch_gates"} & set(unused(parse_release(hooked, "f"), ["none", "haproxy"]))
    assert "pool" not in unused(parse_release(rolled, "f"), ["{{ kept }}"])


def test_there_are_cases() -> None:
    assert len(cases()) > 15


RAMP = parse_release({"release": "all", "enable_feature": {"flag": "f", "audience": {"everyone": True}, "ramp": ["5%", "50%", "100%"], "each": "1s"}})


def test_a_ramp_stage_keeps_those_who_are_let_in_already() -> None:
    surveys = {"a1": {"flag": {"flag": "f", "audience": {"groups": ["staff"], "everyone": False}}}}
    assert at_ramp_stage(RAMP, 5.0, surveys).steps["enable_feature"]["audience"] == {"groups": ["staff"], "percentage": 5.0}
    assert at_ramp_stage(RAMP, 100.0, surveys) is RAMP


def test_whom_one_host_alone_lets_in_is_let_in_on_no_other() -> None:
    audiences = ({"groups": ["theirs", "staff"], "users": ["theirs"]}, {"groups": ["staff"]}, None)
    surveys = {f"a{number}": {"flag": {"audience": audience}} for number, audience in enumerate(audiences)}
    assert at_ramp_stage(RAMP, 5.0, surveys).steps["enable_feature"]["audience"] == {"groups": ["staff"], "percentage": 5.0}


@pytest.mark.parametrize(("release", "share"), [(RAMP, None), (parse_release({"release": "x", "restart": {}}), 5.0)])
def test_a_ramp_needs_a_stage_and_a_stage_needs_a_ramp(release: t.Any, share: float | None) -> None:
    with pytest.raises(InvalidInput, match="stages"):
        at_ramp_stage(release, share, {})


def test_the_digest_of_reality_ignores_what_moves_by_itself() -> None:
    calm = {"a1": {"service": {"pid": 1, "started_at": 1.0, "version": "1"}, "artifacts": {"live": {"version": "1", "since": 1.0}}}}
    later = {"a1": {"service": {"pid": 2, "started_at": 9.0, "version": "1"}, "artifacts": {"live": {"version": "1", "since": 9.0}}}}
    moved = {"a1": {"service": {"pid": 1, "started_at": 1.0, "version": "2"}, "artifacts": {"live": {"version": "1", "since": 1.0}}}}
    assert reality_digest(calm) == reality_digest(later) != reality_digest(moved)
