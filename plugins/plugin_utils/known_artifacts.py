# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which artifact a version stands for, as far as the controller can tell before anything is sent: by the checksum asked for, or by the file itself."""

from __future__ import annotations

import contextlib
import hashlib
import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import checksum, is_url
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

Variable = t.Callable[[str, str], t.Any]
"""The value of a role variable when `install_version` is that version; None where it is not set or cannot be told."""


def known_artifacts(versions: t.Iterable[str], variable: Variable, root: str) -> dict[str, str]:
    """The SHA-256 of each of `versions` whose artifact is known; paths are relative to `root`. One that is nowhere, or is fetched by hosts, is not known."""
    found = {version: _digest(version, variable, root) for version in versions}
    return {version: digest for version, digest in found.items() if digest}


def _digest(version: str, variable: Variable, root: str) -> str | None:
    with contextlib.suppress(InvalidInput):
        if asked := checksum(variable("install_sha256", version)):
            return asked
    artifact = variable("install_artifact", version)
    if not isinstance(artifact, str) or is_url(artifact):
        return None
    try:
        return digest_of(os.path.join(root, artifact))
    except (OSError, ValueError):
        return None


def digest_of(path: str) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
