"""Saved plans as files: JSON with a format, the digest, and the plan. What is read was written by anybody, and is checked like it."""

from __future__ import annotations

import json
import typing as t

from pydantic import ValidationError

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.files import write_atomically
from surefoot.document import printable, read_beginning
from surefoot.saved_plan import SavedPlan

if t.TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
LARGEST = 32 * 1024 * 1024
"""A plan holds the surveys of all hosts, with their receipts."""

_AGAIN = "make it anew: surefoot plan --out"


def save(plan: SavedPlan, path: Path) -> None:
    """Write the plan to `path`, whole or not at all. Raises InvalidInput where it cannot be written, or is larger than can be read again."""
    content = json.dumps({"format": FORMAT, "digest": plan.digest, **plan.model_dump()}, indent=1).encode() + b"\n"
    if len(content) > LARGEST:
        raise InvalidInput("The plan is too large for a file", seen=f"{len(content)} bytes", todo="save plans of parts of the fleet with --limit")
    try:
        write_atomically(str(path), content)
    except OSError as error:
        raise InvalidInput(f"The plan cannot be written to {printable(str(path), most=1000)}", seen=error.strerror, todo="check the folder") from error


def load(path: Path) -> SavedPlan:
    """The plan in the file at `path`. Raises InvalidInput for what is no plan, and Refused for a plan that was edited."""
    shown = printable(str(path), most=1000)
    return parse(read_beginning(path, LARGEST + 1, name=shown), name=shown)


def parse(content: bytes, *, name: str) -> SavedPlan:
    """The plan in `content`. Raises as `load` does."""
    if len(content) > LARGEST:
        raise InvalidInput(f"{name} is larger than {LARGEST // 1024 // 1024} MiB", todo=_AGAIN)
    try:
        data = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is not a saved plan: it is not JSON", seen=printable(str(error)), todo=_AGAIN) from error
    if not isinstance(data, dict) or "format" not in data or "digest" not in data:
        raise InvalidInput(f"{name} is not a saved plan", todo=_AGAIN)
    if data["format"] != FORMAT:
        raise InvalidInput(f"Another version of surefoot saved {name}", seen=f"format {printable(str(data['format']))}, known {FORMAT}", todo=_AGAIN)
    digest = data["digest"]
    try:
        plan = SavedPlan.model_validate({key: value for key, value in data.items() if key not in {"format", "digest"}})
        found, releases = plan.digest, plan.releases
    except (ValidationError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is not a saved plan", seen=_where(error), todo=_AGAIN) from error
    if not releases:
        raise InvalidInput(f"{name} is not a saved plan", seen="no release in it", todo=_AGAIN)
    if found != digest:
        raise Refused(
            f"{name} was edited after it was saved", seen=f"its digest says {printable(str(digest), most=20)}, its content {found[:19]}…", todo=_AGAIN
        )
    return plan


def _once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(constant: str) -> t.NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _where(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return printable(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}")
    return printable(f"{type(error).__name__}: {error}")
