"""A directory of wheels for the hosts, which reach no package index: downloaded once, again when the requirements change."""

from __future__ import annotations

import hashlib
import pathlib
import platform
import shutil
import sys
import tempfile
import typing as t

from tests.fleet import machine

# Of the Debian in the recipe of the host image: its Python, and the oldest to the newest glibc that wheels for it may name
HOST_PYTHON = "3.11"
HOST_PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_24", "manylinux_2_28", "manylinux_2_34")
MARK = ".requirements"


def digest(requirements: t.Iterable[str]) -> str:
    """What the wheels depend on: the texts of the requirements and the hosts' Python."""
    return hashlib.sha256("\0".join([HOST_PYTHON, platform.machine(), *requirements]).encode()).hexdigest()


def ensure(directory: pathlib.Path, requirements: t.Sequence[pathlib.Path], say: t.Callable[[str], None]) -> None:
    """Have in `directory` the wheels that the hosts need for these requirements files."""
    wanted = digest(file.read_text() for file in requirements)
    mark = directory / MARK
    if mark.is_file() and mark.read_text() == wanted:
        return
    say(f"Downloading wheels for {len(requirements)} requirements files")
    directory.parent.mkdir(parents=True, exist_ok=True)
    new = pathlib.Path(tempfile.mkdtemp(dir=directory.parent, prefix=f"{directory.name}."))
    try:
        files = [word for file in requirements for word in ("-r", str(file))]
        platforms = [f"--platform={name}_{platform.machine()}" for name in HOST_PLATFORMS]
        target = ("--only-binary=:all:", f"--python-version={HOST_PYTHON}", *platforms)
        machine.run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(new), *target, *files)
        (new / MARK).write_text(wanted)
        new.chmod(0o755)
        shutil.rmtree(directory, ignore_errors=True)
        new.rename(directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)
