"""surefoot schema"""

from __future__ import annotations

import json
import typing as t

import click

from surefoot.exits import Exit


@click.command(name="schema")
@click.argument("file", type=click.Choice(["feature", "project"]))
def command(file: t.Literal["feature", "project"]) -> Exit:
    """Print the JSON Schema of feature files or of surefoot.yml."""
    from surefoot.schema import json_schema

    click.echo(json.dumps(json_schema(file), indent=2))
    return Exit.DONE
