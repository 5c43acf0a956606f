#!/usr/bin/env python3
"""Build the bookshop's artifacts: `build.py [VERSION …]`, all of them by default, into dist/.

A version is the one before it with the files of `versions/<version>/` laid over it, so each directory shows just what that version changed. The same files
give the same archive every time: names are sorted, times and owners are fixed.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import pathlib
import sys
import tarfile
from collections.abc import Mapping

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = ("1.0.0", "2.0.0", "2.1.0")


def tree(version: str, versions: pathlib.Path = HERE / "versions") -> dict[str, bytes]:
    """Every file of a version by its relative path, VERSION among them."""
    files: dict[str, bytes] = {}
    for layer in VERSIONS[: VERSIONS.index(version) + 1]:
        root = versions / layer
        files.update({path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts})
    return {**files, "VERSION": f"{version}\n".encode()}


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz with these files and nothing that differs from one build to the next."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def build(version: str, dist: pathlib.Path) -> pathlib.Path:
    """Write `bookshop-<version>.tar.gz` with its `.sha256`, unless the same bytes are there already; the path of the archive."""
    artifact = dist / f"bookshop-{version}.tar.gz"
    content = pack(tree(version))
    dist.mkdir(parents=True, exist_ok=True)
    _write_if_different(artifact, content)
    _write_if_different(dist / f"{artifact.name}.sha256", f"{hashlib.sha256(content).hexdigest()}  {artifact.name}\n".encode())
    return artifact


def _write_if_different(path: pathlib.Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    # Renamed into place: a release that runs meanwhile reads the old artifact or the new one, never half of it.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def main(arguments: list[str]) -> int:
    """The command line; 0 when everything is built."""
    parser = argparse.ArgumentParser(description="Build the bookshop's artifacts")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"one of {', '.join(VERSIONS)} (default: all)")
    parser.add_argument("--dist", type=pathlib.Path, default=HERE / "dist", help="where artifacts go (default: dist/ beside this file)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.versions) - set(VERSIONS)):
        parser.error(f"There is no version {unknown[0]}; there are {', '.join(VERSIONS)}")
    for version in options.versions or VERSIONS:
        print(build(version, options.dist))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
