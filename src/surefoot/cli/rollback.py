"""surefoot rollback"""

from __future__ import annotations

import pathlib
import typing as t

import click

from surefoot.cli.options import (
    PassingOn,
    ansible_options,
    environment_option,
    feature_argument,
    json_option,
    load,
    lock_wait_option,
    project_option,
    which_feature,
)
from surefoot.exits import Exit


@click.command(name="rollback", cls=PassingOn)
@project_option
@environment_option
@json_option
@click.option("--to", metavar="RELEASE", help="Undo everything after this release.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@lock_wait_option
@feature_argument
@ansible_options
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, to: str | None, yes: bool, feature: str | None, **given: t.Any) -> Exit:
    """Undo the last release that is in place, its steps in reverse, back to what was there before it."""
    from surefoot.cli.performing import confirm, follow

    project = load(project_path, **given)
    name = which_feature(project, feature)
    work = project.rollback(name, environment, to=to)
    if not yes:
        confirm(f"Undo {f'everything after {to}' if to else 'the last release'} of {name}?")
    code = follow(work, as_json=as_json, verbose=given["verbose"])
    assert work.result is not None
    if not work.result.outcomes:
        click.echo("There is nothing to undo", err=True)
    return code
