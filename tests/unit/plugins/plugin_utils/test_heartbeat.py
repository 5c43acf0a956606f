"""Beats go on while the holder works, are tried again when they fail, and give up before others count the holder as dead."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils import heartbeat

TTL = 60.0
GOOD = {"lock": {"token": "t"}}
FAILED = {"failed": True, "msg": "no answer"}
LOST = {"failed": True, "lost": True, "msg": "another has it"}


class Clock:
    """Time goes on only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    told = Clock()
    monkeypatch.setattr(heartbeat, "clock", told)
    return told


@pytest.fixture
def heart(tmp_path: pathlib.Path, clock: Clock) -> pathlib.Path:
    path = tmp_path / "heart"
    heartbeat.begin(str(path))
    return path


def keep(heart: pathlib.Path, clock: Clock, *answers: dict[str, t.Any], alive: t.Callable[[], bool] = lambda: True) -> tuple[heartbeat.Answer, list[float]]:
    """The last answer and the moments of all beats; after the last of `answers` the holder ends."""
    beats: list[float] = []

    def beat() -> dict[str, t.Any]:
        beats.append(clock.now - 1000)
        if len(beats) >= len(answers):
            heart.unlink()
        return answers[len(beats) - 1]

    return heartbeat.keep(beat, str(heart), TTL, alive, clock.sleep), beats


def test_it_beats_four_times_in_the_time_to_live_until_the_holder_ends(heart: pathlib.Path, clock: Clock) -> None:
    answer, beats = keep(heart, clock, GOOD, GOOD, GOOD)
    assert answer == GOOD
    assert beats == pytest.approx([15, 30, 45], abs=0.2)


def test_each_good_beat_is_noted_at_the_moment_it_was_begun(heart: pathlib.Path, clock: Clock) -> None:
    noted: list[float] = []

    def beat() -> dict[str, t.Any]:
        noted.append(heartbeat.last_beat(str(heart)) - 1000)
        clock.now += 3  # the answer takes its time
        return GOOD if len(noted) < 3 else LOST

    assert heartbeat.keep(beat, str(heart), TTL, lambda: True, clock.sleep) == LOST
    assert noted == pytest.approx([0, 15, 30], abs=0.3)


def test_a_beat_that_fails_is_tried_again_soon(heart: pathlib.Path, clock: Clock) -> None:
    _answer, beats = keep(heart, clock, FAILED, GOOD, GOOD)
    assert beats == pytest.approx([15, 16, 31], abs=0.3)


def test_without_a_good_beat_for_half_the_time_to_live_it_gives_up(heart: pathlib.Path, clock: Clock) -> None:
    answer, beats = keep(heart, clock, *[FAILED] * 100)
    assert answer == FAILED
    assert 29.9 <= beats[-1] <= 31.5
    assert heart.exists()


def test_a_lock_that_is_lost_is_told_at_once(heart: pathlib.Path, clock: Clock) -> None:
    answer, beats = keep(heart, clock, GOOD, LOST, GOOD)
    assert answer == LOST
    assert len(beats) == 2


def test_a_holder_that_died_is_not_kept(heart: pathlib.Path, clock: Clock) -> None:
    answer, beats = keep(heart, clock, *[GOOD] * 100, alive=lambda: clock.now < 1040)
    assert answer == GOOD
    assert len(beats) == 2


def test_the_end_of_the_holder_is_not_a_failure_of_its_last_beat(heart: pathlib.Path, clock: Clock) -> None:
    answer, _beats = keep(heart, clock, GOOD, FAILED)
    assert answer == {}


def test_a_holder_that_ended_before_the_first_beat_is_not_kept(heart: pathlib.Path, clock: Clock) -> None:
    heart.unlink()
    assert keep(heart, clock, GOOD) == ({}, [])
