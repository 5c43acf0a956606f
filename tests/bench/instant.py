"""What needs no fleet: how soon the command answers, with a ledger of 10 000 entries."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import subprocess
import time
import typing as t

import sqlalchemy as sa
from tests.bench.errors import BenchError
from tests.bench.runs import BIN

from surefoot.ledger import Ledger
from surefoot.ledger.chain import canonical_payload, hash_of, timestamp
from surefoot.ledger.engine import create_engine, parse_url
from surefoot.ledger.schema import ENTRIES

KINDS = ("started", "released", "verified")
COMMANDS: t.Mapping[str, tuple[str, ...]] = {
    "help": ("surefoot", "--help"),
    "status": ("surefoot", "status"),
    "python": ("python", "-c", "pass"),
}
MARKS: t.Mapping[str, float] = {"help": 0.3, "status": 0.3}
"""How many seconds each may take (P6)."""


def measure(directory: pathlib.Path, *, entries: int, runs: int) -> dict[str, list[float]]:
    """Seconds of each of `runs` runs of the commands, in turns, in a project whose ledger has `entries` entries."""
    _write_project(directory, entries)
    for command in COMMANDS.values():
        _seconds(directory, command)
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            found[name].append(_seconds(directory, command))
    return found


def _seconds(directory: pathlib.Path, command: tuple[str, ...]) -> float:
    began = time.monotonic()
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed with {done.returncode}: {done.stdout}{done.stderr}")
    return seconds


def _write_project(directory: pathlib.Path, entries: int) -> None:
    """A project of ten features with releases enough for the ledger's entries, three for each release."""
    (directory / "features").mkdir(parents=True)
    (directory / "surefoot.yml").write_text(json.dumps({"app": "bench", "ledger": "sqlite:///ledger.db", "environments": {"bench": {"inventory": "hosts"}}}))
    features = {f"feature-{number}": [f"release-{one}" for one in range(20)] for number in range(10)}
    for feature, releases in features.items():
        written = {"feature": feature, "releases": [{"release": name, "install": {"version": "1"}} for name in releases]}
        (directory / "features" / f"{feature}.yml").write_text(json.dumps(written))
    every = [(feature, release) for feature, releases in features.items() for release in releases]
    _fill(directory, [(*every[number // len(KINDS) % len(every)], KINDS[number % len(KINDS)]) for number in range(entries)])


def _fill(directory: pathlib.Path, entries: t.Sequence[tuple[str, str, str]]) -> None:
    """Append the entries in one transaction, the first one through the ledger itself, which makes the tables."""
    with Ledger("sqlite:///ledger.db", root=directory) as ledger:
        feature, release, kind = entries[0]
        last = ledger.append("bench", kind, {}, feature=feature, release=release, run="bench")
    payload = canonical_payload({"digest": "0" * 64, "before": {"install": {f"app{number}": {"live": "1"} for number in range(10)}}})
    rows, previous = [], last.hash
    for seq, (feature, release, kind) in enumerate(entries[1:], start=2):
        row: dict[str, t.Any] = dict(environment="bench", kind=kind, feature=feature, release=release, run="bench", by="bench", payload=payload)
        row |= {"seq": seq, "prev": previous, "at": timestamp(dt.datetime.now(dt.UTC))}
        previous = row["hash"] = hash_of(row)
        rows.append(row)
    engine = create_engine(parse_url("sqlite:///ledger.db", directory))
    with engine.begin() as connection:
        connection.execute(sa.insert(ENTRIES), rows)
    engine.dispose()
