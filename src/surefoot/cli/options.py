"""Options that several commands share, and what they turn into."""

from __future__ import annotations

import functools
import pathlib
import sys
import typing as t

import click

from ansible_collections.surefoot.release.plugins.plugin_utils.command_line import without_values
from surefoot.document import visible

if t.TYPE_CHECKING:
    from surefoot.project import Project

Command = t.Callable[..., t.Any]

project_option = click.option(
    "-p", "--project", "project_path", type=click.Path(path_type=pathlib.Path), default="surefoot.yml", show_default=True, help="The project file."
)
environment_option = click.option("-E", "--environment", help="The environment; not needed where there is only one.")
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout.")
lock_wait_option = click.option(
    "--lock-wait", type=float, default=0.0, metavar="SECONDS", help="How long to wait while somebody else releases to the environment; not at all by default."
)
feature_argument = click.argument("feature", required=False)


class PassingOn(click.Command):
    """A command that passes what stands after `--` on to ansible-playbook, whether its own arguments were given or not."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = args[: args.index("--")] if "--" in args else args
        rest = super().parse_args(ctx, list(own))
        ctx.params["ansible_arguments"] = tuple(args[len(own) + 1 :])
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ANSIBLE_ARGUMENTS]"]


def ansible_options(command: Command) -> Command:
    """Options passed on to ansible-playbook, for a command that is PassingOn."""
    options = [
        click.option("-l", "--limit", help="Only these hosts, as a host pattern."),
        click.option("-f", "--forks", type=int, help="How many hosts at a time."),
        click.option("-e", "--extra-vars", multiple=True, help="More variables."),
        click.option("--vault-password-file", type=click.Path(exists=True, path_type=pathlib.Path), help="Where the password of Ansible Vault is."),
        click.option("-v", "--verbose", count=True, help="Show ansible's own output; more for more of it."),
    ]
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


def ansible_arguments(given: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """The command line for ansible-playbook out of what ansible_options() gave, but for the limit."""
    arguments: list[str] = []
    if given.get("forks"):
        arguments += ["--forks", str(given["forks"])]
    for variables in given.get("extra_vars") or ():
        arguments += ["--extra-vars", variables]
    if given.get("vault_password_file"):
        arguments += ["--vault-password-file", str(pathlib.Path(given["vault_password_file"]).absolute())]
    if given.get("verbose", 0) > 1:
        arguments.append("-" + "v" * (given["verbose"] - 1))
    return (*arguments, *(given.get("ansible_arguments") or ()))


def load(project_path: pathlib.Path, **given: t.Any) -> Project:
    """The project at a path, with what ansible is to be told."""
    from surefoot.project import Project

    options = {"limit": given.get("limit"), "lock_wait": given.get("lock_wait", 0.0)}
    return Project.load(project_path, ansible_arguments=ansible_arguments(given), command=without_values(sys.argv), **options)


def which_feature(project: Project, feature: str | None) -> str:
    """The feature that is meant: the one named, or the only one there is."""
    known = project.features()
    if feature is not None:
        return feature
    if len(known) == 1:
        return known[0]
    raise click.UsageError(f"Which feature? There are: {', '.join(map(visible, known)) or 'none; write features/NAME.yml'}")
