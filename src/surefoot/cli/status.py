"""surefoot status"""

from __future__ import annotations

import json
import pathlib

import click

from surefoot.cli.options import environment_option, json_option, load, project_option
from surefoot.exits import Exit


@click.command(name="status")
@project_option
@environment_option
@json_option
def command(project_path: pathlib.Path, environment: str | None, as_json: bool) -> Exit:
    """Say where each feature stands in each environment, by the ledger. No host is asked; `surefoot plan` does that."""
    from surefoot.report.console import console
    from surefoot.report.tables import status_table

    project = load(project_path)
    standing = project.status(environment)
    if as_json:
        click.echo(json.dumps({"format": 1, "features": standing}, indent=2))
    else:
        console().print(status_table(standing))
    return Exit.DONE
