"""Entries, the chain of hashes that holds them together, and what can be told from a broken one. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

GENESIS = "0" * 64
"""What the first entry follows."""

LARGEST_PAYLOAD = 1024 * 1024

HASHED = ("seq", "at", "environment", "kind", "feature", "release", "run", "by", "payload", "prev")
"""What the hash of an entry is over."""

Row = t.Mapping[str, t.Any]
"""One row of the ledger as stored: `payload` is JSON text."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something that happened. `seq` counts from 1 over the whole ledger; `at` is UTC in ISO format with milliseconds and a Z.

    `hash` is the sha256 of everything else in the entry, `prev`, the hash of the entry before it, among it.
    """

    seq: int
    at: str
    environment: str
    kind: str
    feature: str | None
    release: str | None
    run: str | None
    by: str
    payload: t.Mapping[str, t.Any]
    prev: str
    hash: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anchor:
    """An entry somebody else remembers, such as a receipt on a host; `source` says who, for messages."""

    seq: int
    hash: str
    source: str


FindingKind = t.Literal["torn write", "edited row", "missing row", "reordered row", "forked chain", "restored backup", "guard missing"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong with a ledger, at entry `seq` where it can be told."""

    kind: FindingKind
    seq: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def timestamp(moment: dt.datetime) -> str:
    """`moment` as the ledger writes it, all of one length so that they sort. Raises InvalidInput for one without a time zone."""
    if moment.tzinfo is None:
        raise InvalidInput("A moment needs a time zone", seen=moment.isoformat())
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical_payload(payload: t.Mapping[str, t.Any]) -> str:
    """The one way in which `payload` is written. Raises InvalidInput for what is not JSON and for more than 1 MiB of it."""
    try:
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("A ledger entry holds plain JSON data", seen=str(error)) from error
    if len(text) > LARGEST_PAYLOAD:
        raise InvalidInput("A ledger entry holds at most 1 MiB", seen=f"{len(text)} bytes")
    return text


def hash_of(row: Row) -> str:
    """The hash that belongs to `row`, whatever stands in its `hash`."""
    told = {key: row[key] for key in HASHED}
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":"), default=repr).encode()).hexdigest()


def check_chain(rows: t.Iterable[Row], anchors: t.Iterable[Anchor] = ()) -> list[Finding]:
    """What is wrong with the chain in `rows`, which come in the order of `seq`; empty when it is whole.

    A chain that was rewritten from some entry to its end is whole in itself, and so is one that lost its end: only `anchors` show that.
    """
    kept = list(rows)
    findings: list[Finding] = []
    places = _places(kept)
    before: Row | None = None
    for row in kept:
        findings.extend(_beside(before, row))
        if hash_of(row) != row["hash"]:
            findings.append(_changed(row, places.get(row["hash"])))
        before = row
    return [*findings, *against(anchors, {row["seq"]: row["hash"] for row in kept})]


def _beside(before: Row | None, row: Row) -> t.Iterator[Finding]:
    last = before["seq"] if before else 0
    if row["seq"] != last + 1:
        missing = f"Entry {last + 1} is" if row["seq"] == last + 2 else f"Entries {last + 1} to {row['seq'] - 1} are"
        yield Finding(kind="missing row", seq=last + 1, message=f"{missing} missing")
    elif row["prev"] not in ({before["hash"], hash_of(before)} if before else {GENESIS}):
        follows = f"entry {last}" if last else "the beginning"
        yield Finding(kind="forked chain", seq=row["seq"], message=f"Entry {row['seq']} does not follow {follows} as it stands here, but another history")


def _places(rows: t.Sequence[Row]) -> dict[str, int]:
    """Where the hash of each entry belongs, found by following the chain from its beginning."""
    following = {row["prev"]: row["hash"] for row in rows}
    places: dict[str, int] = {}
    current = GENESIS
    while (current := following.get(current, "")) and current not in places:
        places[current] = len(places) + 1
    return places


def _changed(row: Row, place: int | None) -> Finding:
    if place is not None and place != row["seq"] and hash_of({**row, "seq": place}) == row["hash"]:
        return Finding(kind="reordered row", seq=row["seq"], message=f"Entry {row['seq']} was entry {place} when it was written")
    return Finding(kind="edited row", seq=row["seq"], message=f"Entry {row['seq']} is not what was written: its content does not give its hash")


def against(anchors: t.Iterable[Anchor], hashes: t.Mapping[int, str]) -> t.Iterator[Finding]:
    """Where `anchors` remember something else than a ledger with these `hashes` by `seq`, its newest entry among them."""
    last = max(hashes, default=0)
    for anchor in sorted(set(anchors), key=lambda anchor: (anchor.seq, anchor.source)):
        if anchor.seq > last:
            message = f"{anchor.source} remembers entry {anchor.seq}, but the ledger ends at entry {last}: it is an older copy, or its end was cut off"
            yield Finding(kind="restored backup", seq=anchor.seq, message=message)
        elif anchor.seq in hashes and hashes[anchor.seq] != anchor.hash:
            message = f"{anchor.source} remembers another entry {anchor.seq}: the ledger was an older copy once and went on from there, or was written anew"
            yield Finding(kind="restored backup", seq=anchor.seq, message=message)
