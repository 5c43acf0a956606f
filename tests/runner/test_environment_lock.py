"""The heartbeat and the waiting of the environment lock, against an ansible that answers what a test wants."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import threading
import time
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed
from ansible_collections.surefoot.release.plugins.plugin_utils import heartbeat
from surefoot import environment_lock
from surefoot.environment_lock import EnvironmentLock, Waiting
from surefoot.lock import Cancelled, LockHeld, LockLost, hold
from surefoot.playbooks import HostAnswered, RunEnded

OK = {"lock": {"token": "t"}, "reason": "fine"}
LOST = {"lost": True, "msg": "lost", "error": {"seen": "it is held by bob"}}
HELD = {"lost": True, "msg": "held", "holder": {"token": "b"}, "error": {"seen": "bob on desk, process 1"}}


@dataclasses.dataclass
class FakeAnsible:
    """Answers each state of the lock: a result, None for no answer, or "hang" for none until it is cancelled. Beats are left to the tests of the heartbeat."""

    answers: dict[str, t.Any]
    asked: list[str] = dataclasses.field(default_factory=list)
    changed: threading.Condition = dataclasses.field(default_factory=threading.Condition)
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def run(self, playbook: str, variables: t.Mapping[str, t.Any], *, cancelled: threading.Event) -> t.Iterator[t.Any]:
        assert playbook == "lock"
        if variables["lock_tasks"] == "keep":
            yield from self.kept(pathlib.Path(variables["lock_heart"]), cancelled)
        else:
            yield from self.say("released", cancelled)
        yield RunEnded(status="failed", rc=2, stats=None)

    def kept(self, heart: pathlib.Path, cancelled: threading.Event) -> t.Iterator[t.Any]:
        answers = list(self.say("held", cancelled))
        yield from answers
        while answers and answers[-1].state == "ok" and heart.exists() and not cancelled.is_set():
            # A beat that gets no answer is not noted, and one that gets a bad one is the last.
            if self.answers["refreshed"] == OK:
                os.utime(heart, (heartbeat.clock(), heartbeat.clock()))
            elif self.answers["refreshed"] is not None:
                answers = list(self.say("refreshed", cancelled))
                yield from answers
            time.sleep(0.01)
        if answers and answers[-1].state == "ok" and not cancelled.is_set():
            yield from self.say("released", cancelled)

    def say(self, state: str, cancelled: threading.Event) -> t.Iterator[t.Any]:
        with self.changed:
            self.asked.append(state)
            self.changed.notify_all()
        answer = self.answers[state]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer == "hang":
            cancelled.wait()
        elif answer is not None:
            yield HostAnswered(host="app1", task="lock", role="lock", state="ok" if "lock" in answer else "failed", result=answer)

    def wait_for(self, state: str, times: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked.count(state) >= times, timeout=30)


def lock(ansible: FakeAnsible, **options: t.Any) -> EnvironmentLock:
    return EnvironmentLock(t.cast("t.Any", ansible), ["app"], "shop", **{"ttl": 0.8, "command": "surefoot apply", **options})


def fake(**answers: t.Any) -> FakeAnsible:
    return FakeAnsible({"held": OK, "refreshed": OK, "released": {"lock": None, "reason": "released"}, **answers})


def test_it_is_taken_kept_and_given_back() -> None:
    ansible = fake()
    with lock(ansible) as held:
        assert held.variables == {"lock_elsewhere": True}
        assert not held.lost.wait(1.6)  # twice its time to live
    assert ansible.asked == ["held", "released"]
    assert held.left_behind == ""


def test_it_is_given_back_after_an_exception_which_comes_through() -> None:
    ansible = fake()
    with pytest.raises(ZeroDivisionError), lock(ansible):
        raise ZeroDivisionError
    assert ansible.asked[-1] == "released"


def test_one_that_was_only_asked_for_is_given_back() -> None:
    ansible = fake()
    held = lock(ansible)
    held.ask()
    held.release()
    assert ansible.asked == ["held", "released"]
    assert held.left_behind == ""


def test_a_holder_is_not_waited_for_without_being_told_to() -> None:
    ansible = fake(held=HELD)
    with pytest.raises(LockHeld, match="releasing shop there; found: bob on desk"), lock(ansible):
        pytest.fail("it was not ours")
    assert ansible.asked == ["held"]


def test_a_holder_is_waited_for_and_told_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_lock, "ASK_AGAIN_SECONDS", 0.01)
    told: list[Waiting] = []
    with lock(fake(held=[HELD, HELD, OK]), wait=30, waiting=told.append):
        assert [one.holder for one in told] == ["bob on desk, process 1"] * 2
        assert 0 < told[-1].left <= 30 - told[-1].waited


def test_waiting_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_lock, "ASK_AGAIN_SECONDS", 0.01)
    ansible = fake(held=HELD)
    with pytest.raises(LockHeld), lock(ansible, wait=0.1):
        pytest.fail("it was not ours")
    assert len(ansible.asked) > 2
    assert "released" not in ansible.asked


def test_cancelled_while_it_is_taken_is_no_failure_of_the_lock() -> None:
    cancelled = threading.Event()
    threading.Timer(0.05, cancelled.set).start()
    with pytest.raises(Cancelled, match="nothing was begun"), lock(fake(held="hang"), cancelled=cancelled):
        pass


def test_waiting_ends_when_the_work_is_cancelled() -> None:
    cancelled = threading.Event()
    with pytest.raises(LockHeld), lock(fake(held=HELD), wait=600, waiting=lambda _told: cancelled.set(), cancelled=cancelled):
        pytest.fail("it was not ours")


def test_no_answer_is_no_lock_and_what_may_have_been_taken_is_given_back() -> None:
    ansible = fake(held=None)
    with pytest.raises(StepFailed, match=r"could not be taken.*ended as failed"), lock(ansible):
        pytest.fail("it was not ours")
    assert ansible.asked == ["held", "released"]


def test_a_beat_that_finds_another_holder_stops_the_work() -> None:
    stopped = threading.Event()
    with pytest.raises(LockLost, match="it is held by bob"), lock(fake(refreshed=LOST), on_lost=stopped.set):
        assert stopped.wait(30)


def test_the_error_of_the_work_is_told_before_the_loss() -> None:
    with pytest.raises(ZeroDivisionError), lock(fake(refreshed=LOST)) as held:
        1 / (0 if held.lost.wait(30) else 1)


def test_a_keeper_that_ends_by_itself_has_lost_the_lock() -> None:
    class Ending(FakeAnsible):
        def kept(self, heart: pathlib.Path, cancelled: threading.Event) -> t.Iterator[t.Any]:
            assert heart.exists()
            yield from self.say("held", cancelled)

    ansible = Ending(fake().answers)
    with pytest.raises(LockLost, match="what kept it ended"), lock(ansible) as held:
        assert held.lost.wait(30)
    assert ansible.asked == ["held", "released"]


@pytest.mark.parametrize("answer", [None, "hang"])
def test_without_a_good_beat_for_half_its_time_to_live_the_lock_is_lost(answer: str | None) -> None:
    begun = time.monotonic()
    held = lock(fake(refreshed=answer))
    with pytest.raises(LockLost, match=r"did not answer for 0\.4 s"), held:
        assert held.lost.wait(30)
    assert time.monotonic() - begun >= 0.4


def test_the_end_does_not_wait_for_a_beat_that_hangs() -> None:
    ansible = fake(refreshed="hang")
    with lock(ansible, ttl=2.0) as held:
        ansible.wait_for("refreshed", 1)
    assert not held.lost.is_set()
    assert ansible.asked == ["held", "refreshed", "released"]


def test_a_lock_that_cannot_be_given_back_is_told_and_no_failure() -> None:
    with lock(fake(released={"msg": "unreachable"})) as held:
        pass
    assert held.left_behind == "app1: unreachable"


def test_the_lock_of_this_machine_is_waited_for_too(tmp_path: t.Any) -> None:
    with hold(tmp_path, "production", "one", "t1"):
        with pytest.raises(LockHeld, match="one"), hold(tmp_path, "production", "two", "t2", wait=0.1):
            pytest.fail("it was not ours")
        cancelled = threading.Event()
        cancelled.set()
        with pytest.raises(LockHeld), hold(tmp_path, "production", "two", "t2", wait=600, cancelled=cancelled):
            pytest.fail("it was not ours")
    with hold(tmp_path, "production", "two", "t2"):
        pass
