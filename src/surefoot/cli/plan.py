"""surefoot plan"""

from __future__ import annotations

import json
import pathlib
import typing as t

import click

from surefoot.cli.options import ansible_options, environment_option, feature_argument, json_option, load, project_option, which_feature
from surefoot.exits import Exit


@click.command(name="plan")
@project_option
@environment_option
@json_option
@feature_argument
@ansible_options
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, feature: str | None, **given: t.Any) -> Exit:
    """Say what would be done next, on which hosts, why, and what users would notice. Changes nothing.

    Ends with 0 when nothing is left to do, with 2 when something is, and with 4 when what is there is not what was expected.
    """
    from surefoot.report.console import console
    from surefoot.report.documents import plan_document
    from surefoot.report.plan_view import show_plan

    project = load(project_path, **given)
    plan = project.plan(which_feature(project, feature), environment)
    if as_json:
        click.echo(json.dumps(plan_document(plan), indent=2, default=str))
    else:
        show_plan(console(), plan, probes=[probe.name for probe in project.file.probes])
    if plan.refusals:
        return Exit.REFUSED
    return Exit.PENDING if plan.pending else Exit.DONE
