"""A later version of surefoot with a ledger of another version, made of this checkout: what an upgrade is tried with before there is a real one."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from helpers import ROOT

# Another column and another index; in between it can be held, by an environment variable, until a line comes on its standard input.
WIDER = """
    op.add_column("surefoot_ledger", sa.Column("machine", sa.Text))
    if "HOLD_UPGRADE" in os.environ:
        print("half of it", flush=True)
        sys.stdin.readline()
    op.create_index("surefoot_ledger_by_run", "surefoot_ledger", ["run"])
"""
# The way to change a column of SQLite is to write its table anew. With the old table go its triggers.
REBUILT = """
    with op.batch_alter_table("surefoot_ledger", recreate="always") as table:
        table.add_column(sa.Column("machine", sa.Text))
"""
FORGETFUL = """
    op.execute("DROP TRIGGER surefoot_ledger_delete" + ("" if op.get_bind().dialect.name == "sqlite" else " ON surefoot_ledger"))
    op.execute("DELETE FROM surefoot_ledger WHERE seq = 3")
"""
REWRITING = """
    op.execute("UPDATE surefoot_ledger SET payload = '{}'")
"""

_REVISION = '''
"""The second version."""
import os, sys
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade() -> None:
    {content}
'''


@dataclasses.dataclass(frozen=True)
class Surefoot:
    """A version of surefoot: the directory that its package is imported from."""

    path: pathlib.Path

    def start(self, code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Python code in a process of its own, with this version."""
        known = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.path), str(ROOT / ".collections")]), "COLUMNS": "200", **environment}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known)

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.start(code, *arguments) as process:
            said, complained = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def later(directory: pathlib.Path, content: str = WIDER) -> Surefoot:
    """A surefoot whose ledger has a second version that is made by `content`."""
    shutil.copytree(ROOT / "src/surefoot", directory / "surefoot", ignore=shutil.ignore_patterns("__pycache__"))
    known = directory / "surefoot/ledger/revisions.py"
    changed = known.read_text().replace('("0001",)', '("0001", "0002")')
    assert changed != known.read_text(), "the ledger has a second version by now"
    known.write_text(changed)
    (directory / "surefoot/ledger/migrations/versions/0002_later.py").write_text(_REVISION.format(content=content.strip()))
    return Surefoot(directory)
