"""The command script/fleet."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
import time
import typing as t

from tests.fleet import machine, spec, wheels
from tests.fleet.errors import FleetError, NotPossible
from tests.fleet.hosts import Fleet, fleets_below

Act = t.Callable[[argparse.Namespace], None]

DESCRIPTION = "Real hosts for tests, on this machine: containers that boot systemd, reached over SSH"
FLEET_DIRECTORY = "the directory of the fleet: its keys and its inventory.yml"
EPILOG = """
example:
  script/fleet up --hosts app:3,db:1,cache:1,balancer:1 --dir .cache/fleet/demo
  ansible all -i .cache/fleet/demo/inventory.yml -m ansible.builtin.ping
  podman pause $(script/fleet status --dir .cache/fleet/demo --container app2)
  script/fleet down --dir .cache/fleet/demo

exit codes: 0 done, 1 failed, 2 wrong usage, 3 this machine cannot hold a fleet (nothing was run)
"""


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the command and give its exit code."""
    options = _parser().parse_args(arguments)
    # Stopped by a signal, a start still takes back what it made
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        options.act(options)
    except NotPossible as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 3
    except FleetError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("script/fleet", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = _add(
        commands,
        "up",
        _up,
        "start a fleet, add hosts to it, or bring back hosts that froze, stopped or lost their network; leaves nothing behind when it fails",
    )
    up.add_argument("--hosts", required=True, metavar="GROUP:COUNT,…", help="the hosts that must be there, for example app:3,db:1")
    up.add_argument("--user", default="root", choices=["root", "deploy"], help="whom Ansible logs in as; deploy uses sudo (default: root)")
    up.add_argument("--volume", action="append", default=[], metavar="HERE:THERE[:ro]", help="mount a directory of this machine into every new host")
    up.add_argument("--deadline", type=float, default=120, metavar="SECONDS", help="how long all hosts together may take to boot (default: 120)")

    remove = _add(commands, "remove", _remove, "remove some hosts; they stay in the inventory, unreachable, until a later up makes them anew")
    remove.add_argument("names", nargs="+", metavar="HOST")

    status = _add(commands, "status", _status, "show the hosts, their addresses and states")
    status.add_argument("--container", metavar="HOST", help="print only podman's name of this host")

    text = "download the wheels that hosts install from; --volume DIR:/srv/wheels:ro gives them to the hosts"
    download = _add(commands, "wheels", _wheels, text, directory="where the wheels go")
    download.add_argument("requirements", nargs="+", type=pathlib.Path, metavar="FILE", help="requirements files of what hosts install")

    check = commands.add_parser("check", help="install what a fleet needs here; ends with 3 where there cannot be one")
    check.set_defaults(act=_check)

    text = "remove every fleet below a directory, whatever became of those who started it; ends with 1 where there was any"
    _add(commands, "sweep", _sweep, text, directory="where the directories of the fleets are")

    _add(commands, "down", _down, "remove the fleet and everything of it, whatever state it is in")
    return parser


def _add(commands: t.Any, name: str, act: Act, text: str, *, directory: str = FLEET_DIRECTORY) -> argparse.ArgumentParser:
    parser = t.cast("argparse.ArgumentParser", commands.add_parser(name, help=text, description=text.capitalize()))
    parser.add_argument("--dir", type=pathlib.Path, required=True, help=directory)
    parser.set_defaults(act=act)
    return parser


def _up(options: argparse.Namespace) -> None:
    began = time.monotonic()
    fleet = Fleet(options.dir, print)
    fleet.up(spec.parse_hosts(options.hosts), user=options.user, volumes=options.volume, deadline=options.deadline)
    print(f"Up after {time.monotonic() - began:.1f} s: {fleet.inventory}")


def _remove(options: argparse.Namespace) -> None:
    Fleet(options.dir).remove(options.names)


def _status(options: argparse.Namespace) -> None:
    fleet = Fleet(options.dir)
    states = fleet.states()
    if options.container:
        if options.container not in {host.name for host in states}:
            raise FleetError(f"No host {options.container} in {fleet.name}; it has {', '.join(host.name for host in states) or 'none'}")
        print(f"{fleet.name}-{options.container}")
        return
    print(f"{fleet.name}: {len(states)} hosts")
    for host, state in states.items():
        print(f"  {host.name:14} {host.address:15} {state:10} {fleet.name}-{host.name}")


def _wheels(options: argparse.Namespace) -> None:
    wheels.ensure(options.dir.absolute(), options.requirements, print)


def _check(_: argparse.Namespace) -> None:
    machine.require_root()
    machine.require_commands(machine.NEEDED)


def _down(options: argparse.Namespace) -> None:
    fleet = Fleet(options.dir)
    fleet.down()
    print(f"Down: {fleet.name}")


def _sweep(options: argparse.Namespace) -> None:
    found = fleets_below(options.dir.absolute())
    for fleet in found:
        print(f"Left of {fleet.name}: {', '.join(fleet.left())}")
        fleet.down()
    if found:
        raise FleetError(f"{len(found)} fleets were left, and are removed now")
