"""The states a release can be in. Each is also the kind of the ledger entry that brings it there."""

from __future__ import annotations

IN_PLACE = frozenset({"verified", "adopted"})
SETTLED = frozenset({"verified", "rolled_back", "refused"})
UNDER_WAY = frozenset({"started", "released", "rolling_back", "rollback_failed"})
STATES = SETTLED | UNDER_WAY | {"failed", "adopted"}
CATCHING_UP = frozenset({"catching_up", "caught_up", "catch_up_failed"})
"""What is told of hosts that are brought to a release that is in place; it changes nothing of where the release stands."""
