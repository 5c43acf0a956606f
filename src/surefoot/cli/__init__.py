"""The `surefoot` command. Each subcommand is a file here, imported when it is called, so that `--help` is instant."""

from __future__ import annotations

import gc
import importlib
import sys
import typing as t

import click

COMMANDS: t.Mapping[str, str] = {
    "init": "Write the files of a new project",
    "lint": "Check surefoot.yml and the features, without any host",
    "survey": "Read what the hosts really hold",
    "plan": "Say what would be done next, and why",
    "approve": "Approve a saved plan",
    "apply": "Perform the next release, or go on to a later one",
    "verify": "Ask the gates of a release once more",
    "status": "Say where each feature stands in each environment",
    "history": "Show what happened, from the ledger",
    "rollback": "Undo the last release",
    "hold": "Stop releases to an environment",
    "resume": "Let releases to an environment go on",
    "adopt": "Accept what is there as a release, with a reason",
    "schema": "Print the JSON Schema of a file, for editors",
}


class LazyGroup(click.Group):
    """Knows the names of its commands without importing them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return t.cast("click.Command", importlib.import_module(f"surefoot.cli.{name}").command)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, context: click.Context, arguments: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(context, arguments)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(arguments[0], list(COMMANDS), n=1, cutoff=0.5)
            raise click.UsageError(f"{error.message.rstrip('.')}{f' Did you mean {near[0]}?' if near else ''}", context) from None


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from surefoot.cli.versions import versions

        click.echo(versions())
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog="Begin with: surefoot init")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say which versions are at work, and stop.")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def program(debug: bool) -> None:
    """Releases, one step at a time.

    A feature is a path of small releases. surefoot surveys the hosts, performs the next release, verifies it, and measures what users felt.
    """


def main(arguments: list[str] | None = None) -> t.NoReturn:
    """Run the command and leave with one of the exit codes of surefoot.exits."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = program.main(args=arguments, prog_name="surefoot", standalone_mode=False)
    except Exception as error:  # the edge: one clear error instead of a traceback
        if "--debug" in arguments and not isinstance(error, (click.ClickException, click.exceptions.Abort)):
            raise
        from surefoot.cli.failures import explain

        code = explain(error, as_json="--json" in arguments)
    gc.freeze()  # Python would look through all that was loaded once more before it ends, which takes as long as loading some of it
    sys.exit(int(code or 0))
