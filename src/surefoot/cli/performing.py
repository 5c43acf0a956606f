"""What apply, rollback and verify have in common: show events, react to Ctrl-C, turn the result into an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import types
import typing as t

import click

from surefoot.cli.failures import Unconfirmed
from surefoot.exits import Exit
from surefoot.jobs import Applied
from surefoot.project import Applying

CANCELLING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def follow(work: Applying, *, as_json: bool, verbose: int) -> Exit:
    """Go through the work to its end. The first Ctrl-C, SIGTERM or SIGHUP cancels it; the exit code says how it ended."""
    from surefoot.report.console import console
    from surefoot.report.progress_view import ProgressView

    with ProgressView(console(stderr=as_json), verbose=verbose > 0) as view, _cancelled_by_signals(work):
        for event in work:
            if as_json:
                click.echo(json.dumps(event.as_mapping(), default=str))
            else:
                view.show(event)
    assert work.result is not None
    return ended(work.result, as_json=as_json)


def ended(applied: Applied, *, as_json: bool) -> Exit:
    """The exit code for how it ended, told as the last line of JSON where that is asked for."""
    from surefoot.report.documents import applied_document

    code = exit_of(applied)
    if as_json:
        click.echo(json.dumps(applied_document(applied, code), default=str))
    return code


def confirm(question: str) -> None:
    """Ask the person at the terminal. Raises Unconfirmed where nobody is there, or who is there says no."""
    if not sys.stdin.isatty():
        raise Unconfirmed("Nobody is there to confirm", todo="run it with --yes to go on")
    if not click.confirm(question, err=True):
        raise Unconfirmed("Not confirmed, nothing was begun")


@contextlib.contextmanager
def _cancelled_by_signals(work: Applying) -> t.Iterator[None]:
    """Let signals cancel the work instead of tearing it; a second one does what it would have done without us. What nohup had ignored stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cancel(number: int, _frame: types.FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        # Not through click: the signal may have come in the middle of a line of ours.
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"Cancelling; what was begun on hosts is surveyed before the next release goes on\n")
        work.cancel()

    before = {number: signal.signal(number, cancel) for number in CANCELLING if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_of(applied: Applied) -> Exit:
    """The exit code for a result."""
    if applied.ok:
        return Exit.DONE
    states = {outcome.state for outcome in applied.outcomes.values() if not outcome.ok}
    if states & {"cancelled", "inconclusive", "waiting"}:
        return Exit.WAITING
    if states == {"refused"}:
        return Exit.REFUSED
    return Exit.ROLLED_BACK if applied.rolled_back else Exit.NOT_ROLLED_BACK
