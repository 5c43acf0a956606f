# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as files in one directory, each named by its key percent-encoded (`urllib.parse.quote(key, safe="")`)."""

from __future__ import annotations

import contextlib
import os
import typing as t
from urllib.parse import quote

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.files import write_atomically


def open_cache(path: str, prefix: str, fingerprint_name: str) -> FilesCache:
    """The entries under `prefix` in the directory `path`. Raises Refused where that is no directory."""
    if not os.path.isdir(path):
        raise Refused("The cache directory does not exist", seen=path, todo="correct path, or create the directory")
    return FilesCache(path, quote(prefix, safe=""), quote(prefix + fingerprint_name, safe=""))


class FilesCache:
    """The entries under a prefix in one directory; see `cache.flush.Cache`."""

    def __init__(self, directory: str, prefix: str, fingerprint_file: str) -> None:
        self._directory = directory
        self._prefix = prefix
        self._fingerprint_file = fingerprint_file

    def stored(self) -> str | None:
        try:
            with open(os.path.join(self._directory, self._fingerprint_file), encoding="utf-8", errors="replace") as stream:
                return stream.read().strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from None

    def holds_entries(self) -> bool:
        return next(self._entries(), None) is not None

    def count(self) -> int:
        return len(list(self._entries()))

    def record(self, value: str) -> None:
        try:
            write_atomically(os.path.join(self._directory, self._fingerprint_file), (value + "\n").encode("utf-8"))
        except OSError as error:
            raise StepFailed(
                "The cache directory did not take the fingerprint", seen=str(error), todo="let the user of this task write to %s" % self._directory
            ) from None

    def flush(self) -> int:
        removed = 0
        # The list is taken first: what a running release caches anew while we remove is none of what was to be removed.
        for path in list(self._entries()):
            try:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                    removed += 1
            except OSError as error:
                raise StepFailed(
                    "A cached entry could not be removed", seen=str(error), todo="let the user of this task write to %s" % self._directory
                ) from None
        return removed

    def _entries(self) -> t.Iterator[str]:
        try:
            with os.scandir(self._directory) as found:
                for entry in found:
                    if entry.name.startswith(self._prefix) and entry.name != self._fingerprint_file and not entry.is_dir(follow_symlinks=False):
                        yield entry.path
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> Refused:
        return Refused("The cache directory cannot be read", seen=str(error), todo="let the user of this task read %s" % self._directory)
