# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request over HTTP, with Python's own library: a host takes five times as long to load Ansible's."""

from __future__ import annotations

import base64
import http.client
import ssl
import typing as t
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

PROBLEMS = (OSError, http.client.HTTPException, ValueError)
"""What a request that gets no answer raises, or the reading of one that is cut off."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: t.Any) -> None:
        return None


def request(
    url: str,
    *,
    timeout: float,
    headers: t.Mapping[str, t.Any],
    method: str = "GET",
    body: str | None = None,
    validate_certs: bool = True,
    follow_redirects: bool = False,
) -> t.Any:
    """Any answer as a response with C(code), C(headers) and C(read1), whatever its status; `timeout` is in seconds, for each thing the server has to do.

    No proxy is used: what is asked is this service itself. A user and password in the URL become a header. Raises one of `PROBLEMS` for no answer.
    """
    address, credentials = _without_credentials(url)
    told = {"User-Agent": "surefoot", "Cache-Control": "no-cache", **{str(name): str(value) for name, value in headers.items()}}
    asked = urllib.request.Request(address, data=None if body is None else body.encode(), headers=told, method=method.upper())  # noqa: S310  # whoever calls this has seen to the scheme
    if credentials and not asked.has_header("Authorization"):
        asked.add_unredirected_header("Authorization", credentials)
    handlers: list[t.Any] = [urllib.request.ProxyHandler({})]
    if follow_redirects or asked.type == "https":
        handlers.append(urllib.request.HTTPSHandler(context=_context(validate_certs)))
    if not follow_redirects:
        handlers.append(_NoRedirect())
    try:
        return urllib.request.build_opener(*handlers).open(asked, timeout=timeout)
    except urllib.error.HTTPError as answer:
        return answer


def _context(validate_certs: bool) -> ssl.SSLContext:
    # Made only where it is needed: loading the certificates takes as long as asking.
    context = ssl.create_default_context()
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _without_credentials(url: str) -> tuple[str, str | None]:
    parts = urlsplit(url)
    user, at, address = parts.netloc.rpartition("@")
    if not at:
        return url, None
    return urlunsplit(parts._replace(netloc=address)), "Basic " + base64.b64encode(unquote(user).encode()).decode()
