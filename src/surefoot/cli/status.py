"""surefoot status"""

from __future__ import annotations

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
    """Say where each feature stands in each environment, by the ledger. No host is asked; `surefoot plan` does that.

    Ends with 4 when the ledger is an older copy of the one this machine wrote to.
    """
    from surefoot.report.console import console
    from surefoot.report.tables import status_table
    from surefoot.status import status

    standing, findings = status(project_path, environment)
    if as_json:
        click.echo(json.dumps({"format": 1, "features": standing, "findings": findings}, indent=2))
    else:
        console().print(status_table(standing))
        for finding in findings:
            console(stderr=True).say(finding, style="red")
    return Exit.REFUSED if findings else Exit.DONE
