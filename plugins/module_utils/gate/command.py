# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that run a command of the user's, such as a test suite."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.gate.ask import ERROR, FAILED, PASSED, Look, Observation

TAIL = 2000


def command_look(argv: t.Sequence[str], chdir: str | None, run: Run) -> Look:
    """A look that passes when the command ends with 0; a command that is not there or cannot run is an error, one out of time a failure.

    The command runs under C(timeout), so that nothing of it is left when its time is up. Raises InvalidInput for no command and for a missing `chdir`.
    """
    if not argv or not all(argv):
        raise InvalidInput("A command gate needs a command", seen=list(argv))
    if chdir and not os.path.isdir(chdir):
        raise InvalidInput("The directory of a command gate is missing", seen=chdir, todo="correct its chdir")

    def look(at_most: float) -> Observation:
        command = ["timeout", "--kill-after=2", "%.3f" % at_most, *argv]
        try:
            rc, out, err = run(command, cwd=chdir, handle_exceptions=False, expand_user_and_vars=False)
        except OSError as error:
            return Observation(ERROR, "could not be started: %s" % error)
        told = (out + err).strip()[-TAIL:]
        if rc == 0:
            return Observation(PASSED, "exit code 0")
        if rc in (124, 137, -9):
            return Observation(FAILED, "no end within %.0f s: %s" % (at_most, told))
        return Observation(ERROR if rc in (126, 127) else FAILED, "exit code %d: %s" % (rc, told))

    return look
