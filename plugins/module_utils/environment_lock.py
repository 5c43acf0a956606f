# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of an environment: a file on one of its hosts, so that controllers that know nothing of each other release there one after the other.

Time is counted by the lock host alone, as seconds since it was started (its uptime, suspension included) together with the kernel's id of that start.
Its wall clock is only told to people: set back or forward, it neither robs a living holder nor keeps a dead one. After a restart of the lock host the last
beat is known to be older than the uptime, which is then the age it is judged by; a holder that lives beats long before that reaches its time to live.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import re
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.files import sync_directory, write_atomically
from ansible_collections.surefoot.release.plugins.module_utils.wait import lock_file

FORMAT = 1
"""The number under `lock` in the file."""

LONGEST_TTL = 24 * 3600
"""No time to live is longer, so that no dead holder is waited for longer, whatever stands in a file."""

MARK = "SUREFOOT_LOCK"
"""The environment variable that processes of a holder carry on its controller, with the token, so that one that outlives the holder is found."""

_GUARD_SECONDS = 10.0
_MOST_BYTES = 65536
_TEXT = ("app", "token", "owner", "host", "command", "since", "beat", "boot")


class Held(Refused):
    """A living holder has the lock; `holder` is its entry, as in the file and with its `age` in seconds."""

    def __init__(self, message: str, holder: dict[str, t.Any], *, seen: str, todo: str) -> None:
        super().__init__(message, seen=seen, todo=todo)
        self.holder = holder


class Lost(Refused):
    """The lock is no longer held under the token given; whoever thought so must stop."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment on the lock host: seconds since the epoch, for people; and the seconds since the start of the host that has the id `boot`."""

    wall: float
    boot: str
    uptime: float


@dataclasses.dataclass(frozen=True)
class Found:
    """The lock as a call leaves it, None where nobody holds it; what was there `before`; and whose dead hold was `taken_over`. `reason` says why."""

    reason: str
    lock: dict[str, t.Any] | None
    before: dict[str, t.Any] | None
    taken_over: dict[str, t.Any] | None = None


def now() -> Moment:
    """This moment on this host. Where the kernel has no boot id, a lower uptime is what tells that the host was restarted."""
    boot = ""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Moment(wall=time.time(), boot=boot, uptime=time.clock_gettime(clock))


def lock_path(directory: str, app: str) -> str:
    """Where the lock of `app` is. Raises InvalidInput for a name that is no file name."""
    if not re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", app):
        raise InvalidInput("The lock needs the name of an application", seen=repr(app), todo="use letters, digits, dots, dashes and underscores")
    return os.path.join(directory, app + ".lock")


def read(path: str, moment: Moment | None = None) -> dict[str, t.Any] | None:
    """The holder's entry with its `age` and whether it is `expired`, or None where nobody holds the lock. Raises Refused for a damaged file."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused("The lock of the environment cannot be read", seen=_cause(path, error), todo="make it readable for the user ansible works as") from error
    return _parsed(path, content, moment or now())


def acquire(
    path: str,
    holder: t.Mapping[str, t.Any],
    ttl: float,
    *,
    gone: str | None = None,
    check_mode: bool = False,
    clock: t.Callable[[], Moment] = now,
) -> Found:
    """Hold the lock as `holder` (`{app, token, owner, host, pid, command, process}`), and keep it for `ttl` seconds after each beat.

    A holder with the same token is refreshed. A dead one is taken over: one whose last beat is older than its time to live, or whose token is `gone`,
    which the caller vouches for. Raises Held, InvalidInput for a `ttl` that is none, and Refused for a lock that cannot be read or written.
    """
    if not 0 < ttl <= LONGEST_TTL:
        raise InvalidInput("A lock lives for more than 0 seconds and at most a day", seen=ttl)
    with _changing(path, check_mode):
        moment = clock()
        old = read(path, moment)
        if old and old["token"] == holder["token"]:
            return Found("the lock is held already", _beaten(path, old, moment, check_mode), old)
        if old and not old["expired"] and old["token"] != gone:
            raise Held(
                "Somebody is releasing %s here" % old["app"],
                old,
                seen=described(old),
                todo="wait for it to end, then run the same command again; if it is dead it counts as gone %d s after its last beat" % old["ttl"],
            )
        entry = dict(holder, lock=FORMAT, ttl=ttl, since=_told(moment))
        lock = _beaten(path, entry, moment, check_mode)
    if old is None:
        return Found("nobody held the lock", lock, None)
    why = "is silent for longer than its %d s" % old["ttl"] if old["expired"] else "has died, as its own machine tells"
    return Found("the lock was taken over from %s, who %s" % (described(old), why), lock, old, taken_over=old)


def refresh(path: str, token: str, *, check_mode: bool = False, clock: t.Callable[[], Moment] = now) -> Found:
    """Say that the holder lives, also when it was late but nobody came. Raises Lost when the lock is nobody's or another's.

    A lock that was lost is not taken again, since anything may have happened meanwhile.
    """
    with _changing(path, check_mode):
        moment = clock()
        old = read(path, moment)
        if check_mode and (old is None or old["token"] != token):
            return Found("a lock is neither taken nor refreshed in check mode", old, old)
        if old is None or old["token"] != token:
            raise Lost(
                "The lock of the environment was lost",
                seen="it is held by " + described(old) if old else "nobody holds it",
                todo="see with a survey what is there before anything else is done",
            )
        return Found("the holder lives", _beaten(path, old, moment, check_mode), old)


def release(path: str, token: str, *, check_mode: bool = False) -> Found:
    """Give the lock back; nothing to do when nobody holds it. Raises Lost when another holds it."""
    with _changing(path, check_mode):
        old = read(path)
        if old is None:
            return Found("nobody holds the lock", None, None)
        if old["token"] != token:
            if check_mode:
                return Found("the lock is another's", old, old)
            raise Lost("The lock of the environment is not ours to release", seen="it is held by " + described(old))
        if not check_mode:
            _written(path, None)
        return Found("the lock is released", None, old)


def described(entry: t.Mapping[str, t.Any]) -> str:
    """A holder in words; its texts come from elsewhere, so only printable characters of them are said."""
    told = {key: _printable(str(entry[key])) for key in ("owner", "host", "command", "since", "beat")}
    told.update(pid=entry["pid"], age=entry["age"])
    return "%(owner)s on %(host)s, process %(pid)d, since %(since)s, last beat %(beat)s, silent for %(age)d s: %(command)s" % told


def _parsed(path: str, content: bytes, moment: Moment) -> dict[str, t.Any]:
    try:
        entry = json.loads(content.decode())
    except (ValueError, RecursionError):
        entry = None
    if not _is_entry(entry):
        raise Refused(
            "The lock of the environment is damaged, so it cannot be told whether somebody is releasing here",
            seen="%s holds %d bytes that are no lock of this format" % (path, len(content)),
            todo="make sure that nobody is releasing to this environment, then remove the file and run the same command again",
        )
    # On the same start of the host the age is exact. On a later one the beat came before it, so it is at least as old as the uptime.
    same = entry["boot"] == moment.boot and moment.uptime >= entry["uptime"]
    age = moment.uptime - entry["uptime"] if same else moment.uptime
    return dict(entry, age=age, expired=age > entry["ttl"])


def _is_entry(entry: t.Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("lock") == FORMAT
        and all(isinstance(entry.get(key), str) for key in _TEXT)
        and isinstance(entry.get("pid"), int)
        and all(isinstance(entry.get(key), (int, float)) for key in ("ttl", "uptime"))
        and 0 < entry["ttl"] <= LONGEST_TTL
        and entry["uptime"] >= 0
    )


def _beaten(path: str, entry: t.Mapping[str, t.Any], moment: Moment, check_mode: bool) -> dict[str, t.Any]:
    kept = {key: value for key, value in entry.items() if key not in ("age", "expired")}
    kept.update(beat=_told(moment), boot=moment.boot, uptime=moment.uptime)
    if not check_mode:
        _written(path, kept)
    return dict(kept, age=0.0, expired=False)


def _written(path: str, entry: t.Mapping[str, t.Any] | None) -> None:
    try:
        if entry is None:
            os.unlink(path)
            sync_directory(os.path.dirname(path))
        else:
            write_atomically(path, (json.dumps(entry, sort_keys=True) + "\n").encode(), mode=0o644)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextlib.contextmanager
def _changing(path: str, check_mode: bool) -> t.Iterator[None]:
    """One process at a time looks at the lock and changes it; the kernel lets go when it dies."""
    if check_mode:
        yield
        return
    guard = os.path.join(os.path.dirname(path), ".%s.guard" % os.path.basename(path))
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        if not lock_file(descriptor, timeout=_GUARD_SECONDS, interval=0.01):
            raise Refused("The lock of the environment is being changed all the time", seen=guard, todo="find out by whom with fuser %s" % guard)
        yield
    finally:
        os.close(descriptor)


def _unwritable(path: str, error: OSError) -> Refused:
    todo = "make room, or its directory writable for the user ansible works as"
    return Refused("The lock of the environment cannot be written", seen=_cause(path, error), todo=todo)


def _cause(path: str, error: OSError) -> str:
    return "%s: %s" % (error.filename or path, error.strerror)


def _told(moment: Moment) -> str:
    return datetime.datetime.fromtimestamp(moment.wall, datetime.timezone.utc).isoformat(timespec="seconds")


def _printable(text: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= 300 else shown[:299] + "…"
