"""One controller at a time for an environment, wherever it runs: a lock that stands on one of the environment's hosts and is kept by a heartbeat.

The lock in `surefoot.lock` comes first: it costs nothing, and keeps this machine's own runners from asking the hosts at all.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
import types
import typing as t
import uuid

from ansible_collections.surefoot.release.plugins.module_utils.environment_lock import MARK
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.plugin_utils.command_line import without_values
from surefoot.lock import LockHeld, LockLost
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded

ASK_AGAIN_SECONDS = 2.0
"""How long to wait before asking again for a lock that somebody holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """Somebody else holds the lock: who, in words, how long we have waited and how long we still will, in seconds."""

    holder: str
    waited: float
    left: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answer:
    """What one run of the playbook brought: the lock, or the living holder, or why neither is known."""

    lock: t.Mapping[str, t.Any] | None = None
    done: bool = False
    holder: t.Mapping[str, t.Any] | None = None
    lost: bool = False
    message: str = ""
    seen: str = ""
    nobody: bool = False


class EnvironmentLock:
    """Holds the lock of `app` in the environment that `ansible` works on, as a context manager.

    `hosts` are host patterns; the first host they match has the lock, and it has to be the same one for every controller. A holder that is alive is waited for
    up to `wait` seconds, told to `waiting`. While the lock is held a thread beats every `ttl / 4` seconds. When no beat has succeeded for `ttl / 2` seconds,
    or another holds the lock, `lost` is set and `on_lost` is called, from that thread: the work must stop, and LockLost is raised at the end of the block.
    """

    def __init__(
        self,
        ansible: Ansible,
        hosts: t.Sequence[str],
        app: str,
        *,
        command: str | None = None,
        owner: str | None = None,
        wait: float = 0.0,
        ttl: float = 60.0,
        waiting: t.Callable[[Waiting], None] = lambda _waiting: None,
        cancelled: threading.Event | None = None,
        on_lost: t.Callable[[], None] = lambda: None,
    ) -> None:
        self.token = uuid.uuid4().hex
        self.lost = threading.Event()
        self.left_behind = ""
        """Why the lock could not be given back in the end; it counts as dead after `ttl` seconds then."""
        self._ansible = ansible
        self._wait, self._ttl = wait, ttl
        self._waiting, self._on_lost = waiting, on_lost
        self._cancelled = cancelled or threading.Event()
        self._why_lost = ""
        self._ending = threading.Event()
        self._heart: threading.Thread | None = None
        self._asking: threading.Thread | None = None
        known = {"lock_app": app, "lock_hosts": list(hosts), "lock_token": self.token, "lock_ttl": ttl, "lock_pid": os.getpid()}
        self._variables = {**known, "lock_command": command or without_values(sys.argv), **({"lock_owner": owner} if owner else {})}

    @property
    def variables(self) -> dict[str, str]:
        """What a playbook run under this lock needs to make sure, before each phase, that the lock is still held."""
        return {"lock_token": self.token}

    def marked(self, ansible: Ansible) -> Ansible:
        """The same ansible with its processes known as this holder's, so that nobody takes over while one that outlived a dead runner is still at work."""
        return dataclasses.replace(ansible, environment={**ansible.environment, MARK: self.token})

    def acquire(self) -> t.Iterator[Waiting]:
        """Take the lock, telling each time somebody else has it.

        Raises LockHeld when `wait` is over or the work is cancelled, Refused where there is no host, StepFailed without an answer.
        """
        begun = _clock()
        again = "then run the same command again"
        while True:
            asked = _clock()
            try:
                answer = self._ask("held", stop=self._cancelled)
            except BaseException:
                self._give_back()
                raise
            if answer.lock:
                self._heart = threading.Thread(target=self._keep, args=(asked,), name="surefoot heartbeat", daemon=True)
                self._heart.start()
                return
            if not answer.holder:
                # The answer may have been lost after the lock was taken.
                self._give_back()
                if answer.nobody:
                    raise Refused("No host is there to hold the lock of the environment", todo="check hosts in surefoot.yml and the inventory")
                raise StepFailed("The lock of the environment could not be taken", seen=answer.message, todo=f"see that its host answers, {again}")
            waited = _clock() - begun
            if waited >= self._wait or self._cancelled.is_set():
                raise LockHeld(f"Somebody is releasing {self._variables['lock_app']} there", seen=answer.seen, todo=f"wait for it to end, {again}")
            yield Waiting(holder=answer.seen, waited=waited, left=self._wait - waited)
            self._cancelled.wait(min(ASK_AGAIN_SECONDS, max(0.0, self._wait - waited)))

    def release(self) -> None:
        """Stop the heartbeat and give the lock back; never raises. Where that fails, `left_behind` says why."""
        self._ending.set()
        if self._heart is not None:
            self._heart.join()
            self._heart = None
            self._give_back()
        if self._asking is not None:
            self._asking.join()

    def __enter__(self) -> t.Self:
        for waiting in self.acquire():
            self._waiting(waiting)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self.release()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raises LockLost when the lock was lost."""
        if self.lost.is_set():
            raise LockLost("The lock of the environment was lost, so the work was stopped", seen=self._why_lost, todo="survey what is there before going on")

    def _keep(self, good: float) -> None:
        """The heartbeat, until the end of the work or the loss of the lock. `good` is when the last run that held the lock was begun."""
        self._why_lost = self._beat(good)
        if self._why_lost:
            self.lost.set()
            self._on_lost()

    def _beat(self, good: float) -> str:
        """Beat as long as it goes well; why it no longer does, or nothing at the end. The lock host counts from a later moment than `good`."""
        due = good + self._ttl / 4
        while not self._ending.wait(max(0.0, due - _clock())):
            begun, limit = _clock(), good + self._ttl / 2
            answer = self._ask_until(limit, "refreshed")
            if self._ending.is_set():
                break
            if answer and answer.lock:
                good, due = begun, begun + self._ttl / 4
            elif answer and answer.lost:
                return answer.seen or answer.message
            elif _clock() >= limit:
                return f"the host of the lock did not answer for {self._ttl / 2:g} s"
            else:
                due = min(_clock() + self._ttl / 60, limit)
        return ""

    def _ask_until(self, limit: float, state: str) -> _Answer | None:
        """Ask; None when there is no answer until `limit` or until the work ends. A run that hangs is cleared away later: loss is told in time."""
        stop = threading.Event()
        answers: list[_Answer] = []
        asking = self._asking = threading.Thread(target=lambda: answers.append(self._ask(state, stop=stop)), name="surefoot beat", daemon=True)
        asking.start()
        while asking.is_alive() and not self._ending.is_set() and _clock() < limit:
            asking.join(min(0.1, max(0.0, limit - _clock())))
        stop.set()
        return answers[0] if answers else None

    def _give_back(self) -> None:
        stop = threading.Event()
        timer = threading.Timer(self._ttl / 2, stop.set)
        timer.daemon = True
        timer.start()
        answer = self._ask("released", stop=stop)
        timer.cancel()
        self.left_behind = "" if answer.done or answer.lost else answer.message

    def _ask(self, state: str, *, stop: threading.Event) -> _Answer:
        answer = _Answer()
        said: list[str] = []
        for event in self._ansible.run("lock", {**self._variables, "lock_state": state}, cancelled=stop):
            if isinstance(event, HostAnswered):
                answer = _understood(event) or answer
            elif isinstance(event, Output):
                said.append(event.text)
            elif isinstance(event, RunEnded) and not (answer.done or answer.message):
                error = next((text.strip() for text in said if "ERROR" in text or "fatal" in text), "")
                answer = _Answer(message=error or f"no answer, ansible-playbook ended as {event.status}", nobody=event.status == "successful")
        return answer


def _understood(event: HostAnswered) -> _Answer | None:
    result = event.result
    if event.state == "ok" and "lock" in result and "reason" in result:
        return _Answer(lock=result["lock"], done=True)
    if event.state in {"failed", "unreachable"}:
        message = str(result.get("msg") or "failed without a message").strip()
        seen = str((result.get("error") or {}).get("seen") or "")
        return _Answer(holder=result.get("holder"), lost=bool(result.get("lost")), message=f"{event.host}: {message}", seen=seen)
    return None


def _clock() -> float:
    """Seconds that go on while the machine is suspended, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
