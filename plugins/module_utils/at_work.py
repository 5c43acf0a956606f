# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at work on a host: surveys see each step that changes something there, and one step at a time works on one thing, whatever became of its controller.

Both are Unix sockets in the abstract namespace: no file to leave behind or to be allowed to write, gone with the process that bound it, and the kernel
says whose it is. Only Linux has that; elsewhere nothing is seen and nothing guarded. Steps that have a lock of their own for what they change (install,
migrate, enable_feature) need no other.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import socket
import struct
import sys
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

MARKED: dict[str, t.Any] = dict(receipt=dict(type="path"))
"""The option of every step by which the surveys of an application know its steps: it is the same for all of them, and no two hosts on one machine share it."""

WAIT_SECONDS = 60.0
"""How long a step waits for another at work on the same thing."""

_INTERVAL = 0.1
_LOOKS = 4096
"""How many may have looked whose a mark is: nobody answers them, so the kernel keeps each until the step has ended."""

_MARK = re.compile(r" @surefoot step ([0-9a-f]{32}) ([a-z_]+) \d+ (\S+)$")
_UNSPEAKABLE = re.compile(r"[^A-Za-z0-9._:/@+-]")


@contextlib.contextmanager
def marked(kind: str, params: t.Mapping[str, t.Any], what: str) -> t.Iterator[None]:
    """Let surveys with the same `receipt` among their `params` see this step, and the value of its option `what`, until it has ended."""
    if not (_is_linux() and params["receipt"]):
        yield
        return
    told = _UNSPEAKABLE.sub("?", str(params[what] or "newest"))[:32]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mark:
        # Where that is forbidden the step is not seen, which is no reason not to do it.
        with contextlib.suppress(OSError):
            mark.bind("\0surefoot step %s %s %d %s" % (_application(params["receipt"]), kind, os.getpid(), told))
            mark.listen(_LOOKS)
        yield


def seen(receipt: str) -> list[dict[str, t.Any]]:
    """The steps at work on this host for the application with this receipt.

    Each is `{kind, what, pid, user, since, seconds}`, `since` in seconds since the epoch and `seconds` for how long; all but the first two are None where this
    host does not tell.
    """
    if not _is_linux():
        return []
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as stream:
            found = {mark.group(0)[2:]: mark for mark in map(_MARK.search, stream.read().splitlines()) if mark}
    except OSError:
        return []
    own = _application(receipt)
    return [dict(kind=mark.group(2), what=mark.group(3), **_owner("\0" + name)) for name, mark in sorted(found.items()) if mark.group(1) == own]


@contextlib.contextmanager
def alone(kind: str, options: t.Mapping[str, t.Any], identity: t.Iterable[str], *, wait: float = WAIT_SECONDS) -> t.Iterator[None]:
    """Be the only step of this kind at work on the thing that those `options` named in `identity` tell from others.

    Raises Busy where another did not end in `wait` seconds.
    """
    if not _is_linux():
        yield
        return
    thing = json.dumps([options[option] for option in identity], sort_keys=True)
    name = "\0surefoot %s %s" % (kind, hashlib.sha256(thing.encode()).hexdigest())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mark:
        if not poll(lambda: _bound(mark, name), bool, timeout=wait, interval=_INTERVAL)[1]:
            raise Busy(
                "Another %s of the same is at work on this host and did not end within %g s" % (kind, wait),
                seen=spoken(_owner(name)),
                todo="let it end, or end it where nobody waits for it any more, then run the same command again",
            )
        mark.listen(_LOOKS)
        yield


def spoken(owner: t.Mapping[str, t.Any]) -> str:
    """Whose a mark is, in words."""
    if owner["pid"] is None:
        return "a process that is not to be seen"
    lasting = ", at work for %d s" % owner["seconds"] if owner["seconds"] is not None else ""
    return "process %d of user %d%s" % (owner["pid"], owner["user"], lasting)


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def _application(receipt: str) -> str:
    return hashlib.sha256(os.path.realpath(receipt).encode()).hexdigest()[:32]


def _bound(mark: socket.socket, name: str) -> bool:
    try:
        mark.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def _owner(name: str) -> dict[str, t.Any]:
    """Who has the mark. It may be gone, or not listening yet."""
    owner: dict[str, t.Any] = dict(pid=None, user=None, since=None, seconds=None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        # A full queue answers at once then, and is not waited for.
        connection.setblocking(False)
        try:
            connection.connect(name)
            pid, user, _group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        except OSError:
            return owner
    # Imported here, since nearly every survey finds nothing at work.
    from ansible_collections.surefoot.release.plugins.module_utils.service import process

    # It is 0 for one in a container that we cannot look into.
    owner.update(pid=pid or None, user=user)
    # Of other users' processes a host may not tell more.
    with contextlib.suppress(OSError):
        found = process.find(pid)
        if found:
            owner.update(since=found.started_at, seconds=round(max(0.0, time.time() - found.started_at), 1))
    return owner
