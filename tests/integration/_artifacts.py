"""Artifacts, installs and snapshots for the tests of the install step."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.artifact.install import perform
from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.artifact.store import survey
from ansible_collections.surefoot.release.plugins.module_utils.step import Step


def artifact(directory: pathlib.Path, version: str, files: t.Mapping[str, bytes] | None = None) -> pathlib.Path:
    """A small application as a tar.gz, the same bytes every time."""
    path = directory / f"app-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"VERSION": version.encode(), "app/main.py": b"print()\n" * 50, "app/static/a.css": b"a{}", **(files or {})}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1700000000
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("latest")
        link.type, link.linkname = tarfile.SYMTYPE, "app/main.py"
        archive.addfile(link)
    return path


def run(argv: list[str], **options: t.Any) -> tuple[int, str, str]:
    """`AnsibleModule.run_command` as far as the step uses it."""
    environment = {**os.environ, **options["environ_update"]}
    done = subprocess.run(argv, cwd=options["cwd"], env=environment, pass_fds=options["pass_fds"], text=True, capture_output=True)
    return done.returncode, done.stdout, done.stderr


def install(path: pathlib.Path, version: str, *, check: bool = False, warn: t.Callable[[str], None] = print, **options: t.Any) -> Step:
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(dict(path=str(path), version=version, **options))
    assert not validated.error_messages
    return perform(validated.validated_parameters, check_mode=check, run=run, warn=warn)


def found(path: pathlib.Path) -> tuple[str | None, list[str]]:
    """The live and the staged versions, oldest first."""
    seen = survey({"path": str(path)})
    return (seen["live"] or {}).get("version"), [one["version"] for one in seen["staged"]]


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(directory: pathlib.Path) -> list[str]:
    """What is in a directory."""
    return sorted(one.name for one in directory.iterdir())


def snapshot(path: pathlib.Path, *, times: bool = False) -> dict[str, t.Any]:
    """Every file below `path` by name, with what it holds; records without their time, and the lock, which holds nothing, left out."""
    seen: dict[str, t.Any] = {}
    for one in sorted(path.rglob("*")):
        name = str(one.relative_to(path))
        if name == ".surefoot/lock" and not times:
            continue
        status = one.lstat()
        content: t.Any = one.readlink() if one.is_symlink() else None if one.is_dir() else one.read_bytes()
        if one.parent.name == "artifacts" and not times:
            with contextlib.suppress(ValueError):
                content = {key: value for key, value in json.loads(content).items() if key != "staged_at"}
        seen[name] = (oct(status.st_mode), content, (status.st_mtime_ns, status.st_ctime_ns) if times else None)
    return seen
