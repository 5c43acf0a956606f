# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed on a host, read from the files below the install path; nothing here writes.

releases/<version>/                     one directory for each release
current -> releases/<version>           what is live
shared/                                 what outlives a release
.surefoot/artifacts/<version>.json      {version, sha256, staged_at}, written when a release is complete; without it there is no such release
.surefoot/staging-<version>/            there while a release is being staged or removed, and after that was killed
.surefoot/lock                          held by whoever changes any of this
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import install_path

_STAGING = "staging-"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where things are below one install path."""

    path: str

    @property
    def current(self) -> str:
        return os.path.join(self.path, "current")

    @property
    def releases(self) -> str:
        return os.path.join(self.path, "releases")

    @property
    def notes(self) -> str:
        return os.path.join(self.path, ".surefoot")

    @property
    def lock(self) -> str:
        return os.path.join(self.notes, "lock")

    @property
    def records(self) -> str:
        return os.path.join(self.notes, "artifacts")

    def release(self, version: str) -> str:
        return os.path.join(self.releases, version)

    def record(self, version: str) -> str:
        return os.path.join(self.records, version + ".json")

    def staging(self, version: str) -> str:
        return os.path.join(self.notes, _STAGING + version)

    def shared(self, entry: str) -> str:
        return os.path.join(self.path, "shared", entry.rstrip("/"))


@dataclasses.dataclass(frozen=True)
class Staged:
    """A complete release on this host; `staged_at` is in seconds since the epoch."""

    version: str
    sha256: str | None
    staged_at: float


@dataclasses.dataclass(frozen=True)
class State:
    """What is there. `since` is when the live link was made; `problem` says why the live release cannot be told or used.

    `unrecorded` are directories among the releases that count as no release, `unfinished` the versions whose staging or removal was killed.
    """

    live: str | None = None
    since: float | None = None
    staged: tuple[Staged, ...] = ()
    problem: str | None = None
    unrecorded: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()

    @property
    def digests(self) -> dict[str, str | None]:
        """The checksum of the artifact of each complete release, by version."""
        return {one.version: one.sha256 for one in self.staged}


def read(layout: Layout) -> State:
    """What is below the install path; a path that is not there yet holds nothing."""
    try:
        directories = frozenset(entry.name for entry in _entries(layout.releases) if entry.is_dir(follow_symlinks=False))
        records = (_record(layout, entry.name[: -len(".json")]) for entry in _entries(layout.records) if entry.name.endswith(".json"))
        staged = tuple(sorted((one for one in records if one and one.version in directories), key=lambda one: (one.staged_at, one.version)))
        unfinished = frozenset(entry.name[len(_STAGING) :] for entry in _entries(layout.notes) if entry.name.startswith(_STAGING))
    except OSError as error:
        return State(problem="%s cannot be read: %s" % (layout.path, error))
    live, since, problem = _live(layout)
    return State(live, since, staged, problem, directories - {one.version for one in staged}, unfinished)


def survey(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What is staged and what is live below C(params["path"]), in plain types:

    `{path, live: None or {version, sha256, since}, staged: [{version, sha256, staged_at}], problem: None or a sentence}`; times are seconds since the epoch,
    staged releases come oldest first, and `sha256` of the live one is None where surefoot did not install it. Raises `InvalidInput`.
    """
    path = install_path(params["path"])
    state = read(Layout(path))
    live = None if state.live is None else dict(version=state.live, sha256=state.digests.get(state.live), since=state.since)
    return dict(path=path, live=live, staged=[dataclasses.asdict(one) for one in state.staged], problem=state.problem)


def prunable(staged: t.Iterable[Staged], *, live: str | None, wanted: str, keep: int, verified: t.Collection[str] | None) -> list[str]:
    """The versions to remove, oldest first: all but the live and the wanted one and the `keep` newest verified ones besides.

    What is newest follows from the records. Where nobody says what is verified (None) every release counts as verified.
    """
    others = [one.version for one in sorted(staged, key=lambda one: (one.staged_at, one.version)) if one.version not in (live, wanted)]
    good = [version for version in others if verified is None or version in verified]
    kept = good[len(good) - keep :] if keep < len(good) else good
    return [version for version in others if version not in kept]


def _live(layout: Layout) -> tuple[str | None, float | None, str | None]:
    """The version `current` names, since when, and what is wrong with it; a link that dangles still names its version."""
    try:
        since = os.lstat(layout.current).st_mtime
        target = os.path.join(layout.path, os.readlink(layout.current))
    except FileNotFoundError:
        return None, None, None
    except OSError as error:
        return None, None, "%s is no link that can be read: %s" % (layout.current, error.strerror)
    home, version = os.path.split(os.path.normpath(target))
    if os.path.realpath(home) != os.path.realpath(layout.releases):
        return None, None, "%s leads to %s, which is none of the releases" % (layout.current, target)
    if not os.path.isdir(target):
        return version, since, "%s leads to %s, which is not there" % (layout.current, target)
    return version, since, None


def _record(layout: Layout, version: str) -> Staged | None:
    try:
        with open(layout.record(version), encoding="utf-8") as stream:
            held = json.load(stream)
        if held["version"] == version:
            return Staged(version, held["sha256"], float(held["staged_at"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return None


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
