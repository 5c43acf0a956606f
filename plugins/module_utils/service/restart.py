# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart step: only where the service does not run what is live, and done only when it is healthy."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import open_manager
from ansible_collections.surefoot.release.plugins.module_utils.service.process import home_of
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import Observation, asks_version, judge, observe
from ansible_collections.surefoot.release.plugins.module_utils.service.watch import require_silence, until_healthy, whereabouts
from ansible_collections.surefoot.release.plugins.module_utils.step import Step


def perform(params: t.Mapping[str, t.Any], *, check_mode: bool, run: Run) -> Step:
    """Survey, restart where needed, and in any case wait until the service is healthy: a run that was killed may have left it half started.

    Raises InvalidInput or Refused before anything was touched, StepFailed after.
    """
    _require_questions(params)
    manager = open_manager(params, run)
    seen = observe(params, manager)
    _require_ground(params, seen, check_mode=check_mode)
    needed, reason = _decide(params, seen, check_mode=check_mode)
    before = _state(seen)
    if check_mode:
        after = dict(before, running=True, version=_to_come(seen, params), started_at=None) if needed else before
        return Step(
            "restart", needed, reason, before, after, dict(unavailable_ms=None if needed else 0, drained=params["member_drained"]), {} if needed else None
        )

    stopped_at = time.monotonic()
    try:
        if needed:
            manager.restart(lambda: require_silence(params))
        healthy = until_healthy(manager, params, expected=seen.expected)
    except Refused as error:
        raise StepFailed(error.message, seen=error.seen, todo="%s; %s" % (error.todo, whereabouts(params))) from error
    unavailable = int((healthy.since - stopped_at) * 1000) if needed else 0
    after = before
    if needed:
        process = healthy.status.process
        version = _require_home(params, seen, process.pid if process else None) or healthy.version
        after = dict(running=True, version=version, started_at=process.started_at if process else None)
    return Step("restart", needed, reason, before, after, dict(unavailable_ms=unavailable, drained=params["member_drained"]), {} if needed else None)


def _decide(params: t.Mapping[str, t.Any], seen: Observation, *, check_mode: bool) -> tuple[bool, str]:
    stale, why = judge(seen, now=time.time())
    if stale or not seen.status.running:
        return True, "restart needed: %s" % why
    if params["force"]:
        return True, "restart forced: %s" % why
    if check_mode and seen.live and (params["expect_version"] or seen.live.version) != seen.live.version:
        # The install before this step only said what it would do; the restart after it would follow.
        return True, "restart needed: %s is live now, %s would be" % (seen.live.version, params["expect_version"])
    return False, "no restart needed: %s" % why


def _require_questions(params: t.Mapping[str, t.Any]) -> None:
    if asks_version(params) and not (params["version_url"] or params["health_url"]):
        raise InvalidInput("A version_key or version_header needs a URL to ask", todo="give version_url or health_url")
    for name in ("health_timeout", "health_interval", "stop_timeout"):
        if params[name] <= 0:
            raise InvalidInput("%s must be greater than 0, not %g" % (name, params[name]))


def _require_ground(params: t.Mapping[str, t.Any], seen: Observation, *, check_mode: bool) -> None:
    name, manager = params["service"], params["manager"]
    if seen.status.phase == "unknown":
        raise Refused("%s knows no service %s" % (manager, name), seen=seen.status.detail, todo="create the service first, or correct its name")
    if params["path"] and seen.live is None and not check_mode:
        raise Refused("Nothing is live below %s" % params["path"], seen="no link named current", todo="install a version first")


def _state(seen: Observation) -> dict[str, t.Any]:
    process = seen.status.process
    return dict(running=seen.status.running, version=seen.version, started_at=process.started_at if process else None)


def _to_come(seen: Observation, params: t.Mapping[str, t.Any]) -> str | None:
    return params["expect_version"] or (seen.live.version if seen.live else None)


def _require_home(params: t.Mapping[str, t.Any], seen: Observation, pid: int | None) -> str | None:
    """The release the new process runs in, as far as the kernel tells; a service that is nailed to another release would stay stale for ever."""
    home = home_of(pid, params["path"]) if pid and params["path"] else None
    if home is None or seen.live is None:
        return None
    if home.version != seen.live.version or home.deleted:
        raise StepFailed(
            "%s was restarted and still does not run %s" % (params["service"], seen.live.version),
            seen="it runs in %s" % home.directory,
            todo="point the service at %s/current; %s" % (params["path"].rstrip("/"), whereabouts(params)),
        )
    return home.version
