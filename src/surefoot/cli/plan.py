"""surefoot plan"""

from __future__ import annotations

import json
import pathlib
import typing as t

import click

from surefoot.cli.options import PassingOn, ansible_options, environment_option, feature_argument, json_option, load, project_option, which_feature
from surefoot.exits import Exit


@click.command(name="plan", cls=PassingOn)
@project_option
@environment_option
@json_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=pathlib.Path), help="Save the plan, to have it approved and applied as it is.")
@click.option("--all", "everything", is_flag=True, help="With --out: save all that is left, and not only the next release.")
@feature_argument
@ansible_options
def command(
    project_path: pathlib.Path, environment: str | None, as_json: bool, out: pathlib.Path | None, everything: bool, feature: str | None, **given: t.Any
) -> Exit:
    """Say what would be done next, on which hosts, why, and what users would notice. Changes nothing.

    Ends with 0 when nothing is left to do, with 2 when something is, and with 4 when what is there is not what was expected. What people and the calendar
    have a say in, such as approvals and freezes, is told and changes nothing of that.
    """
    from surefoot.report.console import console
    from surefoot.report.documents import plan_document
    from surefoot.report.plan_view import show_plan

    project = load(project_path, **given)
    name = which_feature(project, feature)
    place, _settings = project.environment(environment)
    with project.ledger() as ledger:
        surveyed = project.survey_to_plan(name, place, ledger)
    plan = project.plan(name, place, surveyed=surveyed)
    if as_json:
        click.echo(json.dumps(plan_document(plan), indent=2, default=str))
    else:
        show_plan(console(), plan, probes=[probe.name for probe in project.file.probes])
    if out and plan.pending and not plan.refusals:
        from surefoot.plan_file import save

        saved = project.saved_plan(name, place, everything=everything, surveyed=surveyed)
        save(saved, out)
        click.echo(f"Saved {', '.join(saved.releases)} to {out}, digest {saved.digest[:12]}; next: surefoot apply --plan {out}", err=True)
    if plan.refusals:
        return Exit.REFUSED
    return Exit.PENDING if plan.pending else Exit.DONE
