#!/usr/bin/env python3
"""A whole bookshop on this machine: `shop.py start|stop|status [--dir DIR]`.

Three instances of version 1.0.0 under supervisord, on loopback, behind the front; no root, no containers. `layout.py` shows what lies where in DIR.
`start` on a directory that holds a shop starts that shop again as it was; with `--fresh` it begins anew. `stop` ends only what `start` began.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import typing as t
import urllib.request

import build
from layout import DEFAULT_PORT, LOOPBACK, Instance, Layout, description, environment, for_this_layout, supervisor_config

HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_DIR = HERE / ".demo"
FIRST_VERSION = "1.0.0"
PROJECT_FILES = ("surefoot.yml", "release.yml", "pytest.ini", "features", "inventories", "tests")
SOCKET_PATH_LIMIT = 90  # the kernel allows 107 bytes, and supervisord appends its process id for a moment
START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
INTERVAL = 0.1


class ShopError(Exception):
    """What went wrong, in a sentence for people."""


def start(root: pathlib.Path, base_port: int, python: pathlib.Path, *, fresh: bool) -> Layout:
    """Start the shop in `root`, laying it out first if there is none; its layout once every instance is in the pool."""
    if fresh:
        remove(root)
    if (root / "shop.json").exists():
        layout = read_layout(root)
        if running(layout.pid_file("supervisord")):
            wait_until_healthy(layout)
            return layout
        check_ports_free(layout)
    else:
        layout = new_layout(root, base_port or free_base_port(), python)
        check_ports_free(layout)
        lay_out(layout)
    layout.socket.parent.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(supervisord_command(layout), check=True)
    wait_until_healthy(layout)
    return layout


def stop(root: pathlib.Path) -> list[int]:
    """End the shop's processes, supervisord first and then whatever a killed supervisord left behind; the ids of those ended."""
    if not (root / "shop.json").exists():
        return []
    layout = read_layout(root)
    ended = [pid for pid_file in layout.pid_files if (pid := end(pid_file)) is not None]
    if root not in layout.socket.parents:  # it would be found by nobody once `root` is gone; start makes it again
        shutil.rmtree(layout.socket.parent, ignore_errors=True)
    return ended


def end(pid_file: pathlib.Path) -> int | None:
    """End the process that wrote this file, if it still runs, and wait until it is gone."""
    pid = running(pid_file)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: running(pid_file) is None, STOP_TIMEOUT, lambda: f"Process {pid} does not end after SIGTERM")
    return pid


def status(root: pathlib.Path) -> dict[str, t.Any]:
    """What the front says about each instance, beside the version that is live on disk; `running` is False where no front answers."""
    if not (root / "shop.json").exists():
        return {"running": False, "reason": f"There is no shop in {root}"}
    layout = read_layout(root)
    live = {instance.name: os.path.basename(os.path.realpath(instance.install_path / "current")) for instance in layout.instances}
    try:
        backends = front_status(layout)
    except OSError as error:
        return {"running": False, "reason": f"{layout.front_url} does not answer: {error}", "live": live}
    return {"running": True, "front": layout.front_url, "instances": {name: {**backend, "live": live[name]} for name, backend in backends.items()}}


def remove(root: pathlib.Path) -> None:
    """Stop the shop in `root` and remove the directory; only a directory that holds a shop, or nothing, is removed."""
    stop(root)
    if (root / "shop.json").exists():
        shutil.rmtree(root)


def new_layout(root: pathlib.Path, base_port: int, python: pathlib.Path) -> Layout:
    """Where a new shop will lie."""
    directory = root / "socket"
    if len(os.fsencode(directory / "supervisor.sock")) > SOCKET_PATH_LIMIT:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="bookshop-"))
    return Layout(root, base_port, python, directory / "supervisor.sock")


def read_layout(root: pathlib.Path) -> Layout:
    """Where the shop in `root` lies."""
    saved = json.loads((root / "shop.json").read_text(encoding="utf-8"))
    return Layout(root, saved["base_port"], pathlib.Path(saved["virtualenv"]) / "bin" / "python", pathlib.Path(saved["socket"]))


def lay_out(layout: Layout) -> None:
    """Everything on disk that version 1.0.0 needs to run. shop.json comes last: it says that the rest is complete."""
    if layout.root.exists() and any(layout.root.iterdir()) and not (layout.root / "hosts").exists():
        raise ShopError(f"{layout.root} is not empty and holds no shop; choose another --dir")
    artifacts = {version: build.build(version, HERE / "dist") for version in build.VERSIONS}
    for directory in ("run", "logs"):
        (layout.root / directory).mkdir(parents=True, exist_ok=True)
    for instance in layout.instances:
        install_first_version(instance, artifacts[FIRST_VERSION])
        instance.cache.mkdir(exist_ok=True)
        instance.flags.write_text(json.dumps({"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {}}, indent=2) + "\n", encoding="utf-8")
    fill_database(layout)
    layout.supervisor_config.write_text(supervisor_config(layout, HERE / "front.py"), encoding="utf-8")
    project = HERE if layout.root == DEFAULT_DIR and layout.base_port == DEFAULT_PORT else copy_project(layout)
    (layout.root / "shop.json").write_text(json.dumps(description(layout, project), indent=2) + "\n", encoding="utf-8")


def install_first_version(instance: Instance, artifact: pathlib.Path) -> None:
    """Leave what `surefoot.release.install` would leave: the release, the link `current`, and the record of a complete artifact."""
    release = instance.install_path / "releases" / FIRST_VERSION
    shutil.rmtree(instance.root, ignore_errors=True)  # of an unfinished start
    release.mkdir(parents=True)
    with tarfile.open(artifact) as archive:
        archive.extractall(release, filter="data")
    record = {"version": FIRST_VERSION, "sha256": hashlib.sha256(artifact.read_bytes()).hexdigest(), "staged_at": time.time()}
    records = instance.install_path / ".surefoot" / "artifacts"
    records.mkdir(parents=True)
    (records / f"{FIRST_VERSION}.json").write_text(json.dumps(record), encoding="utf-8")
    (instance.install_path / "current").symlink_to(f"releases/{FIRST_VERSION}")


def fill_database(layout: Layout) -> None:
    """Migration 0001, and books to sell."""
    instance = layout.instances[0]
    for module in (["alembic", "upgrade", "0001"], ["bookshop.seed"]):
        command = [str(layout.python), "-m", *module]
        done = subprocess.run(
            command, cwd=instance.install_path / "current", env={**os.environ, **environment(layout, instance)}, text=True, capture_output=True
        )
        if done.returncode:
            raise ShopError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")


def copy_project(layout: Layout) -> pathlib.Path:
    """A copy of the project whose files name this shop's ports and directory; artifacts stay where they are built."""
    project = layout.root / "project"
    shutil.rmtree(project, ignore_errors=True)
    for name in PROJECT_FILES:
        source = HERE / name
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                copy = project / path.relative_to(HERE)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(for_this_layout(path.read_text(encoding="utf-8"), layout), encoding="utf-8")
    (project / "dist").symlink_to(HERE / "dist")
    return project


def supervisord_command(layout: Layout) -> list[str]:
    """How supervisord is started; it goes into the background by itself."""
    return [str(layout.python), "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config), "--pidfile", str(layout.pid_file("supervisord"))]


def running(pid_file: pathlib.Path) -> int | None:
    """The process that wrote this file, if it still runs. Ids are used again, so only a process that names the file on its command line counts."""
    try:
        pid = int(pid_file.read_text(encoding="utf-8"))
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if os.fsencode(pid_file) in words else None


def front_status(layout: Layout) -> dict[str, dict[str, t.Any]]:
    """The front's view of its backends, by name. Raises OSError when it does not answer."""
    with urllib.request.urlopen(f"{layout.front_url}/__front__", timeout=2) as answer:
        return t.cast("dict[str, dict[str, t.Any]]", json.load(answer)["backends"])


def wait_until_healthy(layout: Layout) -> None:
    """Until the front has every instance in its pool."""
    seen = "nothing yet"

    def healthy() -> bool:
        nonlocal seen
        try:
            backends = front_status(layout)
        except OSError as error:
            seen = f"{layout.front_url} does not answer: {error}"
            return False
        seen = ", ".join(f"{name} {backend['state']}" for name, backend in backends.items())
        return all(backend["state"] == "in_pool" for backend in backends.values())

    wait_for(healthy, START_TIMEOUT, lambda: f"The shop is not healthy after {START_TIMEOUT:.0f} s: {seen}; see {layout.root / 'logs'}")


def wait_for(condition: t.Callable[[], bool], timeout: float, message: t.Callable[[], str]) -> None:
    """Until the condition holds; ShopError with the message after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise ShopError(message())
        time.sleep(INTERVAL)


def check_ports_free(layout: Layout) -> None:
    """ShopError naming the first port that something else listens on."""
    for port in range(layout.base_port, layout.base_port + 1 + len(layout.instances)):
        if not port_free(port):
            raise ShopError(f"Port {port} on {LOOPBACK} is taken; end what listens there, or choose other ports with --base-port")


def free_base_port() -> int:
    """A port that is free together with the three after it."""
    for base in range(20000 + os.getpid() % 1000 * 10, 32000, 10):
        if all(port_free(base + number) for number in range(4)):
            return base
    raise ShopError("There are no four free ports in a row between 20000 and 32000")


def port_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
        return True
    return False


def main(arguments: list[str]) -> int:
    """The command line; 0 when it did what it was asked, 1 when it could not."""
    parser = argparse.ArgumentParser(description="A whole bookshop on this machine")
    parser.add_argument("--dir", type=pathlib.Path, default=DEFAULT_DIR, help="where the shop lies (default: .demo/ beside this file)")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start", help="start it, and lay it out first if need be")
    starting.add_argument(
        "--base-port", type=int, default=DEFAULT_PORT, help=f"the front's port; instances have the next three (default: {DEFAULT_PORT}; 0: any free)"
    )
    starting.add_argument(
        "--python", type=pathlib.Path, default=pathlib.Path(sys.executable), help="of the virtualenv with the shop's requirements and supervisor"
    )
    starting.add_argument("--fresh", action="store_true", help="stop and remove the shop in that directory first")
    commands.add_parser("stop", help="stop it; everything stays on disk")
    commands.add_parser("status", help="what runs, as JSON")
    options = parser.parse_args(arguments)
    root = pathlib.Path(os.path.abspath(options.dir))
    try:
        if options.command == "start":
            layout = start(root, options.base_port, pathlib.Path(os.path.abspath(options.python)), fresh=options.fresh)
            print(f"The shop is open at {layout.front_url}; release to it from {json.loads((root / 'shop.json').read_text())['project']}")
        elif options.command == "stop":
            print(f"{len(stop(root))} processes ended")
        else:
            print(json.dumps(status(root), indent=2))
    except ShopError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
