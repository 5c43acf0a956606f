"""A directory of its own for each run of ansible-runner, which writes the whole environment there: for this user alone, and gone with the run.

A runner that was killed leaves its directory behind; the next run removes it. Each is locked by its runner for as long as that lives, since a process id
says nothing to a runner in another container that shares the directory for temporary files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import typing as t

from surefoot.orphans import is_ansible

PREFIX = "surefoot-run-"


@contextlib.contextmanager
def private_directory() -> t.Iterator[pathlib.Path]:
    """A new directory that is gone at the end of the block; those that killed runners left are removed first."""
    _remove_abandoned(pathlib.Path(tempfile.gettempdir()))
    path, lock = _make()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _make() -> tuple[pathlib.Path, int]:
    while True:
        path = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        # Another runner may find and remove it before it is locked.
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        # A file system without locks is one where nothing is removed either.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)


def _remove_abandoned(folder: pathlib.Path) -> None:
    for path in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.getuid() and not _in_use(path):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _in_use(path: pathlib.Path) -> bool:
    """Whether a process that outlived its runner still works with the directory. A service that a step started has only inherited its name."""
    name = os.fsencode(path.name)
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name in (process / "environ").read_bytes() and is_ansible((process / "cmdline").read_bytes().split(b"\0")):
                return True
    return False
