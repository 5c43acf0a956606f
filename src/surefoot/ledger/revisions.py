"""The versions that the tables of a ledger have had."""

from __future__ import annotations

REVISIONS = ("0001",)
"""Every version, oldest first; the last one is that of `surefoot.ledger.schema`."""
