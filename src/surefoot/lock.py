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
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError


class LockHeld(SurefootError):
    """Another controller is releasing to the environment."""


@contextlib.contextmanager
def hold(directory: pathlib.Path, environment: str, command: str) -> t.Iterator[None]:
    """Hold the lock of `environment` in `directory`. Raises LockHeld, naming the holder, when somebody else has it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{environment}.lock"
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeld(f"Somebody is releasing to {environment}", seen=_holder(path), todo="wait for it to end, then run the same command again") from None
        stream.truncate(0)
        stream.write(json.dumps(_self(command)))
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)


def _self(command: str) -> dict[str, t.Any]:
    since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid(), "command": command, "since": since}


def _holder(path: pathlib.Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"{holder['user']} on {holder['host']}, process {holder['pid']}, since {holder['since']}: {holder['command']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a holder that left no name"
