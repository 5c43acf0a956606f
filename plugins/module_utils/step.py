# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape in which every step module answers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError, describe

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


@dataclasses.dataclass(frozen=True)
class Step:
    """What one step found, decided and did on one host.

    `needed` and `reason` are the decision and a sentence for people. `before` and `after` hold the part of the state this step is about; in check
    mode `after` is what would be. `impact` is what users of this host could notice, `unavailable_ms` among it where it was measured.
    `undo` are the parameters of the same kind of step that lead back to `before`, or None where nothing needs undoing.
    `reversible` is False where running `undo` would not bring `before` back. `duration_ms` is the time spent on the host.
    """

    kind: str
    needed: bool
    reason: str
    before: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    after: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    impact: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    undo: t.Mapping[str, t.Any] | None = None
    reversible: bool = True
    duration_ms: int = 0

    @property
    def changed(self) -> bool:
        """Whether the state is another one afterwards."""
        return dict(self.before) != dict(self.after)

    @property
    def diff(self) -> dict[str, str]:
        """The difference as Ansible shows it."""
        return dict(before=_pretty(self.before), after=_pretty(self.after))


def result(step: Step, **extra: t.Any) -> dict[str, t.Any]:
    """The module result for a step: `changed` follows from `before` and `after`, and so does `diff`."""
    return dict(changed=step.changed, diff=step.diff, step=dataclasses.asdict(step), **extra)


def run_step(module: Module, perform: t.Callable[[], Step], *guards: t.ContextManager[None], activate: t.Callable[[], Step] | None = None) -> None:
    """Run `perform` within `guards`, in check mode without them, time it, and leave the module with its step or with one clear failure.

    `activate` is a step that goes before it in the same run, and is told of as `activation`.
    """
    try:
        with contextlib.ExitStack() as stack:
            for guard in guards if not module.check_mode else ():
                stack.enter_context(guard)
            activation = _timed(activate) if activate else None
            step = _timed(perform)
    except SurefootError as error:
        module.fail_json(msg=str(error), error=describe(error))
    told = result(step)
    if activation:
        told.update(changed=activation.changed or step.changed, diff=[activation.diff, step.diff], activation=dataclasses.asdict(activation))
    module.exit_json(**told)


def _timed(perform: t.Callable[[], Step]) -> Step:
    started = time.monotonic()
    return dataclasses.replace(perform(), duration_ms=int((time.monotonic() - started) * 1000))


def _pretty(state: t.Mapping[str, t.Any]) -> str:
    return json.dumps(state, indent=2, sort_keys=True, default=str) + "\n"
