"""Errors as people see them: what happened, what was found, what to do next."""

from __future__ import annotations

import click

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, SurefootError
from surefoot.exits import Exit
from surefoot.lock import LockHeld


def explain(error: Exception) -> Exit:
    """Print `error` to stderr and say which exit code it is."""
    if not isinstance(error, SurefootError):
        click.echo(f"{type(error).__name__}: {error}\nThis is a fault of surefoot; --debug shows where", err=True)
        return Exit.ERROR
    click.echo(error.message, err=True)
    if error.seen:
        lines = str(error.seen).splitlines()
        click.echo("\n".join([f"  found: {lines[0]}", *(f"         {line}" for line in lines[1:])]), err=True)
    if error.todo:
        click.echo(f"  next:  {error.todo}", err=True)
    return exit_of(error)


def exit_of(error: SurefootError) -> Exit:
    """The exit code that stands for `error`."""
    if isinstance(error, LockHeld):
        return Exit.LOCKED
    if isinstance(error, Refused) and not isinstance(error, InvalidInput):
        return Exit.REFUSED
    return Exit.ERROR
