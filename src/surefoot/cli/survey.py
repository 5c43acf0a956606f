"""surefoot survey"""

from __future__ import annotations

import json
import pathlib
import typing as t

import click

from surefoot.cli.options import PassingOn, ansible_options, environment_option, feature_argument, json_option, load, project_option, which_feature
from surefoot.exits import Exit


@click.command(name="survey", cls=PassingOn)
@project_option
@environment_option
@json_option
@feature_argument
@ansible_options
def command(project_path: pathlib.Path, environment: str | None, as_json: bool, feature: str | None, **given: t.Any) -> Exit:
    """Read what every host of a feature really holds. Changes nothing."""
    from rich.text import Text

    from ansible_collections.surefoot.release.plugins.plugin_utils.at_work import told
    from surefoot.report.console import console
    from surefoot.report.documents import survey_document
    from surefoot.report.tables import survey_table

    project = load(project_path, **given)
    surveyed = project.survey(which_feature(project, feature), environment)
    if as_json:
        click.echo(json.dumps(survey_document(surveyed), indent=2, default=str))
    else:
        console().print(survey_table(surveyed))
        for step in told(surveyed.at_work):
            console().print(Text(f"! {step}", style="yellow"))
        for failure in surveyed.failures:
            console(stderr=True).print(failure, style="red")
    return Exit.REFUSED if surveyed.failures else Exit.DONE
