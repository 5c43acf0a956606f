"""The lock of an environment: one winner, never from the living, always from the dead, whatever the clocks say."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import pathlib
import signal
import time
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils import environment_lock as locks
from ansible_collections.surefoot.release.plugins.module_utils.environment_lock import Held, Lost, Moment
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused

HOUR = 3600.0


@dataclasses.dataclass
class Clock:
    """A lock host's clocks, turned by hand."""

    wall: float = 1_800_000_000.0
    uptime: float = 50_000.0
    boot: str = "first"

    def __call__(self) -> Moment:
        return Moment(wall=self.wall, boot=self.boot, uptime=self.uptime)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds

    def restarts(self, *, uptime: float) -> None:
        self.boot, self.uptime = self.boot + " again", uptime


@pytest.fixture(name="clock")
def clock_fixture() -> Clock:
    return Clock()


@pytest.fixture(name="path")
def path_fixture(tmp_path: pathlib.Path) -> str:
    return locks.lock_path(str(tmp_path / "state"), "shop")


def holder(token: str, **more: t.Any) -> dict[str, t.Any]:
    return dict(app="shop", token=token, owner="ann", host="laptop", pid=4711, command=f"surefoot apply {token}", process={}, **more)


def acquire(path: str, token: str, clock: Clock, ttl: float = 60, **options: t.Any) -> locks.Found:
    return locks.acquire(path, holder(token), ttl, clock=clock, **options)


def test_the_first_gets_it_and_the_second_is_told_who_has_it(path: str, clock: Clock) -> None:
    first = acquire(path, "one", clock)
    assert (first.before, first.taken_over, first.lock["token"]) == (None, None, "one")
    clock.passes(12)
    locks.refresh(path, "one", clock=clock)
    clock.passes(4)
    with pytest.raises(Held) as refused:
        acquire(path, "two", clock)
    beats = "since 2027-01-15T08:00:00+00:00, last beat 2027-01-15T08:00:12+00:00, silent for 4 s"
    for told in ("ann on laptop", "4711", beats, "surefoot apply one", "60 s"):
        assert told in str(refused.value)
    assert refused.value.holder["token"] == "one"


def test_asking_twice_with_one_token_is_asking_once(path: str, clock: Clock) -> None:
    first = acquire(path, "one", clock)
    clock.passes(59)
    again = acquire(path, "one", clock, ttl=5)
    assert again.before["since"] == first.lock["since"] == again.lock["since"]
    assert (again.lock["ttl"], again.lock["age"]) == (60, 0)


def test_a_beating_holder_is_never_robbed(path: str, clock: Clock) -> None:
    acquire(path, "one", clock)
    for _ in range(100):
        clock.passes(59)
        with pytest.raises(Held):
            acquire(path, "two", clock)
        locks.refresh(path, "one", clock=clock)


def test_a_silent_holder_is_taken_over_and_named_and_its_next_beat_stops_it(path: str, clock: Clock) -> None:
    acquire(path, "one", clock)
    clock.passes(61)
    found = acquire(path, "two", clock)
    assert found.taken_over["token"] == "one"
    assert "taken over from ann on laptop" in found.reason
    with pytest.raises(Lost, match=r"it is held by .*surefoot apply two"):
        locks.refresh(path, "one", clock=clock)
    with pytest.raises(Lost, match="not ours to release"):
        locks.release(path, "one")
    assert locks.read(path, clock())["token"] == "two"


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -50 * 365 * 24 * HOUR, 24 * HOUR])
def test_a_wall_clock_that_jumps_robs_nobody_and_keeps_no_dead(path: str, clock: Clock, jump: float) -> None:
    acquire(path, "one", clock)
    clock.passes(30)
    clock.wall += jump
    with pytest.raises(Held):
        acquire(path, "two", clock)
    locks.refresh(path, "one", clock=clock)
    clock.passes(59)
    with pytest.raises(Held):
        acquire(path, "two", clock)
    clock.wall -= 2 * jump
    clock.passes(2)
    assert acquire(path, "two", clock).taken_over["token"] == "one"


@pytest.mark.parametrize("jump", [0, -HOUR, HOUR])
@pytest.mark.parametrize("uptime", [10.0, 59.0])
def test_after_a_restart_of_the_lock_host_the_living_still_have_their_time(path: str, clock: Clock, jump: float, uptime: float) -> None:
    acquire(path, "one", clock)
    clock.wall += jump
    clock.restarts(uptime=uptime)
    with pytest.raises(Held):
        acquire(path, "two", clock)
    locks.refresh(path, "one", clock=clock)
    clock.passes(59)
    with pytest.raises(Held):
        acquire(path, "two", clock)


@pytest.mark.parametrize("jump", [0, -HOUR, HOUR])
def test_after_a_restart_of_the_lock_host_the_dead_are_taken_over(path: str, clock: Clock, jump: float) -> None:
    acquire(path, "one", clock)
    clock.wall += jump
    clock.restarts(uptime=61)
    assert acquire(path, "two", clock).taken_over["token"] == "one"


def test_a_system_without_boot_ids_notices_a_restart_by_its_uptime(path: str) -> None:
    clock = Clock(boot="")
    acquire(path, "one", clock)
    clock.uptime = 30
    with pytest.raises(Held):
        acquire(path, "two", clock)
    clock.uptime = 61
    assert acquire(path, "two", clock).taken_over["token"] == "one"


def test_a_beat_that_was_late_while_nobody_came_is_good(path: str, clock: Clock) -> None:
    acquire(path, "one", clock)
    clock.passes(HOUR)
    assert locks.refresh(path, "one", clock=clock).lock["age"] == 0
    with pytest.raises(Held):
        acquire(path, "two", clock)


def test_a_lock_that_is_gone_is_not_taken_again_by_a_beat(path: str, clock: Clock) -> None:
    acquire(path, "one", clock)
    pathlib.Path(path).unlink()
    with pytest.raises(Lost, match="nobody holds it"):
        locks.refresh(path, "one", clock=clock)
    assert not pathlib.Path(path).exists()


def test_a_holder_that_is_vouched_dead_is_taken_over_but_only_that_one(path: str, clock: Clock) -> None:
    acquire(path, "one", clock)
    with pytest.raises(Held):
        acquire(path, "two", clock, gone="another")
    assert acquire(path, "two", clock, gone="one").taken_over["token"] == "one"
    with pytest.raises(Held):
        acquire(path, "three", clock, gone="one")


def test_release_is_for_the_owner_and_doing_it_twice_is_doing_it_once(path: str, clock: Clock) -> None:
    acquire(path, "one", clock)
    with pytest.raises(Lost):
        locks.release(path, "two")
    assert locks.release(path, "one").before["token"] == "one"
    assert locks.release(path, "one").before is None
    assert acquire(path, "two", clock).taken_over is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 400, b"{", b'{"lock": 1}', b"[]", b"null", b"\xff\xfe", b"[" * 60_000, b"x" * 1_000_000,
        *(json.dumps({**holder("one"), "lock": 1, "since": "", "beat": "", "boot": "", "uptime": 1, "ttl": 60, **wrong}).encode() for wrong in (
            {"ttl": 1e12}, {"ttl": 0}, {"ttl": float("nan")}, {"uptime": "x"}, {"uptime": -1}, {"pid": "1"}, {"token": None}, {"owner": ["a"]}, {"lock": 2})),
    ],
)  # fmt: skip
def test_a_torn_or_foreign_file_is_refused_and_left_alone(path: str, clock: Clock, content: bytes) -> None:
    pathlib.Path(path).parent.mkdir()
    pathlib.Path(path).write_bytes(content)
    for attempt in (lambda: acquire(path, "one", clock), lambda: locks.refresh(path, "one"), lambda: locks.release(path, "one"), lambda: locks.read(path)):
        with pytest.raises(Refused, match=r"damaged.*next: make sure that nobody is releasing.*remove the file"):
            attempt()
    assert pathlib.Path(path).read_bytes() == content


def test_hostile_words_of_a_holder_are_shown_harmless(path: str, clock: Clock) -> None:
    locks.acquire(path, {**holder("one"), "owner": "a\x1b[2Jb\nc", "command": "{{ boom }} " + "x" * 1000}, 60, clock=clock)
    with pytest.raises(Held) as refused:
        acquire(path, "two", clock)
    assert "\x1b" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 900


@pytest.mark.parametrize("app", ["", "../x", "a/b", ".hidden", "a\n", "a b", "x" * 101])
def test_an_application_that_is_no_file_name_is_refused(app: str) -> None:
    with pytest.raises(InvalidInput, match="name of an application"):
        locks.lock_path("/state", app)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), 24 * HOUR + 1])
def test_a_time_to_live_is_more_than_nothing_and_at_most_a_day(path: str, clock: Clock, ttl: float) -> None:
    with pytest.raises(InvalidInput, match="at most a day"):
        acquire(path, "one", clock, ttl=ttl)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: pathlib.Path, clock: Clock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match=r"cannot be written; found: .*file: File exists"):
        acquire(str(tmp_path / "file/shop.lock"), "one", clock)
    (tmp_path / "dir.lock").mkdir()
    with pytest.raises(Refused, match=r"cannot be read.*Is a directory"):
        acquire(str(tmp_path / "dir.lock"), "one", clock)


def test_check_mode_looks_and_touches_nothing(path: str, clock: Clock) -> None:
    assert acquire(path, "one", clock, check_mode=True).lock["token"] == "one"
    assert not pathlib.Path(path).parent.exists()
    assert locks.refresh(path, "one", check_mode=True, clock=clock).lock is None
    acquire(path, "one", clock)
    before = pathlib.Path(path).read_bytes()
    clock.passes(5)
    assert locks.refresh(path, "two", check_mode=True, clock=clock).lock["token"] == "one"
    assert locks.release(path, "two", check_mode=True).lock["token"] == "one"
    assert locks.release(path, "one", check_mode=True).lock is None
    with pytest.raises(Held):
        acquire(path, "two", clock, check_mode=True)
    clock.passes(60)
    assert acquire(path, "two", clock, check_mode=True).taken_over["token"] == "one"
    assert pathlib.Path(path).read_bytes() == before


def _race(path: str, number: int, start: t.Any, won: t.Any) -> None:
    start.wait()
    try:
        locks.acquire(path, holder(f"racer {number}"), 60)
    except Held:
        won.put(None)
    else:
        won.put(f"racer {number}")


@pytest.mark.parametrize("there", ["nobody", "a dead holder", "a living holder"])
def test_fifty_racing_starts_have_one_winner(path: str, there: str) -> None:
    if there != "nobody":
        locks.acquire(path, holder("old"), 60)
        if there == "a dead holder":
            entry = json.loads(pathlib.Path(path).read_text())
            pathlib.Path(path).write_text(json.dumps({**entry, "ttl": 0.001}))
    fork = multiprocessing.get_context("fork")
    start, won = fork.Event(), fork.Queue()
    racers = [fork.Process(target=_race, args=(path, number, start, won)) for number in range(50)]
    for racer in racers:
        racer.start()
    start.set()
    winners = [name for name in (won.get(timeout=60) for _ in racers) if name]
    for racer in racers:
        racer.join()
    expected = [] if there == "a living holder" else [locks.read(path)["token"]]
    assert winners == expected


def _hold_and_beat(path: str, ready: t.Any) -> None:
    locks.acquire(path, holder("one"), 1.0)
    ready.set()
    while True:
        time.sleep(0.1)
        locks.refresh(path, "one")


def test_a_killed_holder_is_taken_over_only_after_its_time_to_live(path: str) -> None:
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    process = fork.Process(target=_hold_and_beat, args=(path, ready))
    process.start()
    assert ready.wait(30)
    began = locks.now().uptime
    while locks.now().uptime < began + 1.5:
        with pytest.raises(Held):
            locks.acquire(path, holder("two"), 60)
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    last = json.loads(pathlib.Path(path).read_text())["uptime"]
    while True:
        try:
            found = locks.acquire(path, holder("two"), 60)
        except Held:
            time.sleep(0.02)
        else:
            break
    assert found.taken_over["token"] == "one"
    assert found.lock["uptime"] - last > 1.0
