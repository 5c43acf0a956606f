"""What the machine that holds the fleet offers: root, packages, a Debian mirror, limits."""

from __future__ import annotations

import os
import pathlib
import re
import resource
import shutil
import subprocess
import typing as t

from tests.fleet.errors import FleetError, NotPossible

# command that must be there → the Debian package that brings it
NEEDED = {"podman": "podman", "runc": "runc", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
NEEDED_TO_BOOTSTRAP = {"debootstrap": "debootstrap"}
INOTIFY_OF_A_HOST = 2
INOTIFY_OF_THE_MACHINE = 10


def run(*command: str, timeout: float | None = 600, check: bool = True) -> str:
    """What the command printed; FleetError with its last words when it fails or takes longer than `timeout` seconds."""
    try:
        done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise FleetError(f"Command took longer than {timeout:g} s: {' '.join(command)}") from None
    if check and done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise FleetError(f"Command failed with {done.returncode}: {' '.join(command)}\n{words}")
    return done.stdout


def require_root() -> None:
    """Refuse unless root: hosts are reached at their own addresses, which containers of an ordinary user do not have."""
    if os.geteuid() != 0:
        raise NotPossible("The fleet was not started: it needs root, for hosts with systemd and addresses of their own; run it as root or with sudo")


def require_commands(needed: t.Mapping[str, str]) -> None:
    """Install with apt what is not there yet."""
    packages = sorted({package for command, package in needed.items() if not shutil.which(command)})
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise NotPossible(f"The fleet was not started: {', '.join(packages)} is missing and there is no apt-get to install it; install it and run this again")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "-y", "install", *packages]):
        done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, env=environment)
    if done.returncode != 0:
        raise NotPossible(f"The fleet was not started: could not install {', '.join(packages)}\n{done.stderr.strip()[-1500:]}")


def runtime() -> list[str]:
    """podman's option for a runtime that starts hosts here: its default one needs cgroup v2 alone."""
    return [] if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists() else ["--runtime", "runc"]


def limits() -> list[str]:
    """podman's options for a host's limits: its own defaults are above what many machines allow."""
    enough = {"nofile": (resource.RLIMIT_NOFILE, 16384), "nproc": (resource.RLIMIT_NPROC, 4096)}
    options = []
    for name, (which, limit) in enough.items():
        hard = resource.getrlimit(which)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(hard, limit)
        options.append(f"--ulimit={name}={limit}:{limit}")
    return options


def require_inotify(hosts: int) -> None:
    """Refuse more hosts than the kernel's inotify instances allow: on the ones too many systemd would hang while booting."""
    allowed = int(pathlib.Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    needed = hosts * INOTIFY_OF_A_HOST + INOTIFY_OF_THE_MACHINE
    if allowed < needed:
        raise NotPossible(f"The fleet was not started: {hosts} hosts need fs.inotify.max_user_instances={needed}, found {allowed}; raise it with sysctl")


def find_mirror(sources: t.Iterable[str]) -> str | None:
    """The first Debian mirror named in the texts of apt sources files, in either of their formats."""
    for text in sources:
        for line in text.splitlines():
            found = re.match(r"(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s+)(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return found.group(1)
    return None


def read_mirror() -> str:
    """The Debian mirror of this machine's own apt sources, or of the environment variable FLEET_MIRROR."""
    apt = pathlib.Path("/etc/apt")
    files = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list")), *sorted(apt.glob("sources.list.d/*.sources"))]
    mirror = os.environ.get("FLEET_MIRROR") or find_mirror(file.read_text() for file in files if file.is_file())
    if not mirror:
        raise NotPossible("The host image was not built: no container hub is reachable and apt's sources name no Debian mirror; set FLEET_MIRROR to one")
    return mirror
