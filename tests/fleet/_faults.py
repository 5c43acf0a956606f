"""What goes wrong on a fleet: commands on this machine that break something about a host, and those that mend it; and a runner that is killed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import typing as t

from tests.fleet import machine
from tests.fleet._shop import FleetShop

from helpers import BIN

Fault = t.Callable[[FleetShop, str], "tuple[str, str]"]
"""The commands that break and that mend a host."""


def frozen(shop: FleetShop, host: str) -> tuple[str, str]:
    """It answers nothing and refuses nothing."""
    return f"podman pause {shop.container(host)}", f"podman unpause {shop.container(host)}"


def without_sshd(shop: FleetShop, host: str) -> tuple[str, str]:
    """Its sshd and every connection to it are gone; whatever else it does goes on."""
    return f"podman exec {shop.container(host)} sh -c 'systemctl stop ssh; pkill sshd'", f"podman exec {shop.container(host)} systemctl start ssh"


def cut(shop: FleetShop, host: str) -> tuple[str, str]:
    """Without a network, and without a word to whoever talks to it."""
    command = f"{_enter(shop, host)} --net ip link set eth0"
    return f"{command} down", f"{command} up"


def without_database(shop: FleetShop, host: str) -> tuple[str, str]:
    """Its database is stopped."""
    command = f"podman exec {shop.container(host)} systemctl"
    return f"{command} stop postgresql@15-main", f"{command} start postgresql@15-main"


@contextlib.contextmanager
def little_room(shop: FleetShop, host: str, path: str, size: str, *, read_only: bool = False) -> t.Iterator[tuple[str, str]]:
    """What is at `path` on a file system of its own with room for `size`, and perhaps not to be written; the second command makes room. Gone afterwards."""
    mount = f"{_enter(shop, host)} --mount --pid"
    fill = f"mount -t tmpfs -o size={size},mode=0755 small {path} && cp -a /run/moved/. {path}"
    lock = f" && mount -o remount,ro {path}" if read_only else ""
    try:
        yield f"{mount} sh -c 'mkdir -p {path} && cp -a {path} /run/moved && {fill}{lock} && rm -r /run/moved'", f"{mount} mount -o remount,rw,size=100m {path}"
    finally:
        # It is not there where nobody came to move it
        shop.repair(f"{mount} sh -c '! mountpoint -q {path} || umount --lazy {path}'")


def _enter(shop: FleetShop, host: str) -> str:
    pid = machine.run("podman", "inspect", "--format", "{{.State.Pid}}", shop.container(host)).strip()
    return f"nsenter --target {pid}"


@contextlib.contextmanager
def applying(shop: FleetShop, *arguments: str) -> t.Iterator[subprocess.Popen[str]]:
    """`surefoot apply` that goes on in the background, of which nothing is left afterwards."""
    command = [str(BIN / "surefoot"), "apply", "--yes", "--json", *arguments]
    options: dict[str, t.Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=shop.project, env=shop.environment(ROAD_MARK=shop.fleet.name), start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            _kill_controller(shop)


def _kill_controller(shop: FleetShop) -> None:
    """kill -9 for the runner, ansible-playbook and its ssh; what runs on hosts is not reached."""
    mark = f"ROAD_MARK={shop.fleet.name}".encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
