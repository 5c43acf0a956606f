# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a member out of its pool without losing a request, and putting it back only when it can serve."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import health
from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.pool.member import Member, Standing, open_member
from ansible_collections.surefoot.release.plugins.module_utils.step import Step
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll


def perform(params: t.Mapping[str, t.Any], *, check_mode: bool, run: Run, warn: t.Callable[[str], None]) -> Step:
    """Bring the member to `state` and wait until that is what users see. Raises InvalidInput or Refused before anything was touched, StepFailed after."""
    if params["timeout"] <= 0 or params["interval"] <= 0 or params["settle"] < 0:
        raise InvalidInput("timeout and interval must be greater than 0, and settle not less")
    if params["health_url"] and params["health_url"] == params["observe_url"] and 200 <= params["health_status"] < 300:
        raise InvalidInput(
            "health_url and observe_url are the same, so a drained member would never count as healthy",
            seen=health.without_password(params["health_url"]),
            todo="name a health_url that tells of the service itself, whether it is drained or not",
        )
    member = open_member(params, run)
    seen = member.look()
    if params["backend"] == "none":
        return _step(False, "there is no pool", seen.state, seen.state)
    drain = params["state"] == "drained"
    if not drain and seen.state != "in_pool" and not seen.ours:
        warn("This member stays out of its pool, because somebody else took it out: %s" % seen.detail)
        return _step(False, "left drained: somebody else took it out (%s)" % seen.detail, seen.state, seen.state)
    needed = seen.state != params["state"]
    what = ("drain" if drain else "restore") + " needed" if needed else "nothing to do"
    reason = "%s: it is %s (%s)" % (what, seen.state.replace("_", " the "), seen.detail)
    if check_mode:
        return _step(needed, reason, seen.state, params["state"])
    impact = (_drain if drain else _restore)(params, member, seen)
    return _step(needed, reason, seen.state, params["state"], impact)


def _step(needed: bool, reason: str, before: str, after: str, impact: t.Mapping[str, t.Any] | None = None) -> Step:
    undo = dict(state=before) if before != after and before != "unknown" else None
    return Step("pool_member", needed, reason, dict(state=before), dict(state=after), impact or {}, undo)


def _drain(params: t.Mapping[str, t.Any], member: Member, seen: Standing) -> dict[str, t.Any]:
    """Also a member that is drained already is waited for: the run that drained it may have been killed while it waited."""
    began = time.monotonic()
    fresh = seen.state != "drained"
    if fresh:
        member.drain()
        seen = _require(params, member)
    _await_notice(params, accepted=False)
    _settle(params, seen, fresh=fresh)
    left = _await_quiet(params, member)
    return dict(wait_ms=int((time.monotonic() - began) * 1000), open_requests=left)


def _restore(params: t.Mapping[str, t.Any], member: Member, seen: Standing) -> dict[str, t.Any]:
    if seen.state != "in_pool":
        _require_health(params)
        _require_up(params, member)
        member.restore()
        _require(params, member)
    _await_notice(params, accepted=True)
    return {}


def _require(params: t.Mapping[str, t.Any], member: Member) -> Standing:
    """The standing after an order; where the pool tells, it must be the one that was ordered."""
    blind = params["backend"] == "command"
    seen, there = poll(member.look, lambda seen: seen.state == params["state"] or (blind and seen.state == "unknown"), **_pace(params))
    if not there:
        raise StepFailed("The pool was told, and the member is still not %s" % params["state"], seen=seen.detail, todo="look at the pool, then run this again")
    return seen


def _await_notice(params: t.Mapping[str, t.Any], *, accepted: bool) -> None:
    if not params["observe_url"]:
        return
    answer, noticed = poll(lambda: health.ask(params, params["observe_url"]), lambda answer: answer.accepted == accepted, **_pace(params))
    if noticed:
        return
    if accepted:
        raise StepFailed("The member was put back, and the balancer still gets no good answer from it", seen=str(answer), todo="read the log of the service")
    raise StepFailed(
        "The member was drained, and still answers as if it were not",
        seen=str(answer),
        todo="make the application answer 503 there while it is drained; it is left drained, state=in_pool puts it back",
    )


def _settle(params: t.Mapping[str, t.Any], seen: Standing, *, fresh: bool) -> None:
    """The time that balancers take to notice, less what has passed already where a killed run drained the member long ago."""
    left = params["settle"]
    if not fresh and seen.since is not None:
        left = max(0.0, min(left, left - (time.time() - seen.since)))
    if left:
        time.sleep(left)


def _await_quiet(params: t.Mapping[str, t.Any], member: Member) -> int | None:
    """How many requests are still open when the wait is over; None where nothing tells."""
    (number, seen), quiet = poll(lambda: _open_requests(params, member), lambda found: found[0] == 0 or found == (None, None), **_pace(params))
    if quiet or params["on_timeout"] == "proceed":
        return number
    raise StepFailed(
        "The member still had open requests after %g s of draining" % params["timeout"],
        seen=seen,
        todo="it is left drained; run this again, allow a longer timeout, set on_timeout=proceed, or put it back with state=in_pool",
    )


def _open_requests(params: t.Mapping[str, t.Any], member: Member) -> tuple[int | None, str | None]:
    """The number of open requests and where it was seen; a second None where nothing tells."""
    if not params["connections_url"]:
        seen = member.look()
        return seen.open, None if seen.open is None else "%d open, %s" % (seen.open, seen.detail)
    answer = health.ask(params, params["connections_url"])
    if answer.refused:
        return 0, str(answer)
    number = health.number_or_text_in(answer, params["connections_key"]) if answer.accepted else None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return None, "%s, no number under %s" % (answer, params["connections_key"])
    return max(0, int(number) - params["connections_idle"]), str(answer)


def _require_health(params: t.Mapping[str, t.Any]) -> None:
    if not params["health_url"]:
        return
    answer, healthy = poll(lambda: health.ask(params, params["health_url"]), lambda answer: answer.status == params["health_status"], **_pace(params))
    if not healthy:
        raise Refused(
            "The member is not put back, because it is not healthy", seen=str(answer), todo="it is left drained; read the log of the service, run this again"
        )


def _require_up(params: t.Mapping[str, t.Any], member: Member) -> None:
    """Where the balancer itself checks its members also while they are drained, it must find this one healthy first."""
    seen, up = poll(member.look, lambda seen: seen.up is not False, **_pace(params))
    if not up:
        raise Refused("The member is not put back, because its balancer does not find it healthy", seen=seen.detail, todo="it is left drained; run this again")


def _pace(params: t.Mapping[str, t.Any]) -> dict[str, float]:
    return dict(timeout=params["timeout"], interval=params["interval"])
