"""The states a release can be in. Each is also the kind of the ledger entry that brings it there."""

from __future__ import annotations

IN_PLACE = frozenset({"verified", "adopted"})
SETTLED = frozenset({"verified", "rolled_back"})
UNDER_WAY = frozenset({"started", "released", "rolling_back", "rollback_failed"})
STATES = SETTLED | UNDER_WAY | {"failed", "adopted"}
