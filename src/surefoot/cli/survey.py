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
    """Read what every host of a feature really holds, and say where that disagrees with receipts and ledger. Changes nothing.

    Ends with 4 where it disagrees, or a host did not answer.
    """
    from ansible_collections.surefoot.release.plugins.plugin_utils.contract import spoken
    from surefoot.report.console import console
    from surefoot.report.documents import survey_document
    from surefoot.report.tables import survey_table

    project = load(project_path, **given)
    name = which_feature(project, feature)
    surveyed = project.survey(name, environment)
    disagreements = project.disagreements(name, environment, surveyed)
    if as_json:
        click.echo(json.dumps(survey_document(surveyed, disagreements), indent=2, default=str))
    else:
        console().print(survey_table(surveyed))
        for told in (*surveyed.failures, *map(spoken, disagreements)):
            console(stderr=True).print(told, style="red")
    return Exit.REFUSED if surveyed.failures or disagreements else Exit.DONE
