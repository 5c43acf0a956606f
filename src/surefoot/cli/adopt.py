"""surefoot adopt"""

from __future__ import annotations

import pathlib

import click

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.cli.deciding import because_option, tell
from surefoot.cli.options import environment_option, json_option, load, project_option
from surefoot.exits import Exit


@click.command(name="adopt")
@project_option
@environment_option
@json_option
@because_option
@click.option("--release", metavar="RELEASE", required=True, help="The release that counts as done.")
@click.argument("feature")
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, because: str, release: str, feature: str) -> Exit:
    """Record that what the hosts hold is accepted as a release having been done, though surefoot did not do it. Changes nothing on hosts."""
    from surefoot.decisions import adopt

    project = load(project_path)
    name, _settings = project.environment(environment)
    releases = {known.name: known for known in project.feature(feature).parsed()}
    if release not in releases:
        raise InvalidInput(f"Feature {feature} has no release {release}", seen=", ".join(releases))
    with project.ledger() as ledger:
        entry = adopt(ledger, name, releases[release], because=because)
    tell(entry, f"{release} of {feature} counts as done in {name}: {because}", as_json=as_json)
    return Exit.DONE
