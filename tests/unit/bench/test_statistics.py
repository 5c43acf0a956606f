"""What the benchmark makes of its measurements."""

from __future__ import annotations

import pytest
from tests.bench.statistics import Ratio, Summary, interleaved, ratio, summarize


def test_a_summary_is_the_median_between_the_lowest_and_the_highest():
    assert summarize([3.0, 1.0, 2.0]) == Summary(median=2.0, low=1.0, high=3.0, count=3)
    assert summarize([4.0, 2.0]).median == 3.0


def test_one_outlier_does_not_move_a_ratio():
    assert ratio([3.0, 3.0, 90.0], [2.0, 2.0, 2.0]).value == 1.5


def test_the_spread_of_a_ratio_is_that_of_its_rounds_in_which_both_sides_suffered_alike():
    assert ratio([2.0, 8.0, 4.0], [1.0, 4.0, 4.0]) == Ratio(value=1.0, low=1.0, high=2.0)


@pytest.mark.parametrize(("value", "met"), [(1.2499, True), (1.25, True), (1.2501, False)])
def test_a_mark_is_met_up_to_and_with_itself(value: float, met: bool):
    assert Ratio(value=value, low=value, high=value).meets(1.25) is met


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [-1.0]), ([], [])])
def test_what_cannot_be_compared_is_refused(ours: list[float], theirs: list[float]):
    with pytest.raises(ValueError):
        ratio(ours, theirs)


def test_nothing_measured_has_no_summary():
    with pytest.raises(ValueError, match="Nothing was measured"):
        summarize([])


def test_sides_take_turns_and_none_is_always_first():
    assert interleaved(["ours", "theirs"], 3) == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert interleaved(["a", "b", "c"], 2) == ["a", "b", "c", "c", "b", "a"]


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_every_side_runs_once_in_every_round(rounds: int):
    order = interleaved(["a", "b", "c"], rounds)
    assert [set(order[start : start + 3]) for start in range(0, len(order), 3)] == [{"a", "b", "c"}] * rounds
