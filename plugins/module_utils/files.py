# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing that a power cut leaves whole: the old content or the new, never half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t


def write_atomically(path: str, content: bytes, *, mode: int | None = None, newer_than: float | None = None) -> None:
    """Replace the file at `path` by `content` through a temporary neighbour, synced to disk before and after the rename.

    An existing file keeps its mode and owner unless `mode` says otherwise. With `newer_than` (seconds since the epoch) the new file's modification
    time is at least a second later than that, for readers that poll for a greater time.
    """
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), suffix=".new", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            _keep_ownership(stream.fileno(), path, mode)
            stream.flush()
            os.fsync(stream.fileno())
        if newer_than is not None:
            modified = max(os.stat(temporary).st_mtime, newer_than + 1)
            os.utime(temporary, (modified, modified))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(directory)


def link_atomically(path: str, target: str) -> None:
    """Make `path` a symbolic link to `target`; whoever reads it meanwhile sees the old link or the new one."""
    directory = os.path.dirname(os.path.abspath(path))
    temporary = os.path.join(directory, ".%s.%d.new" % (os.path.basename(path), os.getpid()))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Make renames in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_ownership(descriptor: int, path: str, mode: int | None) -> None:
    try:
        old: t.Any = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644 if mode is None else mode)
        return
    os.fchmod(descriptor, old.st_mode & 0o7777 if mode is None else mode)
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
