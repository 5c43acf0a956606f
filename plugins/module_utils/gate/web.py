# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that ask an HTTP server, as a user would."""

from __future__ import annotations

import http.client
import socket
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import web
from ansible_collections.surefoot.release.plugins.module_utils.gate.ask import ERROR, FAILED, PASSED, Look, Observation
from ansible_collections.surefoot.release.plugins.module_utils.health import read_body, require_url

OPTIONS: dict[str, t.Any] = dict(
    url=dict(type="str", required=True),
    method=dict(type="str", default="GET"),
    headers=dict(type="dict", default={}),
    body=dict(type="str"),
    expect=dict(type="int", default=200),
    contains=dict(type="str"),
    lacks=dict(type="str"),
    follow_redirects=dict(type="bool", default=False),
    validate_certs=dict(type="bool", default=True),
)
READ_AT_MOST = 1024 * 1024


def http_look(params: t.Mapping[str, t.Any]) -> Look:
    """A look that passes when the URL answers with the expected status and text; no answer at all counts as a failure, as it would for a user.

    Raises InvalidInput for what is no URL.
    """
    require_url(params["url"])

    def look(at_most: float) -> Observation:
        try:
            status, body = _request(params, at_most)
        except web.PROBLEMS as error:
            return _no_answer(error)
        return _judge(params, status, body)

    return look


def _request(params: t.Mapping[str, t.Any], at_most: float) -> tuple[int, str]:
    at_most = max(at_most, 0.1)
    deadline = time.monotonic() + at_most
    response = web.request(
        params["url"],
        method=params["method"],
        headers=params["headers"],
        body=params.get("body"),
        timeout=at_most,
        follow_redirects=params["follow_redirects"],
        validate_certs=params["validate_certs"],
    )
    with response:
        body, whole = read_body(response, READ_AT_MOST, deadline)
    if not whole:
        raise socket.timeout("status %d, but the answer did not end within %g s" % (response.code, at_most))
    return response.code, body.decode("utf-8", "replace")


def _no_answer(error: Exception) -> Observation:
    cause = getattr(error, "reason", error)
    misconfigured = isinstance(cause, (socket.gaierror, http.client.InvalidURL)) or "CERTIFICATE" in str(cause).upper()
    return Observation(ERROR if misconfigured else FAILED, "no answer: %s" % (cause or type(cause).__name__))


def _judge(params: t.Mapping[str, t.Any], status: int, body: str) -> Observation:
    if status != params["expect"]:
        return Observation(FAILED, "status %d instead of %d" % (status, params["expect"]))
    if params.get("contains") and params["contains"] not in body:
        return Observation(FAILED, "status %d, but the answer lacks %r" % (status, params["contains"]))
    if params.get("lacks") and params["lacks"] in body:
        return Observation(FAILED, "status %d, but the answer contains %r" % (status, params["lacks"]))
    return Observation(PASSED, "status %d" % status)
