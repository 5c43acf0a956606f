"""surefoot approve"""

from __future__ import annotations

import datetime as dt
import json
import pathlib

import click

from surefoot.cli.options import json_option, load, project_option
from surefoot.exits import Exit


@click.command(name="approve")
@project_option
@json_option
@click.option("--by", metavar="NAME", required=True, help="Who approves it; the ledger keeps the account it is given from, too.")
@click.option("--because", metavar="TEXT", help="Why.")
@click.argument("plan", type=click.Path(path_type=pathlib.Path))
def command(project_path: pathlib.Path, as_json: bool, by: str, because: str | None, plan: pathlib.Path) -> Exit:
    """Approve a plan that `surefoot plan --out` saved. Never asks.

    The approval is for this plan alone and expires. The person who applies the plan does not count as one of its approvers.
    """
    import dataclasses

    from surefoot import plan_file
    from surefoot.decisions import approve
    from surefoot.ledger.chain import timestamp
    from surefoot.policy import DECISIONS, approvals_of
    from surefoot.saved_plan import Source

    project, saved = load(project_path), plan_file.load(plan)
    _name, settings = project.environment(saved.environment)
    source = Source(root=project.root, project=project.file, feature=project.feature(saved.feature))
    with project.ledger() as ledger:
        entry = approve(ledger, saved, source, by=by, because=because)
        given = dt.datetime.fromisoformat(entry.at)
        oldest = given - dt.timedelta(seconds=settings.approvals_expire)
        lasting = approvals_of(saved.digest, saved.environment, ledger.entries(saved.environment, kinds=DECISIONS, since=oldest))
    until = timestamp(given + dt.timedelta(seconds=settings.approvals_expire))
    if as_json:
        people = sorted(known.by for known in lasting.values())
        answer = {"plan": saved.digest, "approvals": people, "needed": settings.approvals, "until": until}
        click.echo(json.dumps({"format": 1, "entry": dataclasses.asdict(entry), **answer}, indent=2))
    else:
        click.echo(f"{by} approved {', '.join(saved.releases)} of {saved.feature} in {saved.environment}, until {until} (plan {saved.digest[:12]})")
        click.echo(f"Approved by {len(lasting)}, needed are {settings.approvals}, whoever applies it not counted")
    return Exit.DONE
