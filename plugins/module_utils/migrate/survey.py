# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what is applied and what is pending. Takes no lock and creates nothing."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, SurefootError
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import open_database
from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import State
from ansible_collections.surefoot.release.plugins.module_utils.migrate.engine import Engine, Run, open_engine
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings, redact, redacted, settings


def survey(params: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """`{engine, version, readable, reason, current, applied, pending, unknown, drift: [{id, reason}], irreversible}`, plain JSON types.

    `params` follow ARGUMENT_SPEC, and `run` is AnsibleModule.run_command. `readable` is False with a `reason` if artifact or database could not
    be read. `version` is the artifact that was read, and `irreversible` are those pending that have no way down. Raises InvalidInput for bad options.
    """
    options = settings(params)
    try:
        engine = open_engine(options, open_database(options), run)
        try:
            return _survey(engine, options)
        except InvalidInput as error:
            if options.engine != "sql":
                raise
            # Of plain SQL it is the artifact that is wrong then, and that must not block the way back from it.
            return _answer(options, redact(str(error), options.secrets))
    except InvalidInput as error:
        raise redacted(error, options.secrets) from None
    except SurefootError as error:
        return _answer(options, redact(str(error), options.secrets))


def _survey(engine: Engine, options: Settings) -> dict[str, t.Any]:
    if not os.path.isdir(options.path):
        reason = "%s is not staged yet, so its migrations cannot be read" % os.path.basename(options.path)
        return dict(_answer(options, reason), **engine.recorded() or {})
    state = engine.survey()
    return dict(
        _answer(options, None),
        # Where nothing newer is staged yet, the live link is what was read.
        version=os.path.basename(os.path.realpath(options.path)),
        reason=_reason(state),
        **state.recorded(),
        pending=list(state.pending),
        unknown=list(state.unknown),
        drift=[dict(id=item, reason=reason) for item, reason in sorted(state.drift.items())],
        irreversible=[item for item in state.pending if item in state.irreversible],
    )


def _answer(options: Settings, problem: str | None) -> dict[str, t.Any]:
    nothing: dict[str, list[t.Any]] = {key: [] for key in ("current", "applied", "pending", "unknown", "drift", "irreversible")}
    return dict(nothing, engine=options.engine, version=None, readable=problem is None, reason=problem)


def _reason(state: State) -> str:
    parts = ["the database is at %s" % (", ".join(state.current) or "base")]
    if state.pending:
        parts.append("%d of this artifact not applied" % len(state.pending))
    if state.unknown:
        parts.append("%s not in this artifact" % ", ".join(state.unknown))
    if state.drift:
        parts.append("%s in contradiction to what was applied" % ", ".join(sorted(state.drift)))
    return "; ".join(parts)
