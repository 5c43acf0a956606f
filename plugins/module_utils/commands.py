# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that a user gave us as lists of arguments, run exactly as they were written."""

from __future__ import annotations

import dataclasses
import typing as t

Run = t.Callable[..., t.Tuple[int, str, str]]
"""`AnsibleModule.run_command`, or something that answers like it."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a command ended. `rc` is None where it could not be started at all; then `stderr` says why."""

    rc: int | None
    stdout: str
    stderr: str

    def __str__(self) -> str:
        said = (self.stderr.strip() or self.stdout.strip())[-500:]
        ended = "could not be started" if self.rc is None else "exit code %d" % self.rc
        return "%s (%s)" % (ended, said) if said else ended


def call(run: Run, argv: t.Sequence[str]) -> Outcome:
    """Run `argv` without a shell and without expanding anything in it; never raises for a command that fails or does not exist."""
    try:
        return Outcome(*run(list(argv), handle_exceptions=False, expand_user_and_vars=False, environ_update={"LC_ALL": "C"}))
    except OSError as error:
        return Outcome(None, "", str(error))
