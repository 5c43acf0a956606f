"""The hosts of a fleet: containers that boot systemd, reached over SSH in a network of their own.

podman itself remembers the fleet: every container and network carries the fleet's name as a label, so a fleet is found and
removed even when the directory that held its keys is gone.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import typing as t

from tests.fleet import image, inventory, machine, spec
from tests.fleet.errors import FleetError
from tests.fleet.spec import Host

LABEL = "surefoot.fleet"
DIRECTORY = "surefoot.directory"
AT_ONCE = 8
MARK = "fleet"


class Fleet:
    """A fleet kept in `directory`: its keys, known_hosts and inventory.yml."""

    def __init__(self, directory: pathlib.Path, say: t.Callable[[str], None] = lambda _: None) -> None:
        self.directory = directory.absolute()
        self.name = spec.fleet_name(self.directory)
        self.inventory = self.directory / "inventory.yml"
        self._say = say

    def states(self) -> dict[Host, str]:
        """Every host of the fleet that podman knows, with its state: running, paused, exited, …"""
        listed = json.loads(machine.run("podman", "ps", "--all", "--filter", f"label={LABEL}={self.name}", "--format", "json"))
        labels = [(entry["Labels"], entry["State"]) for entry in listed]
        hosts = {Host(label["surefoot.host"], label["surefoot.group"], label["surefoot.address"]): state for label, state in labels}
        return dict(sorted(hosts.items(), key=lambda item: int(item[0].address.rsplit(".", 1)[1])))

    def up(self, wanted: t.Sequence[Host], *, user: str, volumes: t.Sequence[str], deadline: float) -> None:
        """Make the wanted hosts that are not there, bring back the ones that froze, stopped or lost their network, and wait until all answer.

        What was made is removed again when this fails or is interrupted. `deadline` is in seconds, for all hosts together.
        """
        machine.require_root()
        machine.require_commands(machine.NEEDED)
        machine.require_inotify(len(wanted) + self._hosts_of_others())
        self._claim_directory()
        with self._undone_on_failure():
            host_image = image.ensure(self._say)
            subnet = self._ensure_network()
            present = self.states()
            self._ensure_keys()
            new = spec.give_addresses(spec.missing(wanted, present), [host.address for host in present], subnet)
            every = [*present, *new]
            self._write(every, user)
            self._say(f"Starting {len(new)} hosts of {len(every)} in {self.name}")
            self._each(lambda host: self._create(host, host_image, volumes), new)
            self._each(self._resume, list(present))
            self._wait(every, user, time.monotonic() + deadline)

    def remove(self, names: t.Sequence[str]) -> None:
        """Remove these hosts. They stay in the inventory, unreachable, until a later `up` makes them anew from the image."""
        states = self.states()
        unknown = set(names) - {host.name for host in states}
        if unknown:
            raise FleetError(f"No host {', '.join(sorted(unknown))} in {self.name}; it has {', '.join(host.name for host in states)}")
        self._each(self._delete, [host for host in states if host.name in names])

    def down(self) -> None:
        """Remove every container, network, ssh process and file of the fleet; nothing happens when there is none. FleetError names what would not go."""
        if shutil.which("podman"):
            self._each(self._delete, list(self.states()))
            for network in machine.run("podman", "network", "ls", "--quiet", "--filter", f"label={LABEL}={self.name}").split():
                machine.run("podman", "network", "rm", "--force", network)
        control = inventory.control_directory(self.directory, self.name)
        _end_ssh(self._marks())
        if control.parent != self.directory:
            shutil.rmtree(control, ignore_errors=True)
        if self._is_ours():
            shutil.rmtree(self.directory)
        left = self.left()
        if left:
            raise FleetError(f"Of the fleet {self.name} there is still {', '.join(left)}; remove it by hand, or run the same command again")

    def left(self) -> list[str]:
        """Whatever of the fleet is on this machine: containers, networks, ssh processes, its directory."""
        found: list[str] = []
        if shutil.which("podman"):
            label = f"label={LABEL}={self.name}"
            found += [f"container {name}" for name in machine.run("podman", "ps", "--all", "--filter", label, "--format", "{{.Names}}").split()]
            found += [f"network {name}" for name in machine.run("podman", "network", "ls", "--filter", label, "--format", "{{.Name}}").split()]
        found += [f"ssh process {pid}" for pid in _ssh_processes(self._marks())]
        return found + ([f"directory {self.directory}"] if self._is_ours() else [])

    def _marks(self) -> list[str]:
        return [str(self.directory), str(inventory.control_directory(self.directory, self.name))]

    @contextlib.contextmanager
    def _undone_on_failure(self) -> t.Iterator[None]:
        before = set(self.states())
        try:
            yield
        except BaseException:
            if before:
                self._each(self._delete, [host for host in self.states() if host not in before])
            else:
                self.down()
            raise

    def _hosts_of_others(self) -> int:
        every = machine.run("podman", "ps", "--filter", f"label={LABEL}", "--format", f'{{{{index .Labels "{LABEL}"}}}}').split()
        return sum(name != self.name for name in every)

    def _is_ours(self) -> bool:
        mark = self.directory / MARK
        return mark.is_file() and mark.read_text().strip() == self.name

    def _claim_directory(self) -> None:
        """Mark the directory as this fleet's, for `down` removes it with all it holds."""
        if not self._is_ours():
            self.directory.mkdir(parents=True, exist_ok=True)
            if any(self.directory.iterdir()):
                raise FleetError(f"{self.directory} holds something that is not of a fleet; give a directory that is empty or not there yet")
            (self.directory / MARK).write_text(f"{self.name}\n")

    def _ensure_network(self) -> str:
        """The subnet of the network that is this fleet's own."""
        if subprocess.run(["podman", "network", "exists", self.name]).returncode != 0:
            labels = (f"--label={LABEL}={self.name}", f"--label={DIRECTORY}={self.directory}")
            machine.run("podman", "network", "create", "--disable-dns", *labels, self.name)
        (network,) = json.loads(machine.run("podman", "network", "inspect", self.name))
        return t.cast("str", network["subnets"][0]["subnet"])

    def _ensure_keys(self) -> None:
        inventory.control_directory(self.directory, self.name).mkdir(mode=0o700, exist_ok=True)
        for key in ("client_key", "host_key"):
            if not (self.directory / key).exists():
                machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(self.directory / key))

    def _write(self, hosts: t.Sequence[Host], user: str) -> None:
        public_key = (self.directory / "host_key.pub").read_text()
        (self.directory / "known_hosts").write_text(inventory.render_known_hosts(hosts, public_key))
        self.inventory.write_text(inventory.render(self.name, self.directory, hosts, user=user))

    def _create(self, host: Host, host_image: str, volumes: t.Sequence[str]) -> None:
        labels = {LABEL: self.name, DIRECTORY: str(self.directory), "surefoot.host": host.name, "surefoot.group": host.group, "surefoot.address": host.address}
        mounts = [
            f"{self.directory}/host_key:/etc/ssh/fleet_host_key:ro",
            f"{self.directory}/client_key.pub:/etc/ssh/fleet_authorized_keys:ro",
            *volumes,
        ]
        machine.run(
            # Root of a host may look at every process, as it may on a machine of its own
            *("podman", *machine.runtime(), "run", "--detach", "--systemd=always", "--cap-add=SYS_PTRACE", *machine.limits()),
            *("--name", self._container(host), "--hostname", host.name, "--network", self.name, f"--ip={host.address}"),
            *(f"--label={key}={value}" for key, value in labels.items()),
            *(f"--volume={mount}" for mount in mounts),
            *(host_image, "/sbin/init"),
            timeout=120,
        )

    def _resume(self, host: Host) -> None:
        container = self._container(host)
        for undo in (["unpause", container], ["network", "connect", f"--ip={host.address}", self.name, container]):
            machine.run("podman", *undo, check=False)  # fails where there is nothing to undo
        machine.run("podman", "start", container, timeout=120)

    def _delete(self, host: Host) -> None:
        # A paused host takes no signal, and a removal in the middle of a start may need a second go
        machine.run("podman", "unpause", self._container(host), check=False)
        machine.run("podman", "rm", "--force", "--volumes", "--time=0", self._container(host), timeout=120)

    def _wait(self, hosts: t.Sequence[Host], user: str, until: float) -> None:
        """Wait until systemd has finished booting and answers over SSH on every host, all units well."""
        known = inventory.ssh_options(self.directory).split()
        key = ["-i", str(self.directory / "client_key"), "-o", "BatchMode=yes", "-o", "ControlPath=none"]

        def ready(host: Host) -> None:
            _wait_for_sshd(host, until)
            ask = "systemctl is-system-running --wait || systemctl --failed --no-legend"
            answer = machine.run("ssh", *known, *key, f"{user}@{host.address}", ask, timeout=max(1.0, until - time.monotonic())).strip()
            if answer != "running":
                raise FleetError(f"{host.name} booted, but not every unit is well: {answer}")

        self._each(ready, hosts)

    def _container(self, host: Host) -> str:
        return f"{self.name}-{host.name}"

    @staticmethod
    def _each(act: t.Callable[[Host], None], hosts: t.Sequence[Host]) -> None:
        """Do this for all hosts, some at once, and fail with the first failure after all have been tried; begin no more when interrupted."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                failures = [done.exception() for done in [pool.submit(act, host) for host in hosts]]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        for failure in filter(None, failures):
            raise failure


def fleets_below(directory: pathlib.Path) -> list[Fleet]:
    """The fleets in any directory below this one of which something is still there."""
    listed = [json.loads(machine.run("podman", *what, "--filter", f"label={DIRECTORY}", "--format", "json")) for what in (("ps", "--all"), ("network", "ls"))]
    told = {pathlib.Path((entry.get("Labels") or entry["labels"])[DIRECTORY]) for entries in listed for entry in entries}
    marked = {mark.parent for mark in directory.rglob(MARK) if mark.is_file()}
    return [fleet for path in sorted(told | marked) if path.is_relative_to(directory) and (fleet := Fleet(path)).left()]


def _wait_for_sshd(host: Host, until: float) -> None:
    seen = "nothing yet"
    while time.monotonic() < until:
        try:
            with socket.create_connection((host.address, 22), timeout=2) as connection:
                seen = connection.recv(64).decode("ascii", "replace").strip()
            if seen.startswith("SSH-2.0"):
                return
        except OSError as error:
            seen = str(error)
        time.sleep(0.1)
    raise FleetError(f"{host.name} at {host.address} did not answer on SSH in time; last seen: {seen}")


def _end_ssh(marks: t.Sequence[str], patience: float = 5) -> None:
    """End the ssh processes (kept open by ControlPersist) whose command line names the fleet's directory."""
    until = time.monotonic() + patience
    while (found := _ssh_processes(marks)) and time.monotonic() < until:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.05)


def _ssh_processes(marks: t.Sequence[str]) -> list[int]:
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if (entry / "comm").read_text().strip() == "ssh" and any(f"{mark}/" in command for mark in marks):
                found.append(int(entry.name))
    return found
