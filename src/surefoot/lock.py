"""One controller at a time for an environment, as far as this machine goes: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import getpass
import json
import os
import pathlib
import socket
import threading
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed, SurefootError

_LOOK_SECONDS = 0.2


class Cancelled(SurefootError):
    """The work was cancelled before anything was begun."""


class LockHeld(SurefootError):
    """Another controller is releasing to the environment."""


class LockLost(SurefootError):
    """The lock of the environment was lost while it was worked on, so that another controller may work on it too."""


@contextlib.contextmanager
def hold(
    directory: pathlib.Path, environment: str, command: str, token: str, *, wait: float = 0.0, cancelled: threading.Event | None = None
) -> t.Iterator[str | None]:
    """Hold the lock of `environment` in `directory` and write `token` there; yields the token of a holder that died with the lock in its hands, if any.

    Raises LockHeld, naming the holder, when somebody else has it for longer than `wait` seconds, and StepFailed where it cannot be written.
    """
    path = directory / f"{environment}.lock"
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(path.open("ab+", buffering=0))
            deadline = time.monotonic() + wait
            while not _locked(stream):
                if time.monotonic() >= deadline or (cancelled or threading.Event()).wait(min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic()))):
                    raise LockHeld(f"Somebody is releasing to {environment}", seen=_holder(path), todo="wait for it to end, then run the same command again")
            dead = _read(path).get("token")
            stream.truncate(0)
            stream.write(json.dumps({**_self(command), "token": token}).encode())
        except OSError as error:
            todo = "make room there, or give this user the right to write there, then run the same command again"
            raise StepFailed(f"The lock of {environment} cannot be written, nothing was begun", seen=f"{path}: {error.strerror}", todo=todo) from error
        try:
            yield dead if isinstance(dead, str) else None
        finally:
            stream.truncate(0)


def _locked(stream: t.IO[bytes]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _self(command: str) -> dict[str, t.Any]:
    since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid(), "command": command, "since": since}


def _holder(path: pathlib.Path) -> str:
    holder = _read(path)
    try:
        return f"{holder['user']} on {holder['host']}, process {holder['pid']}, since {holder['since']}: {holder['command']}"
    except KeyError:
        return "a holder that left no name"


def _read(path: pathlib.Path) -> dict[str, t.Any]:
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}
