"""What hold, resume and adopt have in common: a reason, and an entry in the ledger."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import click

if t.TYPE_CHECKING:
    from surefoot.ledger import Entry

because_option = click.option("--because", metavar="TEXT", required=True, help="Why, for whoever reads the ledger.")


def tell(entry: Entry | None, line: str, *, as_json: bool) -> None:
    """Say what was decided: `line`, or the ledger entry in JSON, null where nothing had to be written."""
    click.echo(json.dumps({"format": 1, "entry": dataclasses.asdict(entry) if entry else None}, indent=2) if as_json else line)
