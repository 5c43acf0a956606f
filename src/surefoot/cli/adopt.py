"""surefoot adopt"""

from __future__ import annotations

import pathlib
import typing as t

import click

from surefoot.cli.deciding import because_option
from surefoot.cli.options import PassingOn, ansible_options, environment_option, json_option, load, lock_wait_option, project_option
from surefoot.exits import Exit


@click.command(name="adopt", cls=PassingOn)
@project_option
@environment_option
@json_option
@because_option
@click.option("--release", metavar="RELEASE", required=True, help="The release after which hosts would be as they are now.")
@lock_wait_option
@click.argument("feature")
@ansible_options
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, because: str, release: str, feature: str, **given: t.Any) -> Exit:
    """Accept what the hosts hold as the state after a release, though surefoot did not leave it there.

    The hosts are surveyed. Where they hold what the releases up to that one leave, or a version that no release knows, those count as done, and what came after
    them and is not there any more counts as taken back. Ledger and receipts say so, with the reason; nothing else is changed. All else is refused.
    """
    from surefoot.cli.performing import follow

    project = load(project_path, **given)
    return follow(project.adopt(feature, environment, release=release, because=because), as_json=as_json, verbose=given["verbose"])
