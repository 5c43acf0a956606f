# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool that follows a file on the member: while it is there, the application answers the balancer's health check with 503."""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.files import sync_directory, write_atomically
from ansible_collections.surefoot.release.plugins.module_utils.pool.member import Standing

_SIGNATURE = "surefoot"


class File:
    """A member that is drained by a file. A file that we did not write belongs to somebody else, and stays."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        if not params["path"]:
            raise InvalidInput("The pool backend file needs the path of the drain file")
        self._path = params["path"]
        self._directory = os.path.dirname(os.path.abspath(self._path))

    def look(self) -> Standing:
        """Drained while the file is there."""
        if not os.path.isdir(self._directory):
            raise Refused("There is no directory for the drain file, so nobody looks there", seen=self._directory, todo="correct the path, or create it")
        try:
            with open(self._path, encoding="utf-8", errors="replace") as stream:
                text = stream.read(4096)
            changed = os.stat(self._path).st_mtime
        except FileNotFoundError:
            return Standing("in_pool", "there is no %s" % self._path)
        except OSError as error:
            raise Refused("The drain file cannot be read", seen=str(error), todo="check its path and rights") from error
        if _written_by_us(text):
            return Standing("drained", "%s is there" % self._path, since=changed)
        return Standing("drained", "%s is there and was not written by surefoot" % self._path, ours=False, since=changed)

    def drain(self) -> None:
        """Write the file, readable for the application whatever user it runs as."""
        content = {"drained_by": _SIGNATURE, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        try:
            write_atomically(self._path, (json.dumps(content) + "\n").encode(), mode=0o644)
        except OSError as error:
            raise StepFailed("The drain file cannot be written", seen=str(error), todo="check its path and rights") from error

    def restore(self) -> None:
        """Remove the file."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StepFailed("The drain file cannot be removed", seen=str(error), todo="remove it by hand to put the member back") from error
        sync_directory(self._directory)


def _written_by_us(text: str) -> bool:
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("drained_by") == _SIGNATURE
