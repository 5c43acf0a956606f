# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users felt, out of the samples of a probe, and whether it is what the release had declared. Pure."""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

Verdict = t.Literal["kept", "broken", "not measured"]

FEWEST_TO_COMPARE = 20
"""Fewer good answers than this say nothing about a slowdown: their 95th percentile would be a single answer."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One request of a probe: when it was sent (seconds, any epoch), how long its answer or failure took (seconds), and what came of it.

    `status` is the HTTP status where there was an answer; `error` says in a word why a sample is not `ok`.
    """

    sent: float
    latency: float
    ok: bool
    status: int | None = None
    error: str | None = None

    @property
    def ended(self) -> float:
        """When the answer, or the failure, was there."""
        return self.sent + self.latency


@dataclasses.dataclass(frozen=True, kw_only=True)
class Declared:
    """What a release says that users will notice: `downtime` in seconds, `errors` and `slower` as fractions; `slower` None is not judged."""

    downtime: float = 0.0
    errors: float = 0.0
    slower: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What was felt. Times are in seconds, shares are fractions; what no sample can tell is None.

    `downtime` is the longest gap between good answers with a failed request in it, `downtime_failed` how many failed there, `failed_in_a_row` the
    longest run of failures in the order of sending. `blind` is the longest gap in which nothing failed but nothing was asked either.
    `slower` compares the 95th percentile of good answers with the one before the release (0.1 is 10 % slower). `errors` counts each kind of failure.
    """

    requests: int = 0
    failed: int = 0
    error_rate: float | None = None
    downtime: float | None = None
    downtime_failed: int = 0
    failed_in_a_row: int = 0
    blind: float = 0.0
    p50: float | None = None
    p95: float | None = None
    slower: float | None = None
    first_failure: float | None = None
    last_failure: float | None = None
    errors: t.Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with its reasons, one sentence each: those that break it, else those that keep it from being measured, else what was seen."""

    verdict: Verdict
    reasons: tuple[str, ...]


def measure(samples: t.Iterable[Sample], *, interval: float, timeout: float, before: t.Iterable[Sample] = ()) -> Measured:
    """What `samples` say, of a probe that asked every `interval` seconds and waited `timeout` seconds at most.

    `before` are samples of the same probe from before the release, to compare latencies with.
    """
    sent = sorted(samples, key=lambda sample: sample.sent)
    if not sent:
        return Measured()
    failures = [sample for sample in sent if not sample.ok]
    latencies = sorted(sample.latency for sample in sent if sample.ok)
    gaps = _gaps(sent)
    outage = max((gap for gap in gaps if gap.failed), key=lambda gap: gap.length, default=_Gap(0.0, 0))
    return Measured(
        requests=len(sent),
        failed=len(failures),
        error_rate=len(failures) / len(sent),
        downtime=outage.length,
        downtime_failed=outage.failed,
        failed_in_a_row=_longest_run(sent),
        blind=max((gap.length for gap in gaps if not gap.failed and gap.length > interval + timeout), default=0.0),
        p50=percentile(latencies, 0.50),
        p95=percentile(latencies, 0.95),
        slower=_slower(latencies, sorted(sample.latency for sample in before if sample.ok)),
        first_failure=failures[0].sent if failures else None,
        last_failure=failures[-1].sent if failures else None,
        errors=dict(collections.Counter(sample.error or f"status {sample.status}" for sample in failures).most_common()),
    )


def judge(declared: Declared, measured: Measured) -> Judgement:
    """Whether the measured impact stayed within the declared one.

    No samples, or a probe that itself was silent, is "not measured", never kept. A lone failed request between good answers is an error, not downtime.
    Where errors are declared at all, one failed request is within them however few requests there were.
    """
    if not measured.requests:
        return Judgement(verdict="not measured", reasons=("no request was made",))
    broken = tuple(_broken(declared, measured))
    if broken:
        return Judgement(verdict="broken", reasons=broken)
    unknown = tuple(_unknown(declared, measured))
    if unknown:
        return Judgement(verdict="not measured", reasons=unknown)
    return Judgement(
        verdict="kept", reasons=(f"{measured.failed} of {measured.requests} requests failed, longest outage {_seconds(measured.downtime or 0.0)}",)
    )


def percentile(ordered: t.Sequence[float], share: float) -> float | None:
    """The smallest of the `ordered` values that at least this share of them does not exceed; None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _broken(declared: Declared, measured: Measured) -> t.Iterator[str]:
    downtime = measured.downtime or 0.0
    down = measured.failed_in_a_row > 1 and downtime > declared.downtime
    if down:
        yield f"no good answer for {_seconds(downtime)}, declared {_seconds(declared.downtime) if declared.downtime else 'no downtime'}"
    excused = measured.downtime_failed if declared.downtime and not down and measured.failed_in_a_row > 1 else 0
    failed, allowed = measured.failed - excused, max(1, math.floor(declared.errors * measured.requests)) if declared.errors else 0
    if failed > allowed:
        outside = " outside the declared downtime" if excused else ""
        kinds = ", ".join(f"{count} times {error}" for error, count in measured.errors.items())
        yield f"{failed} of {measured.requests} requests failed{outside}, declared {_percent(declared.errors) if declared.errors else 'none'} ({kinds})"
    if declared.slower is not None and measured.slower is not None and measured.slower > declared.slower:
        yield f"{_percent(measured.slower)} slower than before, declared {_percent(declared.slower)}"


def _unknown(declared: Declared, measured: Measured) -> t.Iterator[str]:
    if measured.blind > declared.downtime:
        yield f"the probe itself asked nothing for {_seconds(measured.blind)}"
    if declared.slower is not None and measured.slower is None:
        yield f"the slowdown needs {FEWEST_TO_COMPARE} good answers before the release and {FEWEST_TO_COMPARE} since"


class _Gap(t.NamedTuple):
    length: float
    failed: int


def _gaps(sent: t.Sequence[Sample]) -> list[_Gap]:
    """The gaps between good answers, from the first request to the end of the last one, with the failures sent or ended in each."""
    begin, end = sent[0].sent, max(sample.ended for sample in sent)
    edges = [begin, *sorted(sample.ended for sample in sent if sample.ok)]
    failures = sorted((sample for sample in sent if not sample.ok), key=lambda sample: sample.sent)
    gaps, position = [], 0
    for start, stop in zip(edges, [*edges[1:], end], strict=True):
        failed = 0
        while position < len(failures) and (failures[position].sent < stop or stop == end):
            position, failed = position + 1, failed + 1
        gaps.append(_Gap(stop - start, failed))
    return gaps


def _longest_run(sent: t.Sequence[Sample]) -> int:
    longest = run = 0
    for sample in sent:
        run = 0 if sample.ok else run + 1
        longest = max(longest, run)
    return longest


def _slower(latencies: t.Sequence[float], before: t.Sequence[float]) -> float | None:
    was, is_now = percentile(before, 0.95), percentile(latencies, 0.95)
    if was is None or is_now is None or was <= 0 or min(len(before), len(latencies)) < FEWEST_TO_COMPARE:
        return None
    return is_now / was - 1


def _seconds(duration: float) -> str:
    return f"{duration:.2f} s" if duration < 10 else f"{duration:.0f} s"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
