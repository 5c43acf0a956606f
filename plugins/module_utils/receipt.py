# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note on each host of what has been released there."""

from __future__ import annotations

import errno
import json
import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.files import write_atomically

FORMAT = 1
"""The number under `receipt` in the file; a higher one was written by a newer surefoot."""

_ROOM = 256 * 1024
"""How many bytes must be free for a receipt; more than any takes."""

_TEXT = ("feature", "release", "digest", "outcome")
_SAID = ("version", "at", "run")


def read(path: str) -> dict[str, t.Any] | None:
    """The receipt at `path`, or None where nothing was ever released. Raises Refused for a file that is not a receipt of this format.

    A receipt is `{receipt, app, environment, live_version, verified_versions, releases}`, where each of `releases` is
    `{feature, release, digest, outcome, version, at, run}` in the order of time and `outcome` is verified, adopted or rolled_back.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused("The receipt cannot be read", seen="%s: %s" % (path, error.strerror), todo="make it readable for the user ansible works as") from error
    try:
        receipt = json.loads(content.decode())
    except (ValueError, RecursionError):
        receipt = None
    number = receipt.get("receipt") if isinstance(receipt, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise Refused(
            "The receipt is of a newer format",
            seen="%s has format %d, this is %d" % (path, number, FORMAT),
            todo="use the surefoot that wrote it or a newer one",
        )
    if number != FORMAT or not is_whole(receipt):
        raise Refused("The receipt is damaged", seen=path, todo="restore it from a backup, or move it away and record what is there")
    return t.cast("dict[str, t.Any]", receipt)


def problem(path: str) -> str | None:
    """Why no receipt could be written at `path`; None where nothing speaks against it. It is not tried, since a survey changes nothing."""
    directory = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    try:
        code = _obstacle(directory)
    except OSError as error:
        code = error.errno
    return "%s: %s" % (directory, os.strerror(code)) if code else None


def _obstacle(directory: str) -> int | None:
    if not os.path.isdir(directory):
        return errno.ENOTDIR
    disk = os.statvfs(directory)
    if disk.f_flag & os.ST_RDONLY:
        return errno.EROFS
    if not os.access(directory, os.W_OK | os.X_OK):
        return errno.EACCES
    # Some file systems count nothing, and say that of nothing nothing is free.
    free = disk.f_bavail if os.geteuid() else disk.f_bfree
    full = disk.f_blocks and free * disk.f_frsize < _ROOM
    return errno.ENOSPC if full or (disk.f_files and not disk.f_favail) else None


def write(path: str, receipt: t.Mapping[str, t.Any]) -> None:
    """Replace the receipt at `path`, making its directory where it is missing. Raises StepFailed where that is not possible, the old one untouched."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        write_atomically(path, (json.dumps(receipt, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise StepFailed(
            "The receipt cannot be written, so the release does not count as done here",
            seen="%s: %s" % (path, error.strerror),
            todo="make room there, or let the user ansible works as write there, then run the same command again",
        ) from error


def with_entry(
    receipt: t.Mapping[str, t.Any] | None, identity: t.Mapping[str, t.Any], entry: t.Mapping[str, t.Any], *, live: str | None, live_before: str | None
) -> dict[str, t.Any]:
    """The receipt after `entry` (a release's feature, release, digest, outcome, at, run); the same again where the entry is already its last word.

    `live` and `live_before` are the live versions after and before the release. What was live before the very first release counts as verified: users
    were served by it, and it is what a way back leads to, also where that writes the first receipt.
    """
    served = live if entry["outcome"] == "rolled_back" else live_before
    old = dict(receipt or {"receipt": FORMAT, "live_version": None, "verified_versions": [served] if served else [], "releases": []})
    entry = dict(entry, version=live)
    latest = next((known for known in reversed(old["releases"]) if (known["feature"], known["release"]) == (entry["feature"], entry["release"])), None)
    told = latest is not None and all(latest.get(key) == entry[key] for key in ("digest", "outcome", "version"))
    return dict(
        old,
        live_version=live,
        verified_versions=_verified(old["verified_versions"], entry["outcome"], live),
        releases=old["releases"] if told else [*old["releases"], entry],
        **identity,
    )


def is_whole(receipt: t.Any) -> bool:
    """Whether this has the form of a receipt, whichever format it says it is of."""
    if not isinstance(receipt, dict):
        return False
    versions, releases, live = receipt.get("verified_versions"), receipt.get("releases"), receipt.get("live_version")
    return (
        isinstance(versions, list)
        and all(isinstance(version, str) for version in versions)
        and (live is None or isinstance(live, str))
        and isinstance(releases, list)
        and all(isinstance(entry, dict) and _is_entry(entry) for entry in releases)
    )


def _is_entry(entry: t.Mapping[str, t.Any]) -> bool:
    return all(isinstance(entry.get(key), str) for key in _TEXT) and all(entry.get(key) is None or isinstance(entry[key], str) for key in _SAID)


def _verified(versions: t.Sequence[str], outcome: str, live: str | None) -> list[str]:
    """The verified versions in the order in which they went live; a way back takes off what lies above the version it led to."""
    if live is None:
        return list(versions)
    # What somebody adopted serves users too, and is what a way back leads to.
    if outcome in ("verified", "adopted"):
        return [*(version for version in versions if version != live), live]
    return list(versions[: versions.index(live) + 1]) if live in versions else list(versions)
