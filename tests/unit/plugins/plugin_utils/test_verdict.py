"""S4: what counts as a success."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.verdict import judge_run

GREEN: dict[str, t.Any] = {"status": "successful", "rc": 0, "stats": {"processed": {"a1": 1, "a2": 1, "localhost": 1}}, "planned": ["a1", "a2"]}


def test_a_run_over_all_planned_hosts_without_any_trouble_is_a_success() -> None:
    assert judge_run(**GREEN).ok


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "canceled"}, "the run ended as canceled"),
        ({"rc": 4}, "ansible-playbook ended with 4"),
        ({"rc": None}, "ansible-playbook ended with None"),
        ({"stats": None}, "the run left no statistics"),
        ({"stats": {"processed": {}}}, "a1 was planned and not reached"),
        ({"stats": {"processed": {"a1": 1}}}, "a2 was planned and not reached"),
        ({"stats": {"processed": {"a1": 1, "a2": 1, "a3": 1}}}, "a3 was reached and not planned"),
        ({"stats": {"processed": {"a1": 1, "a2": 1}, "dark": {"a2": 1}}}, "a2 was unreachable"),
        ({"stats": {"processed": {"a1": 1, "a2": 1}, "failures": {"a1": 1}}}, "a1 failed"),
        ({"stats": {"processed": {"a1": 1, "a2": 1}, "rescued": {"a1": 1}}}, "a1 had a failure rescued"),
        ({"stats": {"processed": {"a1": 1, "a2": 1}, "ignored": {"a1": 1}}}, "a1 had a failure ignored"),
        ({"planned": []}, "no host was planned"),
    ],
)
def test_anything_else_is_not(change: dict[str, t.Any], reason: str) -> None:
    verdict = judge_run(**{**GREEN, **change})
    assert not verdict.ok
    assert reason in verdict.reasons
