"""surefoot verify"""

from __future__ import annotations

import pathlib
import typing as t

import click

from surefoot.cli.options import PassingOn, ansible_options, environment_option, feature_argument, json_option, load, project_option, which_feature
from surefoot.exits import Exit


@click.command(name="verify", cls=PassingOn)
@project_option
@environment_option
@json_option
@click.option("--release", metavar="RELEASE", help="The release; the last one that is done if none is named.")
@feature_argument
@ansible_options
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, release: str | None, feature: str | None, **given: t.Any) -> Exit:
    """Ask the gates of a release once more. Changes nothing."""
    from surefoot.cli.performing import follow

    project = load(project_path, **given)
    return follow(project.verify(which_feature(project, feature), environment, release=release), as_json=as_json, verbose=given["verbose"])
