# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the application's own Python, where Alembic is; it never resolves what the database holds, so a database ahead of the code is data, no error.

Argument: JSON C({config, connect}). Prints one line, MARK and JSON: C({revisions: [{id, parents, reversible}] oldest first, databases: [{identity,
heads}]}), or C({error}). This file imports nothing of the collection, because it is sent as text.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import sys
import typing as t

MARK = "surefoot-survey:"


def main() -> None:
    request = json.loads(sys.argv[1])
    try:
        answer = survey(request["config"], request["connect"])
    except ImportError as error:
        answer = dict(error="%s is missing from %s" % (error.name, sys.executable) if error.name else str(error))
    except Exception as error:  # noqa: BLE001 - env.py and the revisions are somebody else's code: whatever it raises is the answer
        answer = dict(error="%s: %s" % (type(error).__name__, error))
    # env.py may print too, and may leave a line unfinished.
    sys.stdout.write("\n%s%s\n" % (MARK, json.dumps(answer)))


def survey(path: str, connect: bool) -> dict[str, t.Any]:
    """Revisions of the script directory and, with `connect`, heads and identity of each database env.py opens."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config(path)
    script = ScriptDirectory.from_config(config)
    revisions = [
        dict(id=revision.revision, parents=[*_tuple(revision.down_revision), *_tuple(revision.dependencies)], reversible=_reversible(revision.module))
        for revision in script.walk_revisions()
    ]
    databases: list[dict[str, t.Any]] = []

    def remember(heads: tuple[str, ...], context: t.Any) -> list[t.Any]:
        databases.append(dict(identity=identity(context.connection), heads=sorted(heads)))
        return []

    if connect:
        with EnvironmentContext(config, script, fn=remember, dont_mutate=True):
            script.run_env()
    return dict(revisions=revisions[::-1], databases=databases)


def identity(connection: t.Any) -> str:
    """What tells this database from every other, in the words of Database.identity."""
    from sqlalchemy import text

    if connection.dialect.name == "sqlite":
        files = [row[2] for row in connection.execute(text("PRAGMA database_list")) if row[1] == "main"]
        return "sqlite %s" % (os.path.realpath(files[0]) if files and files[0] else "in memory")
    if connection.dialect.name == "postgresql":
        name, started = connection.execute(text("SELECT current_database(), extract(epoch FROM pg_postmaster_start_time())")).fetchone()
        return "postgresql %s of the server started at %d" % (name, started)
    return str(connection.dialect.name)


def _tuple(value: t.Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _reversible(module: t.Any) -> bool:
    """Whether there is a way down: a downgrade that does nothing takes back only an upgrade that does nothing."""
    return _does_something(module, "downgrade") or not _does_something(module, "upgrade")


def _does_something(module: t.Any, name: str) -> bool:
    function = getattr(module, name, None)
    if function is None:
        return False
    tree = ast.parse(inspect.getsource(function))
    body = t.cast("ast.FunctionDef", tree.body[0]).body
    return not all(isinstance(node, (ast.Pass, ast.Raise)) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


if __name__ == "__main__":
    main()
