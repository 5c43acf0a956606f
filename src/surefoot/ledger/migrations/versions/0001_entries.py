"""The ledger: entries, each following the one before it, and triggers that let nothing else happen to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# What the first entry follows, in place of a hash: 64 zeros.
FOLLOWS = """NEW.seq = (SELECT COALESCE(MAX(seq), 0) + 1 FROM surefoot_ledger)
       AND NEW.prev = COALESCE((SELECT hash FROM surefoot_ledger ORDER BY seq DESC LIMIT 1),
           '0000000000000000000000000000000000000000000000000000000000000000')"""

SQLITE = (
    f"""CREATE TRIGGER surefoot_ledger_insert BEFORE INSERT ON surefoot_ledger WHEN NOT ({FOLLOWS})
BEGIN SELECT RAISE(ABORT, 'The ledger is append-only: an entry follows the last one'); END""",
    *(
        f"""CREATE TRIGGER surefoot_ledger_{action.lower()} BEFORE {action} ON surefoot_ledger
BEGIN SELECT RAISE(ABORT, 'The ledger is append-only'); END"""
        for action in ("UPDATE", "DELETE")
    ),
)

POSTGRESQL = (
    """CREATE FUNCTION surefoot_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'The ledger is append-only'; END $$""",
    f"""CREATE FUNCTION surefoot_ledger_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT ({FOLLOWS}) THEN RAISE EXCEPTION 'The ledger is append-only: an entry follows the last one'; END IF;
    RETURN NEW;
END $$""",
    "CREATE TRIGGER surefoot_ledger_insert BEFORE INSERT ON surefoot_ledger FOR EACH ROW EXECUTE FUNCTION surefoot_ledger_follow()",
    *(
        f"CREATE TRIGGER surefoot_ledger_{action.lower()} BEFORE {action} ON surefoot_ledger FOR EACH STATEMENT EXECUTE FUNCTION surefoot_ledger_refuse()"
        for action in ("UPDATE", "DELETE", "TRUNCATE")
    ),
)


def upgrade() -> None:
    """Create the table and its guards."""
    op.create_table(
        "surefoot_ledger",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("feature", sa.Text),
        sa.Column("release", sa.Text),
        sa.Column("run", sa.Text),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )
    op.create_index("surefoot_ledger_by_environment", "surefoot_ledger", ["environment", "feature", "seq"])
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
