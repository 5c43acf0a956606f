"""surefoot history"""

from __future__ import annotations

import json
import pathlib

import click

from surefoot.cli.options import environment_option, json_option, load, project_option
from surefoot.document import one_line
from surefoot.exits import Exit


@click.command(name="history")
@project_option
@environment_option
@json_option
@click.option("--feature", help="Only this feature.")
@click.option("-n", "--last", type=click.IntRange(min=1), help="Only the last so many entries.")
@click.option("--check", is_flag=True, help="Check that no entry was lost or edited, and say which.")
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, feature: str | None, last: int | None, check: bool) -> Exit:
    """Show what was intended, done and measured, from the ledger, oldest first."""
    from surefoot.report.console import console
    from surefoot.report.documents import history_document
    from surefoot.report.tables import history_table

    project = load(project_path)
    if check:
        return _check(project.check_ledger(), as_json)
    entries = project.history(environment, feature, limit=last)
    if as_json:
        click.echo(json.dumps(history_document(entries), indent=2, default=str))
    else:
        console().print(history_table(entries))
    return Exit.DONE


def _check(findings: list[str], as_json: bool) -> Exit:
    if as_json:
        click.echo(json.dumps({"format": 1, "findings": findings}, indent=2))
    else:
        for finding in findings:
            click.echo(one_line(finding))
        if not findings:
            click.echo("Every entry follows on the one before it, and none was edited")
    return Exit.REFUSED if findings else Exit.DONE
