"""What apply, rollback and verify have in common: show events, react to Ctrl-C, turn the result into an exit code."""

from __future__ import annotations

import json

import click

from surefoot.exits import Exit
from surefoot.project import Applied, Applying


def follow(work: Applying, *, as_json: bool, verbose: int) -> Exit:
    """Go through the work to its end. The first Ctrl-C cancels it; the exit code says how it ended."""
    from surefoot.report.console import console
    from surefoot.report.documents import applied_document
    from surefoot.report.progress_view import ProgressView

    with ProgressView(console(stderr=as_json), verbose=verbose > 0) as view:
        while True:
            try:
                for event in work:
                    if as_json:
                        click.echo(json.dumps(event.as_mapping(), default=str))
                    else:
                        view.show(event)
                break
            except KeyboardInterrupt:
                click.echo("Cancelling; what was begun on hosts is surveyed before the next release goes on", err=True)
                work.cancel()
    assert work.result is not None
    code = exit_of(work.result)
    if as_json:
        click.echo(json.dumps(applied_document(work.result, code), default=str))
    return code


def exit_of(applied: Applied) -> Exit:
    """The exit code for a result."""
    if applied.ok:
        return Exit.DONE
    states = {outcome.state for outcome in applied.outcomes.values() if not outcome.ok}
    if states & {"cancelled", "inconclusive"}:
        return Exit.WAITING
    return Exit.ROLLED_BACK if applied.rolled_back else Exit.NOT_ROLLED_BACK
