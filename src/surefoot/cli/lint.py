"""surefoot lint"""

from __future__ import annotations

import json
import pathlib

import click

from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError
from surefoot.cli.options import json_option, load, project_option
from surefoot.document import visible
from surefoot.exits import Exit


@click.command(name="lint")
@project_option
@json_option
@click.argument("features", nargs=-1)
def command(project_path: pathlib.Path, as_json: bool, features: tuple[str, ...]) -> Exit:
    """Check surefoot.yml and the features, all of them if none is named. Asks no host."""
    project = load(project_path)
    findings: list[dict[str, str | None]] = []
    for name in features or project.features():
        try:
            for found in project.lint(name):
                finding = {"feature": name if found.release else None, "release": found.release, "message": found.message}
                findings += [finding] if finding not in findings else []
        except SurefootError as error:
            findings.append({"feature": name, "release": None, "message": str(error)})
    if as_json:
        click.echo(json.dumps({"format": 1, "findings": findings}, indent=2))
    else:
        for finding in findings:
            click.echo(visible(": ".join(str(part) for part in (finding["feature"], finding["release"], finding["message"]) if part)))
        if not findings:
            click.echo("Nothing to complain about")
    return Exit.ERROR if findings else Exit.DONE
