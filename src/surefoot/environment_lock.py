"""One controller at a time for an environment, wherever it runs: a lock that stands on one of the environment's hosts and is kept by a heartbeat.

One ansible-playbook takes it, beats as long as a file of ours is there, and gives it back when we have removed that file.

The lock in `surefoot.lock` comes first: it costs nothing, and keeps this machine's own runners from asking the hosts at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import queue
import threading
import types
import typing as t
import uuid

from ansible_collections.surefoot.release.plugins.module_utils.environment_lock import MARK
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.plugin_utils import heartbeat
from surefoot.lock import Cancelled, LockHeld, LockLost
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded, RunEvent, why_none
from surefoot.private_directory import private_directory

POLLING = "ANSIBLE_INTERNAL_POLL_INTERVAL"
POLL_SECONDS = "0.01"
"""How often the run that keeps the lock looks for answers, where nobody says otherwise: as long as all goes well it has one to wait for."""

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
    """What a host said of the lock: that we have it, that it is given back (`done`), the living holder, or why nothing is known."""

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
    up to `wait` seconds, told to `waiting`. While the lock is held it is refreshed every `ttl / 4` seconds. When no beat has succeeded for `ttl / 2` seconds,
    or another holds the lock, `lost` is set and `on_lost` is called, from a thread: the work must stop, and LockLost is raised at the end of the block.
    """

    def __init__(
        self,
        ansible: Ansible,
        hosts: t.Sequence[str],
        app: str,
        *,
        command: str,
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
        polling = {} if POLLING in os.environ else {POLLING: POLL_SECONDS}
        self._ansible = dataclasses.replace(ansible, environment={**polling, **ansible.environment})
        self._wait, self._ttl = wait, ttl
        self._waiting, self._on_lost = waiting, on_lost
        self._cancelled = cancelled or threading.Event()
        self._why_lost = ""
        self._keeper: _Keeper | None = None
        known = {"lock_app": app, "lock_hosts": list(hosts), "lock_token": self.token, "lock_ttl": ttl, "lock_pid": os.getpid()}
        self._variables: dict[str, t.Any] = {**known, "lock_command": command, **({"lock_owner": owner} if owner else {})}

    @property
    def variables(self) -> dict[str, bool]:
        """What a playbook that is run under this lock is told, so that it takes none itself."""
        return {"lock_elsewhere": True}

    def marked(self, ansible: Ansible) -> Ansible:
        """The same ansible with its processes known as this holder's, so that nobody takes over while one that outlived a dead runner is still at work."""
        return dataclasses.replace(ansible, environment={**ansible.environment, MARK: self.token})

    def ask(self) -> None:
        """Begin to ask for the lock, which takes a second or two in which other things can be done."""
        self._keeper = _Keeper(self._ansible, self._variables, self._ttl, self._lose)
        self._keeper.ask()

    def acquire(self) -> t.Iterator[Waiting]:
        """Take the lock, telling each time somebody else has it.

        Raises LockHeld when `wait` is over or waiting is cancelled, Cancelled before there is an answer, Refused where there is no host, StepFailed without an
        answer.
        """
        begun = heartbeat.clock()
        again = "then run the same command again"
        while True:
            if self._keeper is None:
                self.ask()
            keeper = t.cast("_Keeper", self._keeper)
            answer = keeper.first_answer(self._cancelled)
            if answer.lock:
                return
            self._keeper = None
            keeper.stop()
            if not answer.holder:
                # The answer may have been lost after the lock was taken.
                self._give_back()
                if self._cancelled.is_set():
                    raise Cancelled("Cancelled while the lock of the environment was taken; nothing was begun")
                if answer.nobody:
                    seen = f"no host matches {', '.join(self._variables['lock_hosts'])}"
                    raise Refused("No host is there to hold the lock of the environment", seen=seen, todo="check hosts in surefoot.yml and the inventory")
                raise StepFailed("The lock of the environment could not be taken", seen=answer.message, todo=f"see that its host answers, {again}")
            waited = heartbeat.clock() - begun
            if waited >= self._wait or self._cancelled.is_set():
                raise LockHeld(f"Somebody is releasing {self._variables['lock_app']} there", seen=answer.seen, todo=f"wait for it to end, {again}")
            yield Waiting(holder=answer.seen, waited=waited, left=self._wait - waited)
            self._cancelled.wait(min(ASK_AGAIN_SECONDS, max(0.0, self._wait - waited)))

    def release(self) -> None:
        """Stop the heartbeat and give the lock back, or stop asking for it; never raises. Where that fails, `left_behind` says why."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None and not keeper.end():
            self._give_back()

    def __enter__(self) -> t.Self:
        try:
            for waiting in self.acquire():
                self._waiting(waiting)
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self.release()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raises LockLost when the lock was lost."""
        if self.lost.is_set():
            raise LockLost("The lock of the environment was lost, so the work was stopped", seen=self._why_lost, todo="survey what is there before going on")

    def _lose(self, why: str) -> None:
        if not self.lost.is_set():
            self._why_lost = why
            self.lost.set()
            self._on_lost()

    def _give_back(self) -> None:
        """In a run of its own, where the one that kept the lock did not come to that."""
        stop = threading.Event()
        timer = threading.Timer(self._ttl / 2, stop.set)
        timer.daemon = True
        timer.start()
        *_others, answer = _answers(self._ansible.run("lock", {**self._variables, "lock_tasks": "release"}, cancelled=stop))
        timer.cancel()
        self.left_behind = "" if answer.done or answer.lost else answer.message


class _Keeper:
    """The ansible-playbook that takes the lock, beats and gives it back. `lose` is told, from a thread of ours, why the lock was lost."""

    def __init__(self, ansible: Ansible, variables: t.Mapping[str, t.Any], ttl: float, lose: t.Callable[[str], None]) -> None:
        self._ansible, self._variables, self._ttl, self._lose = ansible, variables, ttl, lose
        self._first: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._heart: pathlib.Path | None = None
        self._begun = self._given_back = False
        self._ending, self._stop = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=work, name=f"surefoot lock, {work.__name__}", daemon=True) for work in (self._run, self._watch)]

    def ask(self) -> None:
        """Begin to ask for the lock."""
        self._threads[0].start()

    def first_answer(self, cancelled: threading.Event) -> _Answer:
        """Wait for it. From there on the lock is kept, if that was it."""
        while True:
            with contextlib.suppress(queue.Empty):
                answer = self._first.get(timeout=0.1)
                if answer.lock:
                    self._threads[1].start()
                return answer
            if cancelled.is_set():
                self._stop.set()

    def end(self) -> bool:
        """Have the lock given back; whether it was. A run that hangs is given half the time to live, then it is stopped."""
        self._ending.set()
        # Not there any more when the run has ended already.
        if self._heart:
            self._heart.unlink(missing_ok=True)
        self._threads[0].join(self._ttl / 2)
        self.stop()
        return self._given_back

    def stop(self) -> None:
        """End the run, whatever it is doing."""
        self._ending.set()
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self) -> None:
        answer = None
        try:
            for answer in self._said():
                if not self._begun:
                    self._begun = True
                    self._first.put(answer)
                elif not (answer.lock or self._ending.is_set()):
                    self._lose(answer.seen or answer.message or "it was given back before the end")
        except OSError as error:
            self._first.put(_Answer(message=f"{error}"))
        self._given_back = answer is not None and answer.done and not answer.lock
        if answer and answer.lock and not self._ending.is_set():
            self._lose("what kept it ended")

    def _said(self) -> t.Iterator[_Answer]:
        with private_directory() as directory:
            heart = directory / "heart"
            heartbeat.begin(str(heart))
            # Known from here on only: an end() that comes earlier must not take away what is still being made.
            self._heart = heart
            if self._ending.is_set():
                heart.unlink(missing_ok=True)
            yield from _answers(self._ansible.run("lock", {**self._variables, "lock_tasks": "keep", "lock_heart": str(heart)}, cancelled=self._stop))

    def _watch(self) -> None:
        """A run that hangs is told of in time, too."""
        while not self._ending.wait(self._ttl / 60):
            with contextlib.suppress(FileNotFoundError, TypeError):
                if heartbeat.clock() - heartbeat.last_beat(str(self._heart)) > self._ttl / 2:
                    self._lose(f"the host of the lock did not answer for {self._ttl / 2:g} s")


def _answers(events: t.Iterable[RunEvent]) -> t.Iterator[_Answer]:
    """What hosts say in a run of the playbook; at its end why, when none has said anything."""
    said: list[str] = []
    answered = False
    for event in events:
        if isinstance(event, HostAnswered) and (answer := _understood(event)):
            answered = True
            yield answer
        elif isinstance(event, Output):
            said.append(event.text)
        elif isinstance(event, RunEnded) and not answered:
            yield _Answer(message=why_none(said) or f"no answer, ansible-playbook ended as {event.status}", nobody=event.status == "successful")


def _understood(event: HostAnswered) -> _Answer | None:
    result = event.result
    if event.state == "ok" and "lock" in result and "reason" in result:
        return _Answer(lock=_mapping(result["lock"]), done=True)
    if event.state in {"failed", "unreachable"}:
        message = str(result.get("msg") or "failed without a message").strip()
        seen = str(_mapping(result.get("error")).get("seen") or "")
        return _Answer(holder=_mapping(result.get("holder")), lost=bool(result.get("lost")), message=f"{event.host}: {message}", seen=seen)
    return None


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    """What should be a mapping, nothing where a host says something else."""
    return value if isinstance(value, t.Mapping) else {}
