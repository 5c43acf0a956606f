# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a flagd provider finds its flags: read strictly, replaced whole, and kept as its other owners wrote it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import re
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy, InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.files import write_atomically

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
LOCK_WAIT = 30.0
LOCK_POLL = 0.02


@dataclasses.dataclass(frozen=True)
class FlagFile:
    """A flag file as it was read. `path` is the file itself, links resolved; `modified` (seconds since the epoch) is None where there is no file yet.

    `indent` and `ascii_only` are how its other owners write it.
    """

    path: str
    document: t.Mapping[str, t.Any]
    modified: float | None
    indent: int | str | None = 2
    ascii_only: bool = False

    def flag(self, name: str) -> t.Any:
        """The body of the flag `name`, None where there is none."""
        return self.document.get("flags", {}).get(name)

    def with_flag(self, name: str, body: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
        """The document with this flag replaced, added at the end, or for None taken out; all else as it was."""
        flags = dict(self.document.get("flags", {}))
        if body is None:
            flags.pop(name, None)
        else:
            flags[name] = body
        return dict(self.document, flags=flags)


def read(path: str) -> FlagFile:
    """Read the flag file at `path`; one that is not there yet has no flags.

    Raises InvalidInput for a file that is not meant to be JSON, and Refused for one that does not hold what flagd expects.
    """
    if path.endswith((".yaml", ".yml")):
        raise InvalidInput("Flag files are written as JSON only", seen=path, todo="give the providers a .json file")
    real = os.path.realpath(path)
    try:
        with open(real, "rb") as stream:
            modified = os.fstat(stream.fileno()).st_mtime
            text = stream.read().decode("utf-8")
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(real)):
            raise Refused("The directory of the flag file does not exist", seen=os.path.dirname(real), todo="correct path, or create the directory") from None
        return FlagFile(real, {"$schema": SCHEMA, "flags": {}}, None)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("The flag file cannot be read", seen=str(error), todo="look at %s" % real) from None
    return FlagFile(real, _parse(text, real), modified, _indent(text), text.isascii())


def write(file: FlagFile, document: t.Mapping[str, t.Any]) -> None:
    """Replace the file by `document`. Its modification time grows by a second at least, because providers look again only when it grew."""
    layout: dict[str, t.Any] = dict(indent=file.indent, allow_nan=False)
    try:
        content = (json.dumps(document, ensure_ascii=file.ascii_only, **layout) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
        content = (json.dumps(document, ensure_ascii=True, **layout) + "\n").encode("utf-8")
    try:
        write_atomically(file.path, content, newer_than=file.modified)
    except OSError as error:
        raise StepFailed(
            "The flag file could not be replaced", seen=str(error), todo="let the user of this task write to %s" % os.path.dirname(file.path)
        ) from None


@contextlib.contextmanager
def locked(path: str, wait: float = LOCK_WAIT) -> t.Iterator[None]:
    """Hold the flag file against other runs of ours for the time of the block; the lock is a neighbor file, because the flag file itself is replaced.

    Raises Busy when another run still holds it after `wait` seconds.
    """
    real = os.path.realpath(path)
    lock = os.path.join(os.path.dirname(real), ".%s.lock" % os.path.basename(real))
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StepFailed("The flag file could not be locked", seen=str(error), todo="let the user of this task write to %s" % os.path.dirname(real)) from None
    try:
        _acquire(descriptor, lock, wait)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, lock: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise StepFailed("The flag file could not be locked", seen=str(error), todo="look at %s" % lock) from None
            if time.monotonic() >= deadline:
                raise Busy("Another run still holds the flag file after %g s" % wait, seen=lock, todo="let it end, then run this step again") from None
            time.sleep(LOCK_POLL)
        else:
            return


def _parse(text: str, path: str) -> dict[str, t.Any]:
    try:
        document = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Refused(
            "The flag file is not valid JSON", seen="%s: %s" % (path, error), todo="repair it; providers still use the last content they could read"
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("flags", {}), dict):
        raise Refused("The flag file holds no mapping of flags", seen=path, todo='give it the form {"flags": {…}}')
    return document


def _without_doubles(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise ValueError("the key %s is there twice" % json.dumps(next(name for name in names if names.count(name) > 1)))
    return found


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError("%s is no JSON number" % name)


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise ValueError("%s is too large a number" % number)
    return value


def _indent(text: str) -> int | str | None:
    """The indentation of the first line that has one; None for a file of one line."""
    found = re.search(r"\n([ \t]+)\S", text)
    if found is None:
        return None if len(text.splitlines()) <= 1 else 0
    return found.group(1)
