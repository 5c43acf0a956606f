"""The tables of a ledger as they are now. How they came to be is told by `migrations`."""

from __future__ import annotations

import sqlalchemy as sa

VERSION_TABLE = "surefoot_ledger_version"
GUARDS = {
    "sqlite": frozenset({"surefoot_ledger_insert", "surefoot_ledger_update", "surefoot_ledger_delete"}),
    "postgresql": frozenset({"surefoot_ledger_insert", "surefoot_ledger_update", "surefoot_ledger_delete", "surefoot_ledger_truncate"}),
}
"""The triggers without which the database would let rows be changed, by dialect."""

METADATA = sa.MetaData()

ENTRIES = sa.Table(
    "surefoot_ledger",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("feature", sa.Text),
    sa.Column("release", sa.Text),
    sa.Column("run", sa.Text),
    sa.Column("by", sa.Text, nullable=False),
    # Text and not a JSON type, which may write numbers and keys in its own way: the hash is over what was written.
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Index("surefoot_ledger_by_environment", "environment", "feature", "seq"),
)

VERSIONS = sa.Table(VERSION_TABLE, METADATA, sa.Column("version_num", sa.String(32), primary_key=True))
