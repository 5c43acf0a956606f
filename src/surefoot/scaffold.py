"""The files that `surefoot init` writes."""

from __future__ import annotations

import pathlib
import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

TEMPLATES = pathlib.Path(__file__).parent / "templates"


def write_project(directory: pathlib.Path, app: str | None) -> t.Iterator[tuple[pathlib.Path, bool]]:
    """Write the files of a new project below `directory`, each with whether it was written or was there already. Raises InvalidInput."""
    name = app or re.sub(r"[^a-z0-9._-]+", "-", directory.resolve().name.lower()).strip("-._")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name):
        raise InvalidInput(
            "An application's name is lower-case letters, digits, dots, dashes and underscores",
            seen=repr(app or directory.resolve().name),
            todo="name it with --app",
        )
    for template in sorted(TEMPLATES.rglob("*.yml")):
        path = directory / template.relative_to(TEMPLATES)
        if path.exists():
            yield path, False
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.read_text().replace("APPLICATION", name))
        yield path, True
