from __future__ import annotations

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.units import batch_sizes, fraction, seconds, spoken


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), (0, 0), (1.5, 1.5), ("0s", 0), ("1.5h", 5400)]
)
def test_seconds(text: object, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "10", "ten", "-1s", "1s1h", "9999d", True, "1" * 50 + "s", None, "nan", float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput):
        seconds(text)


@pytest.mark.parametrize(("text", "expected"), [("50%", 0.5), ("0.1%", 0.001), ("100 %", 1), ("0%", 0)])
def test_fraction(text: str, expected: float) -> None:
    assert fraction(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["101%", "50", "-1%", "", "%", None])
def test_what_is_no_percentage_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput):
        fraction(text)


@pytest.mark.parametrize(
    ("batches", "hosts", "expected"),
    [
        ([1, "50%", "100%"], 10, (1, 5, 4)),
        ([1], 3, (1, 1, 1)),
        (["25%"], 10, (2, 2, 2, 2, 2)),
        (["50%"], 3, (1, 1, 1)),
        (["1%"], 3, (1, 1, 1)),
        ([1, "100%"], 1, (1,)),
        (["1"], 2, (1, 1)),
        ([5], 0, ()),
    ],
)
def test_batch_sizes(batches: list[object], hosts: int, expected: tuple[int, ...]) -> None:
    assert batch_sizes(batches, hosts) == expected


@pytest.mark.parametrize("batches", [[], [0], ["0%"], [-1], [True], ["many"]])
def test_batches_that_would_never_end_are_refused(batches: list[object]) -> None:
    with pytest.raises(InvalidInput):
        batch_sizes(batches, 10)


@pytest.mark.parametrize(("duration", "expected"), [(0.25, "250ms"), (90, "1m30s"), (3600, "1h"), (12.34, "12.3s"), (0, "0ms"), (59.99, "1m")])
def test_spoken(duration: float, expected: str) -> None:
    assert spoken(duration) == expected
