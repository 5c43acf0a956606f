# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool that is told by commands, for every balancer that has a tool of its own."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run, call
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.pool.member import Standing


class Command:
    """A member moved by the commands C(drain) and C(restore); C(status) prints C(in_pool) or C(drained)."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        self._commands = params["commands"] or {}
        self._run = run
        if not self._commands.get("drain") or not self._commands.get("restore"):
            raise InvalidInput("The pool backend command needs commands.drain and commands.restore")

    def look(self) -> Standing:
        """What the status command prints; unknown where there is none."""
        if not self._commands.get("status"):
            return Standing("unknown", "there is no status command")
        done = call(self._run, self._commands["status"])
        word = done.stdout.strip()
        if done.rc != 0 or word not in ("in_pool", "drained"):
            raise Refused("The status command of the pool tells neither in_pool nor drained", seen="%r, %s" % (word[:200], done), todo="check commands.status")
        return Standing(word, "the status command says %s" % word)

    def drain(self) -> None:
        """Run the drain command."""
        self._call("drain")

    def restore(self) -> None:
        """Run the restore command."""
        self._call("restore")

    def _call(self, what: str) -> None:
        argv = self._commands[what]
        done = call(self._run, argv)
        if done.rc != 0:
            raise StepFailed("The %s command of the pool failed" % what, seen=str(done), todo="run it by hand: %s" % " ".join(argv))
