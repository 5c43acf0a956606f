# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step at a time works on one thing of a host: what a killed controller left at work there is waited for, and named where it does not end.

The mark is a Unix socket in the abstract namespace: no file to leave behind or to be allowed to write, gone with the process that bound it, and the kernel
says whose it is. Only Linux has that; elsewhere nothing is guarded. Steps that have a lock of their own for what they change (install, migrate,
enable_feature) need no other.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import socket
import struct
import sys
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.service import process
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

WAIT_SECONDS = 60.0
"""How long a step waits for another at work on the same thing."""

_INTERVAL = 0.1


@contextlib.contextmanager
def alone(kind: str, options: t.Mapping[str, t.Any], identity: t.Iterable[str], *, wait: float = WAIT_SECONDS) -> t.Iterator[None]:
    """Be the only step of this kind at work on the thing that those `options` named in `identity` tell from others.

    Raises Refused where another did not end in `wait` seconds.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    thing = json.dumps([options[option] for option in identity], sort_keys=True)
    name = "\0surefoot %s %s" % (kind, hashlib.sha256(thing.encode()).hexdigest())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mark:
        if not poll(lambda: _bound(mark, name), bool, timeout=wait, interval=_INTERVAL)[1]:
            raise Refused(
                "Another %s of the same is at work on this host and did not end within %g s" % (kind, wait),
                seen=_described(name),
                todo="let it end, or end it where nobody waits for it any more, then run the same command again",
            )
        mark.listen(1)
        yield


def _bound(mark: socket.socket, name: str) -> bool:
    try:
        mark.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def _described(name: str) -> str:
    """Who has the mark. It may be gone, or not listening yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(name)
            pid, user, _group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        except OSError:
            return "it is not to be seen any more"
    found = process.find(pid)
    return "process %d of user %d%s" % (pid, user, ", at work for %d s" % (time.time() - found.started_at) if found else "")
