# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a service over HTTP how it is and what it runs."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

OPTIONS: dict[str, t.Any] = dict(
    health_url=dict(type="str"),
    health_status=dict(type="int", default=200),
    health_timeout=dict(type="float", default=60),
    health_interval=dict(type="float", default=0.2),
    health_headers=dict(type="dict", default={}),
    health_validate_certs=dict(type="bool", default=True),
)

ATTEMPT_SECONDS = 5.0
_BODY_LIMIT = 64 * 1024
_SECRET_HEADER = re.compile(r"authorization|cookie|token|key|secret|password", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer, or why there was none.

    `status` is None without an answer; `problem` then says why, and `refused` is True where nobody listens at all.
    """

    url: str
    status: int | None
    body: bytes = b""
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    problem: str | None = None
    refused: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the status is one that a balancer counts as well (200 to 299)."""
        return self.status is not None and 200 <= self.status < 300

    def __str__(self) -> str:
        if self.status is None:
            return "%s gave no answer (%s)" % (without_password(self.url), self.problem)
        text = self.body[:200].decode("utf-8", "replace").strip()
        return "%s answered %d%s" % (without_password(self.url), self.status, " %r" % text if text else "")


def load() -> None:
    """Load what `ask` needs, which takes a host about as long as the rest of a module; surveys and drains rarely ask anything."""
    from ansible_collections.surefoot.release.plugins.module_utils import web  # noqa: F401


def ask(params: t.Mapping[str, t.Any], url: str, *, timeout: float = ATTEMPT_SECONDS) -> Answer:
    """One GET of `url`, done within about `timeout` seconds, with the headers and certificate check that `params` (the health options) say.

    Redirects are answers, not instructions, and no proxy is used: what is asked is this service itself. Raises InvalidInput for what is no URL.
    """
    # Imported here for the reason that `load` names.
    from ansible_collections.surefoot.release.plugins.module_utils import web

    require_url(url)
    timeout = max(timeout, 0.1)
    deadline = time.monotonic() + timeout
    try:
        response = web.request(url, timeout=timeout, headers=params["health_headers"] or {}, validate_certs=params["health_validate_certs"])
    except web.PROBLEMS as error:
        return _no_answer(url, error)
    try:
        with response:
            body, _whole = read_body(response, _BODY_LIMIT, deadline)
            return Answer(url, response.code, body, {name.lower(): value for name, value in response.headers.items()})
    except web.PROBLEMS as error:
        return _no_answer(url, error)


def refuses(url: str, *, timeout: float) -> bool:
    """Whether nobody listens where `url` leads. Nothing is asked, so it costs next to nothing."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), timeout).close()
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError):
        return False
    return False


def version_in(answer: Answer, *, key: str | None, header: str | None) -> str | None:
    """The version an answer names: in a header, or under a key of a JSON object (dots reach into nested objects); None where it names none.

    The status does not matter: a member that answers 503 because it is drained still says what it runs.
    """
    if header:
        return answer.headers.get(header.lower())
    found = number_or_text_in(answer, key or "version")
    return None if found is None else str(found)


def number_or_text_in(answer: Answer, key: str) -> t.Any:
    """What stands under `key` (dots reach into nested objects) of the JSON object in an answer; None where it is not there."""
    try:
        found = json.loads(answer.body.decode("utf-8"))
    except ValueError:
        return None
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def secrets_in(params: t.Mapping[str, t.Any]) -> set[str]:
    """Values of the health options that must not show up in output: passwords in URLs, and headers that by their name carry a credential."""
    secret = secret_headers(params.get("health_headers") or {})
    urls = [value for name, value in params.items() if name.endswith("_url") and value]
    secret |= {password for password in (urlsplit(url).password for url in urls) if password}
    nested = [one for value in params.values() if isinstance(value, list) for one in value if isinstance(one, dict)]
    secret |= {value for one in nested for value in secrets_in(one)}
    return {value for value in secret if value}


def secret_headers(headers: t.Mapping[str, t.Any]) -> set[str]:
    """The values of those headers that by their name carry a credential."""
    return {str(value) for name, value in headers.items() if _SECRET_HEADER.search(str(name))}


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"//[^/@]*@", "//", url)


def read_body(response: t.Any, limit: int, deadline: float) -> tuple[bytes, bool]:
    """At most `limit` bytes of the body, and whether no more were to come before the deadline, which a server that sends drop by drop does not outlast."""
    body = b""
    while len(body) < limit:
        chunk = response.read1(limit - len(body))
        body += chunk
        if not chunk:
            break
        if time.monotonic() > deadline:
            return body, False
    return body, True


def _no_answer(url: str, error: Exception) -> Answer:
    reason = getattr(error, "reason", error)
    return Answer(url, None, problem=str(reason) or type(error).__name__, refused=isinstance(reason, ConnectionRefusedError))


def require_url(url: str) -> None:
    """Raise InvalidInput for what is no HTTP address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInput("%r is not a URL that can be asked" % without_password(url), todo="give an http:// or https:// URL with a host")
