"""The host image: built once from its recipe, found again by the recipe's digest."""

from __future__ import annotations

import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

from tests.fleet import machine
from tests.fleet.errors import FleetError

RECIPE = pathlib.Path(__file__).resolve().parents[2] / "molecule" / "fleet" / "image"
REPOSITORY = "localhost/surefoot-host"


def digest(recipe: pathlib.Path) -> str:
    """The digest of every file of the recipe: its name, its mode to execute, and its content."""
    total = hashlib.sha256()
    for file in sorted(path for path in recipe.rglob("*") if path.is_file()):
        content = file.read_bytes()
        total.update(f"{file.relative_to(recipe).as_posix()} {file.stat().st_mode & 0o100:o} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()[:16]


def ensure(say: t.Callable[[str], None], recipe: pathlib.Path = RECIPE) -> str:
    """The name of the host image of this recipe, built now unless podman has it."""
    name = f"{REPOSITORY}:{digest(recipe)}"
    with (recipe / "Containerfile").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two fleets started at once build one image
        if subprocess.run(["podman", "image", "exists", name]).returncode != 0:
            _build(name, recipe, say)
            _remove_others(name)
    return name


def _build(name: str, recipe: pathlib.Path, say: t.Callable[[str], None]) -> None:
    base = _base_of(recipe)
    try:
        machine.run("podman", "pull", "--quiet", base, timeout=180)
    except FleetError:
        say("Building the host image from Debian packages, for no container hub is reachable; this takes a minute or two, once")
        _bootstrap(name, recipe)
    else:
        say(f"Building the host image from {base}")
        machine.run("podman", *machine.runtime(), "build", "--quiet", "--network=host", "--tag", name, str(recipe), timeout=1800)


def _base_of(recipe: pathlib.Path) -> str:
    for line in (recipe / "Containerfile").read_text().splitlines():
        if line.startswith("FROM "):
            return line.split()[1]
    raise FleetError(f"{recipe / 'Containerfile'} has no line FROM")


def _bootstrap(name: str, recipe: pathlib.Path) -> None:
    machine.require_commands(machine.NEEDED_TO_BOOTSTRAP)
    mirror = machine.read_mirror()
    work = pathlib.Path(tempfile.mkdtemp(prefix="surefoot-image-", dir="/var/tmp"))
    try:
        # In namespaces of its own, so that whatever stops us also ends its processes and mounts
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        machine.run(*alone, str(recipe / "bootstrap"), mirror, str(work / "rootfs"), timeout=1800)
        machine.run("tar", "-C", str(work / "rootfs"), "--numeric-owner", "-cf", str(work / "rootfs.tar"), ".")
        machine.run("podman", "import", "--quiet", "--change", 'CMD ["/sbin/init"]', str(work / "rootfs.tar"), name)
    finally:
        shutil.rmtree(work)


def _remove_others(keep: str) -> None:
    # Images of older recipes; podman keeps those that a host still uses
    for image in machine.run("podman", "images", "--noheading", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).split():
        if image != keep:
            machine.run("podman", "rmi", image, check=False)
