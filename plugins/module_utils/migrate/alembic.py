# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine C(alembic): the application's own Alembic, in the application's own Python; nothing of either is imported here."""

from __future__ import annotations

import inspect
import json
import os
import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.migrate import alembic_survey, sql_text
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import SURVEY, TOOL, Database, Lock, SqlFailed
from ansible_collections.surefoot.release.plugins.module_utils.migrate.decision import State
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import Settings
from ansible_collections.surefoot.release.plugins.module_utils.migrate.postgresql import libpq_environment

# The names of one condition in psycopg2, psycopg and asyncpg, and the words of SQLite.
_BUSY = re.compile(r"LockNotAvailable|database is locked")
_LINES = 15


class AlembicEngine:
    """See engine.Engine. Which database is migrated is decided by the application's env.py; that it is the one we lock is checked."""

    def __init__(self, settings: Settings, database: Database, run: t.Callable[..., tuple[int, str, str]]) -> None:
        self._settings = settings
        self._database = database
        self._run = run

    def survey(self) -> State:
        # Even to look, SQLAlchemy would create the file of an SQLite database that is not there yet.
        exists = self._database.exists()
        answer = self._ask(connect=exists)
        databases = answer["databases"]
        if exists and len(databases) != 1:
            raise InvalidInput("The application's env.py migrates %d databases, and one was expected" % len(databases))
        if exists and databases[0]["identity"] != self._database.identity():
            raise Refused(
                "The application's env.py migrates another database than the url option names",
                seen="env.py: %s; url: %s" % (databases[0]["identity"], self._database.identity()),
                todo="give env.py the same URL, for example through the environment option",
            )
        return state(answer["revisions"], databases[0]["heads"] if exists else [])

    def recorded(self) -> None:
        return None

    def up(self, ids: t.Sequence[str], to: str | None, lock: Lock) -> None:
        if not self._database.exists():
            with self._database.connect(TOOL) as connection:
                connection.rows("SELECT 1 FROM sqlite_master")
            # Now there is a database to compare with the one of env.py.
            self.survey()
        self._alembic(lock, "upgrade", to or "heads")

    def down(self, ids: t.Sequence[str], to: str, lock: Lock) -> None:
        self._alembic(lock, "downgrade", to)

    def _alembic(self, lock: Lock, *arguments: str) -> None:
        code, out, err = self._start(TOOL, ["-m", "alembic", "-c", self._settings.config, *arguments], lock.descriptors)
        if code != 0:
            raise SqlFailed(
                "Alembic stopped with rc %d during %s" % (code, " ".join(arguments)),
                seen=_tail(out + "\n" + err),
                todo="correct the revision and run again; whether a part of it stayed depends on the transactions of env.py",
                busy=bool(_BUSY.search(out + err)),
            )

    def _ask(self, *, connect: bool) -> dict[str, t.Any]:
        source = inspect.getsource(alembic_survey)
        code, out, err = self._start(SURVEY, ["-c", source, json.dumps(dict(config=self._settings.config, connect=connect))])
        answers = [line[len(alembic_survey.MARK) :] for line in out.splitlines() if line.startswith(alembic_survey.MARK)]
        answer = json.loads(answers[-1]) if answers else dict(error=_tail(out + "\n" + err) or "rc %d" % code)
        if "error" in answer:
            raise Refused(
                "The application's Alembic could not be asked for its revisions",
                seen=answer["error"],
                todo="run %s -m alembic current in %s and see" % (self._settings.python, self._settings.path),
            )
        return t.cast("t.Dict[str, t.Any]", answer)

    def _start(self, purpose: str, arguments: list[str], descriptors: t.Sequence[int] = ()) -> tuple[int, str, str]:
        python = str(self._settings.python)
        environment = dict(self._settings.environment)
        environment["PATH"] = "%s%s%s" % (os.path.dirname(python), os.pathsep, environment.get("PATH", os.environ.get("PATH", os.defpath)))
        # A survey leaves no traces, and a release is not written to.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if self._database.dialect == sql_text.POSTGRESQL:
            environment.update(libpq_environment(self._settings, purpose))
        try:
            return self._run(
                [python, *arguments],
                cwd=self._settings.path,
                environ_update=environment,
                pass_fds=tuple(descriptors),
                expand_user_and_vars=False,
                handle_exceptions=False,
            )
        except OSError as error:
            raise InvalidInput("The application's Python cannot be started", seen=str(error), todo="check the virtualenv or python option") from None


def state(revisions: t.Sequence[t.Mapping[str, t.Any]], heads: t.Sequence[str]) -> State:
    """What the revisions of an artifact, oldest first, and the heads in a database mean together. Pure."""
    known = [revision["id"] for revision in revisions]
    unknown = [head for head in heads if head not in known]
    bare = State(
        order=(*known, *unknown), parents={revision["id"]: tuple(revision["parents"]) for revision in revisions}, known=frozenset(known), current=(), applied=()
    )
    applied = frozenset(unknown).union(*[bare.lineage(head) for head in heads])
    return State(
        order=bare.order,
        parents=bare.parents,
        known=bare.known,
        current=tuple(heads),
        applied=tuple(item for item in bare.order if item in applied),
        irreversible=frozenset([revision["id"] for revision in revisions if not revision["reversible"]] + unknown),
    )


def _tail(text: str) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-_LINES:])
