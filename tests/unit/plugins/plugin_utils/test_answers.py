"""What is left of the answer of a host that was taken over."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.answers import of_a_step, without_variables
from ansible_collections.surefoot.release.plugins.plugin_utils.surveying import understood

STEP = {"kind": "install", "needed": True, "reason": "", "before": {}, "after": {}, "impact": {}, "undo": None, "reversible": True, "duration_ms": 1}
SURVEY: dict[str, t.Any] = dict.fromkeys(("receipt", "artifacts", "service", "pool", "migrations", "cache", "flag"))


def test_a_host_sets_no_variable_and_no_statistic() -> None:
    facts = {"restart_pool_delegate_to": "localhost", "discovered_interpreter_python": "/usr/bin/python3"}
    answer = {"changed": True, "ansible_facts": facts, "ansible_stats": {"data": {"x": 1}}}
    assert without_variables(answer) == {"changed": True, "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3"}}
    assert without_variables({"changed": True, "ansible_facts": ["x"]}) == {"changed": True}


@pytest.mark.parametrize(
    "answer",
    [
        {"changed": False, "step": STEP},
        {"changed": False, "step": STEP, "activation": STEP},
        {"changed": False, "step": {**STEP, "duration_ms": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}},
        {"failed": True, "msg": "no room"},
        {"unreachable": True, "msg": "gone"},
        {"skipped": True},
    ],
)
def test_a_step_is_heard(answer: dict[str, t.Any]) -> None:
    assert of_a_step(answer) == answer


@pytest.mark.parametrize("step", [None, "done", [], {}, {**STEP, "kind": 7}, {**STEP, "before": None}, {**STEP, "after": "x"}, {**STEP, "reason": None}])
def test_what_is_no_step_is_a_failure(step: t.Any) -> None:
    for answer in ({"changed": False, "step": step}, {"changed": False, "step": STEP, "activation": step}, {"changed": False}):
        told = of_a_step(answer)
        assert told["failed"] is True
        assert "not with what a step tells" in told["msg"]
        assert not {"step", "activation"} & set(told)


def test_a_survey_is_heard_without_what_only_the_controller_tells() -> None:
    assert understood({"survey": SURVEY, "artifacts": {"2.0.0": "forged"}, "hosts": {"install": []}, "asked": {}}) == {"survey": SURVEY}
    assert understood({"failed": True, "msg": "no python"}) == {"failed": True, "msg": "no python"}


@pytest.mark.parametrize("survey", [None, "x", [], {**SURVEY, "artifacts": "x"}, {**SURVEY, "receipt": {"releases": 7}}, {**SURVEY, "pool": {"state": None}}])
def test_what_is_no_survey_is_a_failure(survey: t.Any) -> None:
    told = understood({"changed": False, "survey": survey})
    assert told["failed"] is True
    assert "but not with a survey" in told["msg"]
    assert "survey" not in told
