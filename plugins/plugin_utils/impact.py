# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users felt, out of the samples of a probe, and whether it is what the release had declared. Pure."""

from __future__ import annotations

import collections
import dataclasses
import heapq
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
    tally = Tally(interval=interval, timeout=timeout)
    tally.fold(samples)
    return tally.measured(before)


class Tally:
    """What the samples of a probe say, however many there are: a soak may last for days. Latencies are kept to three digits."""

    def __init__(self, *, interval: float, timeout: float) -> None:
        self._longest_silence = interval + timeout
        self._requests = 0
        self._errors: collections.Counter[str] = collections.Counter()
        self._latencies: collections.Counter[float] = collections.Counter()
        self._first_failure: float | None = None
        self._last_failure: float | None = None
        self._run = self._longest_run = 0
        self._gaps = _Gaps()

    def fold(self, samples: t.Iterable[Sample]) -> None:
        """Take in samples. Every one that was sent before the latest of them has to be among them, or to have been taken in before."""
        for sample in sorted(samples, key=lambda sample: sample.sent):
            self._requests += 1
            self._gaps.add(sample)
            if sample.ok:
                self._latencies[_to_three_digits(sample.latency)] += 1
                self._run = 0
                continue
            self._errors[sample.error or f"status {sample.status}"] += 1
            self._first_failure = sample.sent if self._first_failure is None else self._first_failure
            self._last_failure = sample.sent
            self._run += 1
            self._longest_run = max(self._longest_run, self._run)

    def certain(self) -> Measured:
        """What of it no later sample makes better: gaps only as far as they are known, and in `downtime_failed` the most failures that any gap may excuse."""
        failed, known = sum(self._errors.values()), self._gaps.known()
        return Measured(
            requests=self._requests,
            failed=failed,
            downtime=known.length,
            downtime_failed=known.failed,
            failed_in_a_row=self._longest_run,
            errors=dict(self._errors.most_common()),
        )

    def measured(self, before: t.Iterable[Sample] = ()) -> Measured:
        """What all samples taken in so far say; `before` are samples from before the release, to compare latencies with."""
        if not self._requests:
            return Measured()
        failed = sum(self._errors.values())
        gaps = self._gaps.ended()
        return Measured(
            requests=self._requests,
            failed=failed,
            error_rate=failed / self._requests,
            downtime=gaps.outage.length,
            downtime_failed=gaps.outage.failed,
            failed_in_a_row=self._longest_run,
            blind=gaps.silence if gaps.silence > self._longest_silence else 0.0,
            p50=percentile(self._latencies, 0.50),
            p95=percentile(self._latencies, 0.95),
            slower=_slower(self._latencies, collections.Counter(_to_three_digits(sample.latency) for sample in before if sample.ok)),
            first_failure=self._first_failure,
            last_failure=self._last_failure,
            errors=dict(self._errors.most_common()),
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


def beyond_repair(declared: Declared, certain: Measured, to_come: int) -> tuple[str, ...]:
    """Why the impact will be above the declared one however well the requests `to_come` go; nothing as long as it may stay within.

    `certain` is what a tally says is certain. A single failed request stops nothing, and is judged in the end.
    """
    return tuple(_broken(declared, certain, to_come)) if certain.failed > 1 else ()


def percentile(counted: t.Mapping[float, int], share: float) -> float | None:
    """The smallest of the `counted` values that at least this share of them does not exceed; None of nothing."""
    needed = max(1, math.ceil(share * sum(counted.values())))
    for value in sorted(counted):
        needed -= counted[value]
        if needed <= 0:
            return value
    return None


def _broken(declared: Declared, measured: Measured, to_come: int | None = None) -> t.Iterator[str]:
    """The reasons that break it; with requests `to_come` only those that stay whatever comes."""
    downtime = measured.downtime or 0.0
    down = measured.failed_in_a_row > 1 and downtime > declared.downtime
    if down:
        yield f"no good answer for {_seconds(downtime)}, declared {_seconds(declared.downtime) if declared.downtime else 'no downtime'}"
    outage = measured.failed_in_a_row > 1 or to_come is not None
    excused = measured.downtime_failed if declared.downtime and not down and outage else 0
    requests = measured.requests + (to_come or 0)
    failed, allowed = measured.failed - excused, max(1, math.floor(declared.errors * requests)) if declared.errors else 0
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


_NO_GAP = _Gap(0.0, 0)


@dataclasses.dataclass(kw_only=True)
class _Gaps:
    """The gaps between good answers, from the first request to the end of the last one, with the failures sent in each: the longest `outage`, which has any,
    and the longest `silence`, which has none; `most` are the most failures in one of them.

    Good answers count when they end and failures when they are sent. `coming` are those that a request sent later may still come before.
    """

    outage: _Gap = _NO_GAP
    silence: float = 0.0
    most: int = 0
    edge: float | None = None
    sent: float = 0.0
    end: float = 0.0
    failed: int = 0
    coming: list[tuple[float, bool]] = dataclasses.field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Take in the sample that was sent after all others."""
        self.edge = sample.sent if self.edge is None else self.edge
        self.sent = sample.sent
        self.end = max(self.end, sample.ended)
        while self.coming and self.coming[0][0] < sample.sent:
            self.pass_by(*heapq.heappop(self.coming))
        # Of two at the same moment the good answer, False, is the first: it ends its gap, and the failure belongs to the next one.
        heapq.heappush(self.coming, (sample.ended, False) if sample.ok else (sample.sent, True))

    def known(self) -> _Gap:
        """The longest outage so far, counting the one that goes on only up to the last request sent, and the most failures in one gap."""
        failed = self.failed + sum(failure for _moment, failure in self.coming)
        going_on = self.sent - self.edge if failed and self.edge is not None else 0.0
        return _Gap(max(self.outage.length, going_on), max(self.most, failed))

    def ended(self) -> _Gaps:
        """These gaps, if nothing more comes."""
        final = dataclasses.replace(self, coming=[])
        for moment, failure in sorted(self.coming):
            final.pass_by(moment, failure)
        final.close(final.end)
        return final

    def pass_by(self, moment: float, failure: bool) -> None:
        if failure:
            self.failed += 1
        else:
            self.close(moment)

    def close(self, moment: float) -> None:
        edge = moment if self.edge is None else self.edge
        gap = _Gap(moment - edge, self.failed)
        self.most = max(self.most, gap.failed)
        if not gap.failed:
            self.silence = max(self.silence, gap.length)
        elif not self.outage.failed or gap.length > self.outage.length:
            self.outage = gap
        self.edge, self.failed = moment, 0


def _slower(latencies: t.Mapping[float, int], before: t.Mapping[float, int]) -> float | None:
    was, is_now = percentile(before, 0.95), percentile(latencies, 0.95)
    if was is None or is_now is None or was <= 0 or min(sum(before.values()), sum(latencies.values())) < FEWEST_TO_COMPARE:
        return None
    return is_now / was - 1


def _to_three_digits(latency: float) -> float:
    """So that there are a few thousand different ones at most."""
    return float(f"{latency:.3g}")


def _seconds(duration: float) -> str:
    return f"{duration:.2f} s" if duration < 10 else f"{duration:.0f} s"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
