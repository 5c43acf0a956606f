# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing what is installed: staging, going live, removing what is no longer needed, each so that being killed leaves no half of it in use.

A release is put at its final path before it is prepared, because a virtual environment only works where it was made. Until its record is written, as the
very last thing, it counts as no release; its directory `.surefoot/staging-<version>` says meanwhile that it is unfinished and ours to remove.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import shutil
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import Wanted
from ansible_collections.surefoot.release.plugins.module_utils.artifact.store import Layout, State
from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.files import link_atomically, write_atomically
from ansible_collections.surefoot.release.plugins.module_utils.wait import lock_file

Run = t.Callable[..., "tuple[int, str, str]"]
_MASKED_FROM = 4  # shorter values are no secrets, and masking them would garble what a command printed


@contextlib.contextmanager
def locked(layout: Layout, *, patience: float = 60) -> t.Iterator[int]:
    """Hold the lock of this install path, as a file descriptor; raises `Busy` when it is not free within `patience` seconds.

    Prepare commands inherit it, so the lock of a killed run is only free when the commands it left behind have ended as well.
    """
    os.makedirs(layout.notes, exist_ok=True)
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not lock_file(descriptor, timeout=patience, interval=0.05):
            raise Busy(
                "Another installation below %s is at work" % layout.path,
                seen="%s has been locked for %d seconds" % (layout.lock, patience),
                todo="let it end, or find it with fuser %s, then run this again" % layout.lock,
            )
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def clear_unfinished(layout: Layout, state: State, warn: t.Callable[[str], None]) -> None:
    """Remove the half releases killed runs left behind; the lock must be held. One that cannot be removed is a warning."""
    remove(layout, sorted(version for version in state.unfinished if version not in state.digests and version != state.live), warn)
    for leftover in glob.glob(glob.escape(layout.path) + "/.current.*.new") + glob.glob(glob.escape(layout.records) + "/.*.new"):
        os.unlink(leftover)


def stage(layout: Layout, wanted: Wanted, *, run: Run, hold: int) -> None:
    """Make a complete release of the artifact, not live; the lock must be held, as descriptor `hold`.

    Its directory in `.surefoot` stays, for `finish` to remove, so that a run killed in between is known to have something left to do.
    """
    # Imported here, since a host that only makes a staged release live needs neither.
    from ansible_collections.surefoot.release.plugins.module_utils.artifact import archive, fetch

    staging = layout.staging(wanted.version)
    tree = os.path.join(staging, "tree")
    try:
        os.mkdir(staging, 0o700)
        os.mkdir(tree)
        with fetch.opened(wanted, staging) as (stream, digest):
            archive.unpack(stream, tree)
        _link_shared(layout, wanted, tree)
        os.makedirs(layout.releases, exist_ok=True)
        os.makedirs(layout.records, exist_ok=True)
        os.rename(tree, layout.release(wanted.version))
        for argv in wanted.prepare:
            _prepare(layout, wanted, argv, run, hold)
        os.sync()
        record = dict(version=wanted.version, sha256=digest, staged_at=time.time())
        write_atomically(layout.record(wanted.version), (json.dumps(record, sort_keys=True) + "\n").encode())
    except BaseException:
        with contextlib.suppress(OSError):
            _discard(layout, wanted.version)
        raise


def finish(layout: Layout, versions: t.Iterable[str]) -> None:
    """Say that nothing is left to do for these releases, all of them complete."""
    for version in versions:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(layout.staging(version))


def activate(layout: Layout, version: str) -> None:
    """Make a staged release the live one, in one instant."""
    link_atomically(layout.current, os.path.join("releases", version))


def remove(layout: Layout, versions: t.Iterable[str], warn: t.Callable[[str], None]) -> None:
    """Remove these releases; one that cannot be removed is a warning, never a failure, and is tried again next time."""
    for version in versions:
        try:
            os.makedirs(layout.staging(version), 0o700, exist_ok=True)
            _discard(layout, version)
        except OSError as error:
            warn("The release %s could not be removed: %s" % (layout.release(version), error))


def missing_shared(layout: Layout, shared: t.Iterable[str]) -> list[str]:
    """The shared paths that must exist and do not; one that ends in a slash is a directory and will be made."""
    return [entry for entry in shared if not entry.endswith("/") and not os.path.exists(layout.shared(entry))]


def _link_shared(layout: Layout, wanted: Wanted, tree: str) -> None:
    for entry in wanted.shared:
        outside, inside = layout.shared(entry), os.path.join(tree, entry.rstrip("/"))
        if entry.endswith("/"):
            os.makedirs(outside, exist_ok=True)
        if os.path.isdir(inside) and not os.path.islink(inside):
            shutil.rmtree(inside)
        elif os.path.lexists(inside):
            os.unlink(inside)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        # Relative to where the release will be, so that the whole install path can be moved or mounted elsewhere.
        os.symlink(os.path.relpath(outside, os.path.dirname(os.path.join(layout.release(wanted.version), entry.rstrip("/")))), inside)


def _prepare(layout: Layout, wanted: Wanted, argv: t.Sequence[str], run: Run, hold: int) -> None:
    release = layout.release(wanted.version)
    try:
        code, out, err = run(
            list(argv),
            cwd=release,
            environ_update=dict(wanted.environment),
            expand_user_and_vars=False,
            ignore_invalid_cwd=False,
            handle_exceptions=False,
            pass_fds=[hold],
        )
    except (OSError, ValueError) as error:
        code, out, err = 127, "", str(error)
    if code != 0:
        said = "%s ended with %d: %s" % (" ".join(argv), code, (err.strip() or out.strip())[-2000:])
        raise StepFailed(
            "Preparing %s failed; it was removed again and what is live was not touched" % wanted.version,
            seen=_masked(said, wanted.environment),
            todo="run it in an unpacked copy of the artifact on this host",
        )


def _masked(text: str, environment: t.Mapping[str, str]) -> str:
    for value in sorted(environment.values(), key=len, reverse=True):
        if len(value) >= _MASKED_FROM:
            text = text.replace(value, "********")
    return text


def _discard(layout: Layout, version: str) -> None:
    """Remove a release so that being killed anywhere leaves it complete or known as unfinished: its record first, its mark last."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(layout.record(version))
    for directory in (layout.release(version), layout.staging(version)):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(directory)
