"""The Ansible inventory of a fleet, as text. Pure functions, no I/O."""

from __future__ import annotations

import json
import pathlib
import tempfile
import typing as t

from tests.fleet.spec import Host

# A Unix socket's path ends at 107 characters; ssh adds a name (a hash, or address, port and user) and a temporary end of 17
LONGEST_CONTROL_DIRECTORY = 107 - len("/255.255.255.255-22-deploy") - 17


def control_directory(directory: pathlib.Path, name: str) -> pathlib.Path:
    """Where ssh keeps its sockets: inside the fleet's directory, or a short path of its own where that one is too long."""
    inside = directory.absolute() / "cp"
    return inside if len(str(inside)) <= LONGEST_CONTROL_DIRECTORY else pathlib.Path(tempfile.gettempdir()) / name


def ssh_options(directory: pathlib.Path) -> str:
    """The options every ssh of this fleet runs with: its keys and known hosts, nothing of the user's.

    A frozen host is given up after ten seconds; without ServerAlive an open connection to one hangs for ever.
    """
    known = directory.absolute() / "known_hosts"
    trust = f"-o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    return f"{trust} -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=2"


def render(name: str, directory: pathlib.Path, hosts: t.Iterable[Host], *, user: str) -> str:
    """The inventory in YAML: one group per kind of host, and how to reach them over SSH.

    Each host also carries `fleet_address` (its address in the fleet's network) and `fleet_container` (its name for podman).
    """
    connection = {
        "ansible_user": user,
        "ansible_become": user != "root",
        "ansible_ssh_private_key_file": str(directory.absolute() / "client_key"),
        # As ansible has it but for -C: on one machine compressing an artifact takes longer than sending it.
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s",
        "ansible_ssh_common_args": ssh_options(directory),
        "ansible_control_path_dir": str(control_directory(directory, name)),
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    lines = [f"# Written by script/fleet for the fleet {name}", "all:", "  vars:"]
    lines += [f"    {key}: {json.dumps(value)}" for key, value in connection.items()]
    lines.append("  children:")
    groups: dict[str, list[Host]] = {}
    for host in hosts:
        groups.setdefault(host.group, []).append(host)
    for group, members in sorted(groups.items()):
        lines += [f"    {group}:", "      hosts:"]
        for host in members:
            lines.append(f"        {host.name}: {{ansible_host: {host.address}, fleet_address: {host.address}, fleet_container: {name}-{host.name}}}")
    return "\n".join(lines) + "\n"


def render_known_hosts(hosts: t.Iterable[Host], public_key: str) -> str:
    """The known hosts of a fleet whose hosts all carry the host key made for the run."""
    kind, key = public_key.split()[:2]
    return "".join(f"{host.address} {kind} {key}\n" for host in hosts)
