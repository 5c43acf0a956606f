"""surefoot resume"""

from __future__ import annotations

import pathlib

import click

from surefoot.cli.deciding import because_option, tell
from surefoot.cli.options import environment_option, json_option, load, project_option
from surefoot.exits import Exit


@click.command(name="resume")
@project_option
@environment_option
@json_option
@because_option
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, because: str) -> Exit:
    """Let releases to an environment begin again, whatever they were held for. Says which holds that lifts."""
    from surefoot.decisions import resume
    from surefoot.document import printable

    project = load(project_path)
    name, _settings = project.environment(environment)
    with project.ledger() as ledger:
        entry, lifted = resume(ledger, name, because=because)
    lines = [f"lifted: the hold of {printable(held.by)}, {printable(str(held.payload.get('because')))}" for held in lifted]
    tell(entry, "\n".join([*lines, f"{name} is open to releases"] if entry else [f"{name} was not held"]), as_json=as_json)
    return Exit.DONE
