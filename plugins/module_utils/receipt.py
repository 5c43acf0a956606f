# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note on each host of what has been released there."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.files import write_atomically

FORMAT = 1
"""The number under `receipt` in the file; a higher one was written by a newer surefoot."""


def read(path: str) -> dict[str, t.Any] | None:
    """The receipt at `path`, or None where nothing was ever released. Raises Refused for a file that is not a receipt of this format.

    A receipt is `{receipt, app, environment, live_version, verified_versions, releases}`, where each of `releases` is
    `{feature, release, digest, outcome, version, at, run}` in the order of time and `outcome` is verified or rolled_back.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused("The receipt cannot be read", seen="%s: %s" % (path, error.strerror), todo="make it readable for the user ansible works as")
    try:
        receipt = json.loads(content.decode())
    except ValueError:
        receipt = None
    if not isinstance(receipt, dict) or not isinstance(receipt.get("releases"), list):
        raise Refused("The receipt is damaged", seen=path, todo="restore it from a backup, or move it away and record what is there")
    if receipt.get("receipt") != FORMAT:
        raise Refused(
            "The receipt is of another format",
            seen="%s has format %r, this is %d" % (path, receipt.get("receipt"), FORMAT),
            todo="use the surefoot that wrote it or a newer one",
        )
    return receipt


def write(path: str, receipt: t.Mapping[str, t.Any]) -> None:
    """Replace the receipt at `path`, making its directory where it is missing."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    write_atomically(path, (json.dumps(receipt, indent=1, sort_keys=True) + "\n").encode())


def with_entry(
    receipt: t.Mapping[str, t.Any] | None, identity: t.Mapping[str, t.Any], entry: t.Mapping[str, t.Any], live_version: str | None
) -> dict[str, t.Any]:
    """The receipt after `entry` (a release's feature, release, digest, outcome, at, run); the same again where the entry is already its last word."""
    old = dict(receipt or {"receipt": FORMAT, "live_version": None, "verified_versions": [], "releases": []})
    releases = list(old["releases"])
    latest = next((known for known in reversed(releases) if (known["feature"], known["release"]) == (entry["feature"], entry["release"])), None)
    told = {"digest", "outcome", "version"}
    entry = dict(entry, version=live_version)
    if latest is None or any(latest.get(key) != entry[key] for key in told):
        releases.append(entry)
    verified = list(old["verified_versions"])
    if entry["outcome"] == "verified" and live_version and (not verified or verified[-1] != live_version):
        verified = [version for version in verified if version != live_version] + [live_version]
    if entry["outcome"] == "rolled_back":
        verified = verified[: verified.index(live_version) + 1] if live_version in verified else verified
    return dict(old, live_version=live_version, verified_versions=verified, releases=releases, **identity)
