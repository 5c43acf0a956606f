# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the migrate step can be told, checked once and turned into `Settings`."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
import urllib.parse

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, SurefootError

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = dict(
    engine=dict(type="str", required=True, choices=["sql", "alembic"]),
    path=dict(type="path", required=True),
    directory=dict(type="str", default="migrations"),
    url=dict(type="str", required=True, no_log=True),
    to=dict(type="str"),
    state=dict(type="str", default="migrated", choices=["migrated", "reverted"]),
    reversible_only=dict(type="bool", default=False),
    virtualenv=dict(type="path"),
    python=dict(type="path"),
    config=dict(type="str", default="alembic.ini"),
    environment=dict(type="dict", default={}, no_log=True),
    lock_wait=dict(type="int", default=60),
    lock_timeout=dict(type="str", default="2s"),
    statement_timeout=dict(type="str"),
)

MASK = "********"
# A shorter value of the environment ("1", "prod") is not taken for a secret: blanking it would blank parts of ids and sentences.
SECRET_LENGTH = 8
_MILLISECONDS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options of one migrate step.

    `path` is the absolute directory of the release, `python` the interpreter of the application (alembic only). `lock_wait` is in seconds,
    `lock_timeout` and `statement_timeout` are in milliseconds (None: no limit). `secrets` must not appear in anything a person or a log sees.
    """

    engine: str
    path: str
    directory: str
    url: str
    to: str | None
    state: str
    reversible_only: bool
    python: str | None
    config: str
    environment: t.Mapping[str, str]
    lock_wait: int
    lock_timeout: int
    statement_timeout: int | None
    secrets: tuple[str, ...]


def settings(params: t.Mapping[str, t.Any]) -> Settings:
    """Module parameters, already of the types in ARGUMENT_SPEC, as `Settings`. Raises InvalidInput."""
    if params["state"] == "reverted" and not params["to"]:
        raise InvalidInput("Going back needs to know how far", todo='give "to": the id to return to, or "base" for an empty database')
    if not os.path.isabs(params["path"]):
        raise InvalidInput("The path of the release must be absolute", seen=params["path"])
    if params["lock_wait"] < 0:
        raise InvalidInput("The time to wait for the lock cannot be negative", seen=params["lock_wait"])
    environment = {str(name): str(value) for name, value in params["environment"].items()}
    return Settings(
        engine=params["engine"],
        path=params["path"],
        directory=_inside("directory", params["directory"]),
        url=params["url"],
        to=params["to"] or None,
        state=params["state"],
        reversible_only=params["reversible_only"],
        python=_python(params),
        config=_inside("config", params["config"]),
        environment=environment,
        lock_wait=params["lock_wait"],
        lock_timeout=milliseconds("lock_timeout", params["lock_timeout"]),
        statement_timeout=None if params["statement_timeout"] is None else milliseconds("statement_timeout", params["statement_timeout"]),
        secrets=_secrets(params["url"], environment),
    )


def milliseconds(option: str, text: str) -> int:
    """A duration such as V(500ms), V(2s), V(1min) or V(1h) in milliseconds. Raises InvalidInput."""
    match = re.match(r"(\d{1,9})(ms|s|min|h)\Z", text)
    if not match:
        raise InvalidInput("The option %s is not a duration" % option, seen=text, todo="write a whole number and ms, s, min or h, for example 2s")
    return int(match.group(1)) * _MILLISECONDS[match.group(2)]


def redact(text: str, secrets: t.Iterable[str]) -> str:
    """`text` without any of `secrets` and without the password of any URL in it."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return re.sub(r"(://[^:/@\s]*):[^@/\s]+@", r"\1:%s@" % MASK, text)


def redacted(error: SurefootError, secrets: t.Iterable[str]) -> SurefootError:
    """The same error, fit to be shown."""

    def clean(value: t.Any) -> t.Any:
        if isinstance(value, str):
            return redact(value, secrets)
        if isinstance(value, (list, tuple)):
            return [clean(item) for item in value]
        return value

    return type(error)(clean(error.message), seen=clean(error.seen), todo=clean(error.todo))


def _python(params: t.Mapping[str, t.Any]) -> str | None:
    if params["engine"] != "alembic":
        return None
    if bool(params["virtualenv"]) == bool(params["python"]):
        raise InvalidInput("The engine alembic runs in the application's own Python", todo="give one of virtualenv and python")
    # Joining keeps an absolute path as it is: only a virtualenv inside the release is relative.
    return os.path.join(params["path"], params["python"] or os.path.join(params["virtualenv"], "bin", "python"))


def _inside(option: str, value: str) -> str:
    if not value or os.path.isabs(value) or ".." in value.split("/"):
        raise InvalidInput("The option %s must be a path inside the release" % option, seen=value)
    return value


def _secrets(url: str, environment: t.Mapping[str, str]) -> tuple[str, ...]:
    found = {url} | {value for value in environment.values() if len(value) >= SECRET_LENGTH}
    match = re.match(r"[^:]+://[^:/@]*:(?P<password>.*)@", url)
    if match and match.group("password"):
        found |= {match.group("password"), urllib.parse.unquote(match.group("password"))}
    # The longest first, so that a secret inside a longer one does not leave the rest of it standing.
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))
