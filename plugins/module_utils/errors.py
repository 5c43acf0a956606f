# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of everything that runs on hosts and in the pure core.

    SurefootError          something a person must read
    ├── InvalidInput       a value given to us cannot be used; nothing was changed
    ├── Refused            the state found is not the state expected; nothing was changed
    │   └── Busy           another is at work on it, and did not end in time
    └── StepFailed         a step was begun and could not be finished

Each edge translates the tree once: modules to C(fail_json), action plugins to C(AnsibleActionFail), the CLI to an exit code.
"""

from __future__ import annotations

import json
import typing as t


class SurefootError(Exception):
    """What happened, what was seen, and what to do next.

    `message` is one sentence with a capital and no final period; `seen` is the evidence; `todo` is the next action for a person.
    """

    def __init__(self, message: str, *, seen: t.Any = None, todo: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.seen = seen
        self.todo = todo

    def __str__(self) -> str:
        parts = [self.message]
        if self.seen not in (None, "", [], {}):
            parts.append("found: %s" % (self.seen,))
        if self.todo:
            parts.append("next: %s" % self.todo)
        return "; ".join(parts)


class InvalidInput(SurefootError):
    """A value given to us cannot be used; nothing was changed."""


class Refused(SurefootError):
    """The state found is not the state expected; nothing was changed."""


class Busy(Refused):
    """Another is at work on what was to be changed, and did not end in time.

    Other refusals may come when a step has begun, and then only say that they themselves changed nothing; this one always comes before.
    """


class StepFailed(SurefootError):
    """A step was begun and could not be finished."""


def describe(error: SurefootError) -> dict[str, t.Any]:
    """An error as data: `{kind, message, seen, todo}`, all strings or None."""
    seen = error.seen if error.seen is None or isinstance(error.seen, str) else json.dumps(error.seen, default=str, sort_keys=True)
    return dict(kind=type(error).__name__, message=error.message, seen=seen, todo=error.todo)
