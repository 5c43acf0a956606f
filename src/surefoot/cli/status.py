"""surefoot status"""

from __future__ import annotations

import dataclasses
import json
import pathlib

import click

from surefoot.cli.options import environment_option, json_option, project_option
from surefoot.exits import Exit


@click.command(name="status")
@project_option
@environment_option
@json_option
def command(project_path: pathlib.Path, environment: str | None, as_json: bool) -> Exit:
    """Say where each feature stands in each environment, by the ledger, and what is open there. No host is asked; `surefoot survey` does that.

    Ends with 4 when the ledger is an older copy of the one this machine wrote to.
    """
    from surefoot.report.console import console
    from surefoot.report.tables import status_table
    from surefoot.status import status

    found = status(project_path, environment)
    if as_json:
        click.echo(json.dumps({"format": 1, **dataclasses.asdict(found)}, indent=2))
    else:
        console().print(status_table(found.features))
        for one in found.unsettled:
            console().say(f"… {one['message']}; next: {one['todo']}", style="yellow")
        for finding in found.findings:
            console(stderr=True).say(finding, style="red")
    return Exit.REFUSED if found.findings else Exit.DONE
