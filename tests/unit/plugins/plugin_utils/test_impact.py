"""Measured impact and its verdict, over hand-made samples: one every 0.1 s, a timeout of 1 s."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.surefoot.release.plugins.plugin_utils.impact import Declared, Measured, Sample, Tally, beyond_repair, judge, measure, percentile

INTERVAL, TIMEOUT = 0.1, 1.0


def good(sent: float, latency: float = 0.01) -> Sample:
    return Sample(sent=sent, latency=latency, ok=True, status=200)


def bad(sent: float, latency: float = 0.01, status: int | None = 502, error: str | None = None) -> Sample:
    return Sample(sent=sent, latency=latency, ok=False, status=status, error=error)


def traffic(pattern: str) -> list[Sample]:
    """One sample per letter: g good, b status 502, t timeout, - nothing sent."""
    make: dict[str, t.Callable[[float], Sample]] = {"g": good, "b": bad, "t": lambda sent: bad(sent, TIMEOUT, None, "timeout")}
    return [make[letter](round(position * INTERVAL, 6)) for position, letter in enumerate(pattern) if letter != "-"]


def measured(pattern: str) -> Measured:
    return measure(traffic(pattern), interval=INTERVAL, timeout=TIMEOUT)


def test_nothing_measured_is_told_from_nothing_failed() -> None:
    assert measured("") == Measured()
    assert measured("").error_rate is None
    assert measured("ggg").error_rate == 0.0
    assert measured("ggg").downtime == 0.0


def test_downtime_is_the_longest_gap_between_good_answers() -> None:
    found = measured("gggbbgggbbbbggg")
    assert found.downtime == pytest.approx(0.5)
    assert (found.downtime_failed, found.failed_in_a_row, found.failed, found.requests) == (4, 4, 6, 15)


def test_downtime_runs_to_the_end_of_what_failed_last() -> None:
    assert measured("gggtt").downtime == pytest.approx(0.4 + TIMEOUT - 0.21)


def test_downtime_counts_from_the_first_request() -> None:
    assert measured("bbbg").downtime == pytest.approx(0.31)


def test_no_good_answer_at_all() -> None:
    found = measured("bbb")
    assert (found.error_rate, found.p95, found.failed_in_a_row) == (1.0, None, 3)
    assert found.downtime == pytest.approx(0.21)


def test_a_timeout_belongs_to_the_gap_it_was_sent_in() -> None:
    found = measured("ggtgggggggggggggg")
    assert (found.downtime_failed, found.failed_in_a_row) == (1, 1)
    assert found.downtime == pytest.approx(0.2)


def test_a_late_good_answer_ends_the_gap_when_it_arrives() -> None:
    samples = [good(0.0), bad(0.1), good(0.15, 0.6), bad(0.2), good(0.8)]
    assert measure(samples, interval=INTERVAL, timeout=TIMEOUT).downtime == pytest.approx(0.74)


def test_slow_answers_that_arrive_are_no_downtime() -> None:
    stalled = [good(0.0), *(good(0.1 * n, 1.0 - 0.1 * n) for n in range(1, 10)), good(1.0)]
    found = measure(stalled, interval=INTERVAL, timeout=TIMEOUT)
    assert (found.downtime, found.blind) == (0.0, 0.0)


def test_order_of_arrival_does_not_matter() -> None:
    samples = traffic("ggbbgtg")
    assert measure(reversed(samples), interval=INTERVAL, timeout=TIMEOUT) == measure(samples, interval=INTERVAL, timeout=TIMEOUT)


def test_failures_are_named_and_placed() -> None:
    found = measured("gbtbg")
    assert found.errors == {"status 502": 2, "timeout": 1}
    assert (found.first_failure, found.last_failure) == (0.1, 0.3)


def test_percentiles() -> None:
    each = {float(number): 1 for number in range(100, 0, -1)}
    assert (percentile(each, 0.5), percentile(each, 0.95), percentile({7.0: 1}, 0.95), percentile({}, 0.5)) == (50.0, 95.0, 7.0, None)
    assert percentile({1.0: 94, 2.0: 5, 3.0: 1}, 0.95) == 2.0


def test_slower_compares_with_before() -> None:
    before, since = [good(n, 0.1) for n in range(20)], [good(n, 0.12) for n in range(20)]
    assert measure(since, interval=1, timeout=1, before=before).slower == pytest.approx(0.2)
    assert measure(since, interval=1, timeout=1, before=before[1:]).slower is None
    assert measure(since[1:], interval=1, timeout=1, before=before).slower is None


@pytest.mark.parametrize(
    ("pattern", "declared", "verdict", "reason"),
    [
        ("", Declared(), "not measured", "no request was made"),
        ("gggg", Declared(), "kept", "0 of 4"),
        ("ggbg", Declared(), "broken", "1 of 4 requests failed, declared none (1 times status 502)"),
        ("gg" + "b" + "g" * 97, Declared(errors=0.001), "kept", "1 of 100"),
        ("ggbggb" + "g" * 94, Declared(errors=0.001), "broken", "2 of 100 requests failed, declared 0.1 %"),
        ("ggbggb" + "g" * 94, Declared(errors=0.02), "kept", "2 of 100"),
        ("ggbb" + "g" * 96, Declared(errors=0.5), "broken", "no good answer for 0.30 s, declared no downtime"),
        ("gggbbbgggg", Declared(downtime=0.4), "kept", "3 of 10"),
        ("gggbbbgggg", Declared(downtime=0.39), "broken", "no good answer for 0.40 s, declared 0.39 s"),
        ("gggbbbggbg", Declared(downtime=1), "broken", "1 of 10 requests failed outside the declared downtime"),
        ("gggbbbggbg", Declared(downtime=1, errors=0.1), "kept", "4 of 10"),
        ("ggg" + "-" * 30 + "ggg", Declared(), "not measured", "the probe itself asked nothing for 3.10 s"),
        ("ggg" + "-" * 30 + "ggg", Declared(downtime=10), "kept", "0 of 6"),
        ("ggg" + "-" * 30 + "gbg", Declared(), "broken", "1 of 6"),
        ("gggg", Declared(slower=0.1), "not measured", "20 good answers"),
        ("bbbb", Declared(downtime=20), "kept", "4 of 4"),
        ("gbgbgbgbg", Declared(downtime=20), "broken", "4 of 9 requests failed"),
    ],
)
def test_verdicts(pattern: str, declared: Declared, verdict: str, reason: str) -> None:
    judgement = judge(declared, measured(pattern))
    assert judgement.verdict == verdict
    assert any(reason in given for given in judgement.reasons), judgement.reasons


def test_slowdown_is_judged_only_where_declared() -> None:
    before, since = [good(n, 0.1) for n in range(30)], [good(n, 0.2) for n in range(30)]
    found = measure(since, interval=1, timeout=1, before=before)
    assert judge(Declared(), found).verdict == "kept"
    assert judge(Declared(slower=1.0), found).verdict == "kept"
    assert judge(Declared(slower=0.5), found).reasons == ("100 % slower than before, declared 50 %",)


def test_every_reason_that_breaks_it_is_given() -> None:
    judgement = judge(Declared(), measured("ggbbgg"))
    assert judgement.verdict == "broken"
    assert len(judgement.reasons) == 2


@given(st.text(alphabet="gbt-", max_size=60))
def test_any_traffic_is_judged_and_a_failure_is_never_kept_undeclared(pattern: str) -> None:
    found = measured(pattern)
    judgement = judge(Declared(), found)
    assert judgement.reasons
    assert (judgement.verdict == "broken") == bool(found.failed)
    assert (found.downtime or 0.0) <= len(pattern) * INTERVAL + TIMEOUT
    assert found.downtime_failed <= found.failed
    assert found.failed == sum(found.errors.values())


SAMPLES = st.lists(st.tuples(st.floats(0.001, 0.3), st.floats(0.0, TIMEOUT), st.booleans()), min_size=1, max_size=40)


@given(SAMPLES, st.integers(1, 10))
def test_samples_taken_in_as_they_arrive_say_what_they_say_at_once(each: list[tuple[float, float, bool]], most: int) -> None:
    sent, samples = 0.0, []
    for pause, latency, ok in each:
        sent += pause
        samples.append(good(sent, latency) if ok else bad(sent, latency))
    tally, waiting, under_way = Tally(interval=INTERVAL, timeout=TIMEOUT), list[Sample](), samples[:]
    for sample in sorted(samples, key=lambda sample: sample.ended):
        under_way.remove(sample)
        waiting.append(sample)
        if len(waiting) >= most:
            known = min((one.sent for one in under_way), default=float("inf"))
            tally.fold(one for one in waiting if one.sent < known)
            waiting = [one for one in waiting if one.sent >= known]
    tally.fold(waiting)
    assert tally.measured() == measure(samples, interval=INTERVAL, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("pattern", "declared", "to_come", "reason"),
    [
        ("gggg", Declared(), 0, None),
        ("gggbggggg", Declared(), 0, None),  # judged in the end, like everything that may have been chance
        ("gggbgbg", Declared(), 10**6, "2 of 7 requests failed, declared none"),
        ("gggbb", Declared(), 0, "no good answer for 0.19 s, declared no downtime"),
        ("gggbbbb", Declared(downtime=1), 0, None),
        ("ggg" + "b" * 12, Declared(downtime=1), 0, "no good answer for 1.19 s, declared 1.00 s"),
        ("ggg" + "b" * 12 + "gggg", Declared(downtime=1), 0, "no good answer for 1.30 s, declared 1.00 s"),
        ("gbgbgbg", Declared(errors=0.1), 23, None),
        ("gbgbgbg", Declared(errors=0.1), 22, "3 of 7 requests failed, declared 10 %"),
        ("gbbgbg", Declared(downtime=1, errors=0.1), 0, None),
        ("gbbgbgbg", Declared(downtime=1, errors=0.1), 0, "2 of 8 requests failed outside the declared downtime, declared 10 %"),
        ("ggg" + "-" * 30 + "ggg", Declared(), 0, None),
    ],
)
def test_what_no_good_answer_can_make_good_again_is_known_at_once(pattern: str, declared: Declared, to_come: int, reason: str | None) -> None:
    tally = Tally(interval=INTERVAL, timeout=TIMEOUT)
    tally.fold(traffic(pattern))
    reasons = beyond_repair(declared, tally.certain(), to_come)
    assert any(reason in told for told in reasons) if reason else not reasons, reasons


DECLARED = st.builds(Declared, downtime=st.sampled_from([0.0, 0.3, 1.0]), errors=st.sampled_from([0.0, 0.05, 0.2, 0.5]))


@given(SAMPLES, SAMPLES, DECLARED)
def test_whoever_is_stopped_early_would_have_failed_in_the_end(first: t.Any, rest: t.Any, declared: Declared) -> None:
    sent, samples = 0.0, []
    for pause, latency, ok in [*first, *rest]:
        sent += pause
        samples.append(good(sent, latency) if ok else bad(sent, latency))
    tally = Tally(interval=INTERVAL, timeout=TIMEOUT)
    tally.fold(samples[: len(first)])
    if beyond_repair(declared, tally.certain(), len(rest)):
        assert judge(declared, measure(samples, interval=INTERVAL, timeout=TIMEOUT)).verdict == "broken"


def test_a_day_of_samples_takes_no_more_room_than_a_minute() -> None:
    tally = Tally(interval=INTERVAL, timeout=TIMEOUT)

    def room() -> int:
        return len(tally._latencies) + len(tally._errors) + len(tally._gaps.coming)

    sizes = []
    for minute in range(20):
        tally.fold((good if number % 100 else bad)(minute * 60 + number * INTERVAL, 0.05 + number % 90 / 1000 + number / 1e9) for number in range(600))
        sizes.append(room())
    assert sizes[-1] == sizes[0] < 120
    assert (tally.measured().requests, tally.measured().failed) == (12000, 120)
