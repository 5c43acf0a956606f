"""What the tests of migrate share: releases with migrations in them, and migrators in processes of their own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.migrate.perform import perform
from ansible_collections.surefoot.release.plugins.module_utils.migrate.survey import survey as read
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

BOOKS = {
    "0001_books.up.sql": "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL);\n",
    "0001_books.down.sql": "DROP TABLE books;\n",
}
REVIEWS = {
    "0002_reviews.up.sql": "CREATE TABLE reviews (id INTEGER PRIMARY KEY, body TEXT);\n",
    "0002_reviews.down.sql": "DROP TABLE reviews;\n",
    "0002_reviews.verify.sql": "SELECT count(*) = 0 FROM reviews;\n",
}


def release(path: pathlib.Path, *files: t.Mapping[str, str]) -> pathlib.Path:
    """A release at `path` with these files in its folder of migrations."""
    folder = path / "migrations"
    folder.mkdir(parents=True, exist_ok=True)
    for found in files:
        for name, text in found.items():
            (folder / name).write_text(text, encoding="utf-8")
    return path


_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

print("chatter of the application", end="")
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""
_REVISION = """
import os, time
import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {parent!r}
branch_labels = None
depends_on = None


def upgrade():
    {up}


def downgrade():
    {down}
"""


def alembic_release(path: pathlib.Path, *revisions: tuple[str, str, str]) -> pathlib.Path:
    """A release with Alembic in it; each revision is its id, the body of its upgrade and that of its downgrade."""
    (path / "migrations/versions").mkdir(parents=True, exist_ok=True)
    (path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (path / "migrations/env.py").write_text(_ENV)
    parent = None
    for identity, up, down in revisions:
        text = _REVISION.format(id=identity, parent=parent, up=up, down=down)
        (path / f"migrations/versions/{identity}_.py").write_text(text)
        parent = identity
    return path


def alembic_options(url: str, **options: t.Any) -> dict[str, t.Any]:
    """Options that run Alembic in the Python of these tests, as the application's own."""
    # SQLAlchemy writes an absolute path with one slash more, and has to be told the driver.
    own = url.replace("sqlite:///", "sqlite:////").replace("postgresql://", "postgresql+psycopg://")
    return {"engine": "alembic", "python": sys.executable, "environment": {"DATABASE_URL": own}, **options}


def checked(path: pathlib.Path, url: str, **options: t.Any) -> dict[str, t.Any]:
    """Module parameters with every default, as the module gets them."""
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"engine": "sql", "path": str(path), "url": url, "lock_wait": 20, **options})
    assert not validated.error_messages
    return t.cast("dict[str, t.Any]", validated.validated_parameters)


def migrate(path: pathlib.Path, url: str, *, check: bool = False, **options: t.Any) -> Step:
    return perform(checked(path, url, **options), check_mode=check, run=run)


def survey(path: pathlib.Path, url: str, **options: t.Any) -> dict[str, t.Any]:
    return read(checked(path, url, **options), run)


def run(
    command: t.Sequence[str], *, cwd: str, environ_update: t.Mapping[str, str], pass_fds: t.Sequence[int], expand_user_and_vars: bool, handle_exceptions: bool
) -> tuple[int, str, str]:
    """What AnsibleModule.run_command does with these arguments."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environ_update}, pass_fds=pass_fds, text=True, capture_output=True)
    return done.returncode, done.stdout, done.stderr


def start(path: pathlib.Path, url: str, **options: t.Any) -> subprocess.Popen[str]:
    """A migrator in a process of its own; it prints its step as JSON, or its error."""
    request = json.dumps(checked(path, url, **options))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, __file__, request], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def outcome(process: subprocess.Popen[str]) -> dict[str, t.Any]:
    """The step of a migrator that `start` started, once it has ended well."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return t.cast("dict[str, t.Any]", json.loads(out))


def until(condition: t.Callable[[], bool], *, timeout: float = 30.0) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(vars(perform(json.loads(sys.argv[1]), check_mode=False, run=run))))
