# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrate step: survey, decide, and do it under the lock."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed, SurefootError
from ansible_collections.surefoot.release.plugins.module_utils.migrate import decision
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import Lock, SqlFailed, open_database
from ansible_collections.surefoot.release.plugins.module_utils.migrate.engine import Engine, Run, open_engine
from ansible_collections.surefoot.release.plugins.module_utils.migrate.lock import hold
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings, redacted, settings
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

KIND = "migrate"
# Seconds between tries at tables that are in use: what queued behind the last try has to get through first.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


def perform(params: t.Mapping[str, t.Any], *, check_mode: bool, run: Run) -> Step:
    """One migrate step; `params` follow ARGUMENT_SPEC and `run` is AnsibleModule.run_command. Raises SurefootError without secrets in it."""
    options = settings(params)
    try:
        return _perform(options, check_mode, run)
    except SurefootError as error:
        raise redacted(error, options.secrets) from None


def _perform(options: Settings, check_mode: bool, run: Run) -> Step:
    database = open_database(options)
    engine = open_engine(options, database, run)
    if not os.path.isdir(options.path):
        return _without_artifact(engine, options, check_mode)
    state = engine.survey()
    decided = _decide(state, options)
    if check_mode or not decided.needed:
        return _step(decided, state, decision.after(state, options.state, decided.ids))
    with hold(database.lock(), options.lock_wait) as lock:
        return _migrate(engine, options, lock)


def _migrate(engine: Engine, options: Settings, lock: Lock) -> Step:
    """Decide again, now that nobody else can move the database, and do it; tables in use are tried again until `lock_wait` is over."""
    before = engine.survey()
    decided = _decide(before, options)
    deadline, pause, ids = time.monotonic() + options.lock_wait, _FIRST_PAUSE, decided.ids
    while ids:
        try:
            _execute(engine, options, ids, lock)
        except SqlFailed as error:
            if not error.busy or time.monotonic() + pause > deadline:
                raise _located(error, engine) from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            ids = decision.decide(engine.survey(), options.state, options.to).ids
        except StepFailed as error:
            raise _located(error, engine) from None
        else:
            break
    done = engine.survey()
    left = decision.decide(done, options.state, options.to).ids
    if left:
        raise StepFailed("The migration ended without an error, but not everything is done", seen="still to do: %s" % ", ".join(left))
    return _step(decided, before, done)


def _decide(state: decision.State, options: Settings) -> decision.Decision:
    """What to do; refused where it has no way down and only what has one is asked for."""
    decided = decision.decide(state, options.state, options.to)
    stuck = [item for item in decided.ids if item in state.irreversible]
    if options.reversible_only and options.state != "reverted" and stuck:
        raise Refused(
            "The migration could not be taken back",
            seen="no way down from %s" % ", ".join(stuck),
            todo="write the way down; or where going without is accepted, say so: surefoot apply --no-way-back",
        )
    return decided


def _execute(engine: Engine, options: Settings, ids: t.Sequence[str], lock: Lock) -> None:
    if options.state == "reverted":
        engine.down(ids, options.to or decision.BASE, lock)
    else:
        engine.up(ids, options.to, lock)


def _step(decided: decision.Decision, before: decision.State, done: decision.State) -> Step:
    undo = decision.undo(before, done)
    return Step(
        kind=KIND,
        needed=decided.needed,
        reason=decided.reason,
        before=before.recorded(),
        after=done.recorded(),
        undo=undo,
        reversible=decided.reversible and (undo is not None or before.applied == done.applied),
    )


def _without_artifact(engine: Engine, options: Settings, check_mode: bool) -> Step:
    if not check_mode or options.state == "reverted":
        raise Refused("The release the migrations come out of is not there", seen=options.path, todo="stage it first (surefoot.release.install, state: staged)")
    recorded = engine.recorded() or {}
    applied = recorded.get("applied", [])
    if options.to in applied:
        return Step(kind=KIND, needed=False, reason="no migration needed: %s is applied" % options.to, before=recorded, after=recorded)
    return Step(
        kind=KIND,
        needed=True,
        reason="migration needed as far as can be seen: %s is not staged yet, so its migrations cannot be read" % os.path.basename(options.path),
        before=recorded,
        after=dict(current=[options.to or "newest"], applied=[*applied, options.to or "newest"]),
        undo=dict(to=(recorded.get("current") or [decision.BASE])[0]) if recorded else None,
        reversible=False,
    )


def _located(error: StepFailed, engine: Engine) -> StepFailed:
    """The same error, saying where it left the database as far as that can still be read."""
    with contextlib.suppress(SurefootError):
        current = ", ".join(engine.survey().current) or decision.BASE
        return StepFailed(error.message, seen="%s; the database is at %s" % (error.seen, current), todo=error.todo)
    return StepFailed(error.message, seen=error.seen, todo=error.todo)
