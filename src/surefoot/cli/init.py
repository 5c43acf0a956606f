"""surefoot init"""

from __future__ import annotations

import pathlib

import click

from surefoot.exits import Exit


@click.command(name="init")
@click.option("--app", help="The application's name; that of the directory if left out.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=pathlib.Path), default=".")
def command(app: str | None, directory: pathlib.Path) -> Exit:
    """Write the files of a new project: surefoot.yml, a first feature, release.yml and an inventory. Overwrites nothing."""
    from surefoot.scaffold import write_project

    for path, written in write_project(directory, app):
        click.echo(f"{'wrote' if written else 'kept '} {path}")
    click.echo("Next: put your hosts and paths into inventories/staging, then surefoot lint and surefoot plan")
    return Exit.DONE
