# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an installation, and what is asked for once they are checked."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = dict(
    path=dict(type="path", required=True),
    version=dict(type="str", required=True),
    state=dict(type="str", choices=["staged", "live"], default="live"),
    src=dict(type="str"),
    sha256=dict(type="str"),
    shared=dict(type="list", elements="str", default=[]),
    keep=dict(type="int", default=5),
    verified=dict(type="list", elements="str"),
    prepare=dict(type="list", elements="list", default=[]),
    # One JSON text instead of a mapping: no_log blanks every value of a mapping wherever it turns up, a plain version or path among them.
    environment=dict(type="json", no_log=True),
    check_first=dict(type="bool", default=True),
    uploaded=dict(type="path"),
    content=dict(type="str", no_log=True),
)

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"(https?|file)://(?P<authority>[^/?#]*)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What an installation asks for. `path` is absolute, `sha256` is 64 lower-case hex digits, `keep` counts releases."""

    path: str
    version: str
    live: bool
    src: str | None = None
    sha256: str | None = None
    shared: tuple[str, ...] = ()
    keep: int = 5
    verified: frozenset[str] | None = None
    prepare: tuple[tuple[str, ...], ...] = ()
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    uploaded: str | None = None
    content: str | bytes | None = None

    @property
    def url(self) -> str | None:
        """The address this host downloads the artifact from, if that is how it comes."""
        return self.src if is_url(self.src) else None

    @property
    def delivered(self) -> bool:
        """Whether this host can get at the artifact in this very run."""
        return bool(self.url or self.uploaded or self.content)


def parse(params: t.Mapping[str, t.Any]) -> Wanted:
    """Check the options of the module; raises `InvalidInput`."""
    if params["keep"] < 0:
        raise InvalidInput("The number of releases to keep cannot be negative", seen=params["keep"])
    return Wanted(
        path=install_path(params["path"]),
        version=_version(params["version"]),
        live=params["state"] == "live",
        src=_source(params.get("src") or None),
        sha256=checksum(params.get("sha256")),
        shared=tuple(_shared(entry) for entry in params["shared"]),
        keep=params["keep"],
        verified=None if params.get("verified") is None else frozenset(params["verified"]),
        prepare=tuple(_command(argv) for argv in params["prepare"]),
        environment=_environment(params.get("environment")),
        uploaded=params.get("uploaded"),
        content=params.get("content"),
    )


def only_live(path: str, version: str) -> Wanted:
    """What making a staged version live asks for; raises `InvalidInput`."""
    return Wanted(path=install_path(path), version=_version(version), live=True)


def install_path(path: str) -> str:
    """The install path in its plain form; raises `InvalidInput` unless it is absolute."""
    if not os.path.isabs(path) or os.path.normpath(path).strip("/") == "":
        raise InvalidInput("The install path must be absolute and not the root directory", seen=path)
    return os.path.normpath(path)


def checksum(value: str | None) -> str | None:
    """The digest in `value`, which may be a whole line of C(sha256sum); raises `InvalidInput` if there is none."""
    if value is None or not value.strip():
        return None
    digest = value.split()[0].lower()
    if not _SHA256.fullmatch(digest):
        raise InvalidInput("This is no SHA-256 checksum", seen=value[:80], todo="give the 64 hexadecimal digits that sha256sum prints")
    return digest


def is_url(src: str | None) -> bool:
    """Whether `src` is fetched by the host itself."""
    return bool(src and _URL.match(src))


def _version(version: str) -> str:
    if not VERSION.fullmatch(version):
        raise InvalidInput(
            "A version begins with a letter or digit and holds letters, digits and . _ + - only, at most 128 of them",
            seen=version[:160],
            todo="name the version so that it can be a directory name on any host",
        )
    return version


def _source(src: str | None) -> str | None:
    url = _URL.match(src) if src else None
    if url and "@" in url["authority"]:
        raise InvalidInput(
            "A user or password in an artifact's address would end up in logs and results",
            todo="put them into ~/.netrc of the user who runs this on the host",
        )
    return src


def _shared(entry: str) -> str:
    parts = entry.rstrip("/").split("/")
    if not entry.strip("/") or entry.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in entry:
        raise InvalidInput("A shared path must be relative and stay inside the release", seen=entry)
    return entry


def _command(argv: t.Sequence[t.Any]) -> tuple[str, ...]:
    command = tuple(str(word) for word in argv)
    if not command or not command[0]:
        raise InvalidInput("A prepare command is a list of words, the program first", seen=argv)
    return command


def _environment(value: str | None) -> dict[str, str]:
    try:
        environment = json.loads(value) if value else {}
    except ValueError:
        environment = None
    if not isinstance(environment, dict) or any(isinstance(held, (dict, list)) for held in environment.values()):
        raise InvalidInput("The environment must be a mapping of names to plain values")
    return {name: str(held) for name, held in environment.items() if held is not None}
