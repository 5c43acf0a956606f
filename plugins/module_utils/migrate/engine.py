# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small interface behind which the migration engines stand."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.migrate.alembic import AlembicEngine
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import Database, Lock
from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import State
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings
from ansible_collections.surefoot.release.plugins.module_utils.migrate.sql import SqlEngine

Run = t.Callable[..., t.Tuple[int, str, str]]


class Engine(t.Protocol):
    """One way of keeping migrations in an artifact and their record in a database."""

    def survey(self) -> State:
        """What artifact and database hold. Changes nothing; raises InvalidInput for an artifact that cannot be read, Refused for a database."""

    def recorded(self) -> dict[str, list[str]] | None:
        """`{current, applied}` of the database without the artifact, None if this engine cannot tell."""

    def up(self, ids: t.Sequence[str], to: str | None, lock: Lock) -> None:
        """Apply `ids`, which lead to `to` (None: the newest). Raises StepFailed, or SqlFailed with `busy` when trying again can help."""

    def down(self, ids: t.Sequence[str], to: str, lock: Lock) -> None:
        """Take back `ids`, which leads to `to`. Raises as `up` does."""


def open_engine(settings: Settings, database: Database, run: Run) -> Engine:
    """The engine the settings name; `run` is AnsibleModule.run_command."""
    if settings.engine == "alembic":
        return AlembicEngine(settings, database, run)
    return SqlEngine(settings, database)
