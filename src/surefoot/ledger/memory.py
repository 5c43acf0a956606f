"""What one machine remembers of a ledger, outside of it: the newest entry it has written. A backup that was restored under it is found by that."""

from __future__ import annotations

import contextlib
import json
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.files import write_atomically
from surefoot.ledger.chain import Anchor

if t.TYPE_CHECKING:
    from pathlib import Path


class Memory:
    """The file at `path` that remembers an entry of the ledger at `where`; what it has of another ledger is nothing. Without a path nothing is remembered."""

    def __init__(self, path: Path | None, where: str) -> None:
        self._path = path
        self._where = where

    def recall(self) -> Anchor | None:
        """The entry remembered, if there is one."""
        if self._path is None:
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._path.read_text())
            if found["ledger"] == self._where:
                return Anchor(seq=int(found["seq"]), hash=str(found["hash"]), source=str(self._path))
        return None

    def keep(self, seq: int, digest: str) -> None:
        """Remember the entry `seq` with the hash `digest`. Where that cannot be written, the entry before it goes on being remembered."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(str(self._path), json.dumps({"ledger": self._where, "seq": seq, "hash": digest}).encode() + b"\n")
