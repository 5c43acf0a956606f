"""What a benchmark makes of its measurements. Pure functions, no I/O."""

from __future__ import annotations

import dataclasses
import statistics
import typing as t


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Repeated measurements of one thing in one unit: the median, and the lowest and highest."""

    median: float
    low: float
    high: float
    count: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """How much more one thing took than another: the ratio of the medians, and the lowest and highest ratio of two runs of the same round.

    Both sides of a round ran one after the other, so that other work on the machine slowed both down.
    """

    value: float
    low: float
    high: float

    def meets(self, mark: float) -> bool:
        """Whether the ratio is at most `mark`."""
        return self.value <= mark


def summarize(values: t.Sequence[float]) -> Summary:
    """The summary of at least one measurement. Raises ValueError for none."""
    if not values:
        raise ValueError("Nothing was measured")
    return Summary(median=statistics.median(values), low=min(values), high=max(values), count=len(values))


def ratio(ours: t.Sequence[float], theirs: t.Sequence[float]) -> Ratio:
    """How much more `ours` took than `theirs`; both hold one measurement per round, in order. Raises ValueError where they do not match or are not above 0."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} measurements cannot be paired with {len(theirs)}")
    if not ours or min(*ours, *theirs) <= 0:
        raise ValueError("A measurement is above 0")
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Ratio(value=statistics.median(ours) / statistics.median(theirs), low=min(pairs), high=max(pairs))


def interleaved(names: t.Sequence[str], rounds: int) -> list[str]:
    """The order of `rounds` runs of each: A B B A A B …, so that neither always runs first nor profits from a machine that gets faster or slower."""
    order: list[str] = []
    for number in range(rounds):
        order += names if number % 2 == 0 else reversed(names)
    return order
