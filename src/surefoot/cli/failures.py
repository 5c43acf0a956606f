"""Errors as people see them: what happened, what was found, what to do next."""

from __future__ import annotations

import io
import json
import typing as t

import click

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, SurefootError, describe
from surefoot.document import visible
from surefoot.exits import Exit
from surefoot.lock import Cancelled, LockHeld, LockLost


class Unconfirmed(SurefootError):
    """A person has to confirm what was asked for; nothing was begun."""


def explain(error: Exception, *, as_json: bool = False) -> Exit:
    """Print `error` to stderr, with `as_json` as a document on stdout too, and say which exit code it is."""
    if isinstance(error, click.exceptions.Abort):
        error = Cancelled("Aborted, nothing more was begun")
    code = exit_of(error) if isinstance(error, SurefootError) else Exit.ERROR
    if as_json:
        click.echo(json.dumps({"format": 1, "error": _told(error), "exit": code}))
    if isinstance(error, click.ClickException):
        said = io.StringIO()
        error.show(file=said)
        click.echo(visible(said.getvalue()), nl=False, err=True)
    elif isinstance(error, SurefootError):
        _show(error)
    else:
        click.echo(visible(f"{type(error).__name__}: {error}\nThis is a fault of surefoot; --debug shows where"), err=True)
    return code


def _told(error: Exception) -> dict[str, t.Any]:
    if isinstance(error, SurefootError):
        return describe(error)
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return {"kind": type(error).__name__, "message": message, "seen": None, "todo": None}


def _show(error: SurefootError) -> None:
    click.echo(visible(error.message), err=True)
    if error.seen:
        lines = visible(str(error.seen)).splitlines()
        click.echo("\n".join([f"  found: {lines[0]}", *(f"         {line}" for line in lines[1:])]), err=True)
    if error.todo:
        click.echo(visible(f"  next:  {error.todo}"), err=True)


def exit_of(error: SurefootError) -> Exit:
    """The exit code that stands for `error`."""
    if isinstance(error, LockHeld):
        return Exit.LOCKED
    if isinstance(error, (Cancelled, LockLost, Unconfirmed)):
        return Exit.WAITING
    if isinstance(error, Refused) and not isinstance(error, InvalidInput):
        return Exit.REFUSED
    return Exit.ERROR
