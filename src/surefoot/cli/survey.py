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
    """Read what every host of a feature really holds, and say where ledger, receipts and hosts disagree. Changes nothing.

    Ends with 4 where they do, and where a host could not be asked.
    """
    import dataclasses

    from rich.text import Text

    from ansible_collections.surefoot.release.plugins.plugin_utils.at_work import told
    from surefoot.ledger import LedgerError
    from surefoot.report.console import console
    from surefoot.report.documents import survey_document
    from surefoot.report.tables import survey_remarks, survey_table

    project = load(project_path, **given)
    name = which_feature(project, feature)
    place, _settings = project.environment(environment)
    surveyed = project.survey(name, place)
    planned = None
    try:
        with project.ledger() as ledger:
            planned = project.plan_of(name, place, surveyed, ledger)
    except LedgerError as error:  # what hosts hold is worth seeing all the same
        surveyed = dataclasses.replace(surveyed, failures=(*surveyed.failures, str(error)))
    if as_json:
        click.echo(json.dumps(survey_document(surveyed, planned), indent=2, default=str))
    else:
        console().print(survey_table(surveyed))
        for step in told(surveyed.at_work):
            console().print(Text(f"! {step}", style="yellow"))
        for failure in surveyed.failures:
            console(stderr=True).say(failure, style="red")
        for remark in survey_remarks(planned) if planned else ():
            console().print(remark)
    return Exit.REFUSED if surveyed.failures or (planned and planned.disagreements) else Exit.DONE
