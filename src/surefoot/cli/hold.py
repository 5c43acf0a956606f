"""surefoot hold"""

from __future__ import annotations

import pathlib

import click

from surefoot.cli.deciding import because_option, tell
from surefoot.cli.options import environment_option, json_option, load, project_option
from surefoot.exits import Exit


@click.command(name="hold")
@project_option
@environment_option
@json_option
@because_option
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, because: str) -> Exit:
    """Let no release begin in an environment until `surefoot resume`. What is under way goes on; the way back stays open."""
    from surefoot.decisions import hold

    project = load(project_path)
    name, _settings = project.environment(environment)
    with project.ledger() as ledger:
        entry = hold(ledger, name, because=because)
    tell(entry, f"{name} is held: {because}\nNext: surefoot resume -E {name} --because REASON", as_json=as_json)
    return Exit.DONE
