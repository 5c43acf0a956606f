# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value that changes when the shape of what an application caches changes."""

from __future__ import annotations

import hashlib
import os
import pathlib
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused


def fingerprint(root: str | None, shapes: t.Sequence[str], version: str = "") -> str:
    """SHA-256, in hex, over the sorted (relative path, content) of every file that matches a glob of `shapes` under `root`, and over `version`.

    A glob that matches a directory stands for every file below it; `__pycache__` is left out, because bytecode holds file times. File times, owners and
    the path of `root` do not count, so the same release has the same fingerprint on every host.

    Raises InvalidInput when nothing was declared or a glob leaves `root`, and Refused when no glob matches a file.
    """
    if not shapes and not version:
        raise InvalidInput("Nothing says what shape the cached entries have", todo="set shapes (globs of the files that shape them), or version")
    digest = hashlib.sha256()
    _add(digest, version.encode("utf-8"))
    for relative, path in sorted(_matching(root, shapes).items()):
        _add(digest, relative)
        _add(digest, _content_digest(path))
    return digest.hexdigest()


def _add(digest: t.Any, part: bytes) -> None:
    """Length first, so that no two different lists of parts give the same stream."""
    digest.update(b"%d:" % len(part))
    digest.update(part)


def _matching(root: str | None, shapes: t.Sequence[str]) -> dict[bytes, pathlib.Path]:
    if not shapes:
        return {}
    if not root:
        raise InvalidInput(
            "Shapes are given without the directory they are relative to", seen=", ".join(shapes), todo="set root to the directory of the live release"
        )
    top = pathlib.Path(root)
    if not top.is_dir():
        raise Refused(
            "The directory that holds the cached shapes is not on this host",
            seen=root,
            todo="flush the cache from a host that holds the release, or declare version instead of shapes",
        )
    found: dict[bytes, pathlib.Path] = {}
    for shape in shapes:
        for path in _files(top, shape):
            found[os.fsencode(path.relative_to(top).as_posix())] = path
    if not found:
        raise Refused("No file matches the declared cached shapes", seen="%s under %s" % (", ".join(shapes), root), todo="correct shapes or root")
    return found


def _files(top: pathlib.Path, shape: str) -> t.Iterator[pathlib.Path]:
    parts = pathlib.PurePosixPath(shape).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise InvalidInput("A cached shape must be a glob below root", seen=shape, todo="write it relative to root and without ..")
    try:
        matches = sorted(top.glob(shape))
    except ValueError as error:
        raise InvalidInput("A cached shape is not a glob", seen="%s (%s)" % (shape, error), todo="use *, ? and [] in a name, and ** as a whole name") from None
    for match in matches:
        for path in match.rglob("*") if match.is_dir() else [match]:
            if path.is_file() and "__pycache__" not in path.relative_to(top).parts:
                yield path


def _content_digest(path: pathlib.Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise Refused("A file that shapes the cache cannot be read", seen=str(error), todo="let the user of this task read it") from None
    return digest.digest()
