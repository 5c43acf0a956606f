"""surefoot apply"""

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
    orphan_wait_option,
    project_option,
    which_feature,
)
from surefoot.exits import Exit


@click.command(name="apply", cls=PassingOn)
@project_option
@environment_option
@json_option
@click.option("--to", metavar="RELEASE", help="Go on through the gates up to and with this release.")
@click.option("--all", "everything", is_flag=True, help="Go on through the gates to the end of the feature.")
@click.option("--plan", "plan_path", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path), help="Apply just what this saved plan holds.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--no-rollback", is_flag=True, help="Leave a failed release as it is.")
@click.option("--no-way-back", is_flag=True, help="Also begin a release from which there is no way back.")
@lock_wait_option
@orphan_wait_option
@feature_argument
@ansible_options
def command(
    project_path: pathlib.Path,
    environment: str | None,
    as_json: bool,
    to: str | None,
    everything: bool,
    plan_path: pathlib.Path | None,
    yes: bool,
    no_rollback: bool,
    no_way_back: bool,
    feature: str | None,
    **given: t.Any,
) -> Exit:
    """Perform the next release of a feature, verify it and measure what users felt.

    Run again after any failure, it goes on where reality is. With --json each line is one event, the last one the result.
    """
    from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
    from ansible_collections.surefoot.release.plugins.plugin_utils.contract import spoken
    from surefoot.cli.performing import confirm, ended, follow
    from surefoot.jobs import Applied
    from surefoot.report.console import console
    from surefoot.report.plan_view import show_plan

    if sum(map(bool, (to, everything, plan_path))) > 1:
        raise click.UsageError("--to, --all and --plan say different things")
    project = load(project_path, **given)
    saved = None
    if plan_path:
        from surefoot.plan_file import load as load_plan

        saved = load_plan(plan_path)
        if (feature or saved.feature, environment or saved.environment) != (saved.feature, saved.environment):
            raise click.UsageError(f"The plan is for {saved.feature} in {saved.environment}")
        feature, environment = saved.feature, saved.environment
    name = which_feature(project, feature)
    if not yes:
        plan = project.plan(name, environment)
        show_plan(console(stderr=as_json), plan, probes=[probe.name for probe in project.file.probes])
        if plan.refusals and as_json:
            seen = "\n".join(spoken(refusal) for refusal in plan.refusals)
            raise Refused(f"{name} is refused, nothing was changed", seen=seen)
        if plan.refusals:
            return Exit.REFUSED
        if not plan.pending:
            return ended(Applied(outcomes={}), as_json=as_json)
        confirm("Apply?")
        if plan.irrevocable and not no_way_back:
            no_way_back = click.confirm("There is no way back from it. Apply it all the same?", err=True)
    work = project.apply(name, environment, to=to, everything=everything, auto_rollback=not no_rollback, without_way_back=no_way_back, saved=saved)
    code = follow(work, as_json=as_json, verbose=given["verbose"])
    if not as_json:
        console(stderr=True).print(_closing(code, name), style="dim")
    return code


def _closing(code: Exit, feature: str) -> str:
    return {
        Exit.DONE: f"Next: surefoot plan {feature}",
        Exit.WAITING: f"Next: look at what is above, then surefoot plan {feature}",
        Exit.REFUSED: "It was refused before it changed anything; once that is settled, apply again",
        Exit.ROLLED_BACK: "The failed release was rolled back; mend it and apply again",
        Exit.NOT_ROLLED_BACK: f"The failed release is still there; mend it and apply again, or where there is a way back surefoot rollback {feature}",
    }.get(code, "")
