"""What a killed runner or playbook leaves at work on this machine, found by the mark of the lock in the environment of its processes, and ended."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.environment_lock import MARK

PATIENCE_SECONDS = 10.0
"""How long a process is given to end by itself once it was asked to."""


def end(token: str, *, patience: float = PATIENCE_SECONDS) -> tuple[str, ...]:
    """End the ansible processes that were begun under the lock `token`, whose holder is dead or at its end; their command lines, shortened.

    They cannot come to a good end: their terminal is gone, and ansible-playbook then waits for ever for workers that died with it, or they are workers whose
    ansible-playbook is gone. Every step is made to be ended anywhere and to be run again. Services that a step started carry the mark too and are left alone.
    """
    found = dict(_at_work(token))
    if not found:
        return ()
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [pid for pid, _command in _at_work(token)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        _wait(token, patience if left else 0.0)
    return tuple(found.values())


def _wait(token: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(True for _process in _at_work(token)):
        time.sleep(0.05)


def _at_work(token: str) -> t.Iterator[tuple[int, str]]:
    mark = f"{MARK}={token}".encode()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().split(b"\0")
                if is_ansible(command):
                    yield int(process.name), _named(command)


def is_ansible(command: t.Sequence[bytes]) -> bool:
    """Whether it is an ansible program, or a module that one runs on this machine."""
    programs = [word.rpartition(b"/")[2] for word in command[:2]]
    # With pipelining a module has no file: a Python without arguments reads it, or one that is told of which module of ours it is.
    pipelined = programs[0].startswith(b"python") and not any(command[1:])
    module = any(b"AnsiballZ_" in word or b"/ansible-tmp-" in word or word.startswith(b"ansible_collections.") for word in command)
    return pipelined or module or any(name.startswith(b"ansible") for name in programs)


def _named(command: t.Sequence[bytes]) -> str:
    """The programs of a command line without their directories and arguments, which may be long or secret."""
    return b" ".join(word.rpartition(b"/")[2] for word in command[:2]).decode(errors="replace")
