# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading in one go what a host really holds. Nothing here changes anything."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import receipt as receipts
from ansible_collections.surefoot.release.plugins.module_utils.commands import Run

Params = t.Mapping[str, t.Any]


def take(params: Params, run: Run) -> dict[str, t.Any]:
    """The survey of this host: `{receipt, receipt_problem, artifacts, service, pool, migrations, cache, flag}`, None for what was not asked for.

    `params` are what `survey_options.checked` gives; `run` is AnsibleModule.run_command. Raises SurefootError for options that cannot be used and for a
    damaged receipt.
    """
    path = params.get("receipt")
    found: dict[str, t.Any] = dict(receipt=receipts.read(path) if path else None, receipt_problem=receipts.problem(path) if path else None)
    for kind, (name, look) in _LOOKS.items():
        found[name] = look(params, run) if params.get(kind) else None
    return found


# What a kind of survey needs is imported where it is done: a host spends more time on loading code than on looking, and most are asked for little.


def _artifacts(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.artifact import store

    return store.survey(params["install"])


def _service(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.service import survey

    return survey.survey(params["restart"], run)


def _pool(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.pool import survey

    return survey.survey(params["pool_member"], run)


def _migrations(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.migrate import survey

    return survey.survey(_from_what_is_there(params["migrate"], params), run)


def _cache(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.cache import survey

    return survey.survey(params["flush_cache"])


def _flag(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.flags import survey

    return survey.survey(params["enable_feature"])


_LOOKS: dict[str, tuple[str, t.Callable[[Params, Run], dict[str, t.Any]]]] = dict(
    install=("artifacts", _artifacts),
    restart=("service", _service),
    pool_member=("pool", _pool),
    migrate=("migrations", _migrations),
    flush_cache=("cache", _cache),
    enable_feature=("flag", _flag),
)
"""For each kind of step the name of its part of a survey, and how to look."""

PARTS: t.Mapping[str, str] = {kind: name for kind, (name, _look) in _LOOKS.items()}
"""For each kind of step the name of its part of a survey."""


def _from_what_is_there(migrate: dict[str, t.Any], params: Params) -> dict[str, t.Any]:
    """Until the artifact with the migrations is staged, the live one says what is applied."""
    install = (params.get("install") or {}).get("path")
    if install and not os.path.isdir(migrate["path"]):
        return dict(migrate, path=os.path.join(install, "current"))
    return migrate
