# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart step: only what does not run what is live, one unit after the other, each done only when it is healthy."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Manager, open_manager
from ansible_collections.surefoot.release.plugins.module_utils.service.options import units_of
from ansible_collections.surefoot.release.plugins.module_utils.service.process import home_of, now_in_ticks
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import Observation, asks_version, judge, observe
from ansible_collections.surefoot.release.plugins.module_utils.service.watch import Healthy, require_silence, until_healthy, until_reloaded, whereabouts
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

Params = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class _Unit:
    """One unit as it was found, and what is to be done about it: C(restart), C(reload) or nothing."""

    params: Params
    manager: Manager
    seen: Observation
    how: str | None
    reason: str

    @property
    def state(self) -> dict[str, t.Any]:
        process = self.seen.status.process
        return dict(running=self.seen.status.running, version=self.seen.version, started_at=process.started_at if process else None)


@dataclasses.dataclass(frozen=True)
class _End:
    """What was done about a unit, or would be in check mode, and what that led to. `healthy` is None in check mode."""

    how: str | None
    reason: str
    after: dict[str, t.Any]
    unavailable_ms: int | None
    healthy: Healthy | None = None


def perform(params: Params, *, check_mode: bool, run: Run) -> Step:
    """Survey every unit, then bring each to what is live, in the declared order, and in any case wait until it is healthy: a run that was killed may have
    left it half started.

    Raises InvalidInput or Refused before anything was touched, StepFailed after.
    """
    units = [_examine(unit, open_manager(unit, run), check_mode=check_mode) for unit in units_of(params)]
    ends = [_foresee(unit) for unit in units] if check_mode else _bring_all(units)
    names = [unit.seen.service for unit in units]
    needed = any(unit.how for unit in units)
    return Step(
        "restart",
        needed,
        "; ".join(end.reason for end in ends),
        _together(params, dict(zip(names, [unit.state for unit in units]))),
        _together(params, dict(zip(names, [end.after for end in ends]))),
        dict(unavailable_ms=ends[names.index(params["service"])].unavailable_ms, drained=params["member_drained"]),
        {} if needed else None,
    )


def _together(params: Params, states: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
    service = states.pop(params["service"])
    return dict(service, others=states) if states else service


def _examine(params: Params, manager: Manager, *, check_mode: bool) -> _Unit:
    _require_questions(params)
    seen = observe(params, manager)
    _require_ground(params, seen, check_mode=check_mode)
    how, reason = _decide(params, seen, check_mode=check_mode)
    return _Unit(params, manager, seen, how, reason)


def _decide(params: Params, seen: Observation, *, check_mode: bool) -> tuple[str | None, str]:
    stale, why = judge(seen, now=time.time())
    how = _way(params["method"], seen)
    if stale or not seen.status.running:
        return how, "%s needed: %s" % (how, why)
    if params["force"]:
        return how, "%s forced: %s" % (how, why)
    if check_mode and seen.live and (params["expect_version"] or seen.live.version) != seen.live.version:
        # The install before this step only said what it would do; the restart after it would follow.
        return how, "%s needed: %s is live now, %s would be" % (how, seen.live.version, params["expect_version"])
    return None, "no restart needed: %s" % why


def _way(method: str, seen: Observation) -> str:
    if method == "restart" or not seen.status.running:
        return "restart"
    # What does not even say its version is not well, and is better off with a process that is new.
    return "restart" if method == "auto" and (seen.workers is None or not seen.answered) else "reload"


def _foresee(unit: _Unit) -> _End:
    if not unit.how:
        return _End(None, unit.reason, unit.state, 0)
    version = unit.params["expect_version"] or (unit.seen.live.version if unit.seen.live else None)
    after = dict(unit.state, version=version, reloaded=True) if unit.how == "reload" else dict(running=True, version=version, started_at=None)
    return _End(unit.how, unit.reason, after, None)


def _bring_all(units: t.Sequence[_Unit]) -> list[_End]:
    ends: list[_End] = []
    for position, unit in enumerate(units):
        with _begun(unit, units[position + 1 :]):
            ends.append(_bring(_look_again(unit) if any(end.how for end in ends) else unit))
    # The first may have died while the last was waited for, or the manager has taken it along with another.
    for position, unit in enumerate(units[:-1]):
        with _begun(unit, ()):
            ends[position] = _still_healthy(unit, ends[position])
    return ends


@contextlib.contextmanager
def _begun(unit: _Unit, later: t.Sequence[_Unit]) -> t.Iterator[None]:
    """From here on a refusal is a failure too. It says where users are, and which of the `later` units are left as they were."""
    try:
        yield
    except (Refused, StepFailed) as error:
        waiting = ", ".join(one.seen.service for one in later if one.how)
        todo = [error.todo, whereabouts(unit.params) if isinstance(error, Refused) else None, "not touched yet: %s" % waiting if waiting else None]
        raise StepFailed(error.message, seen=error.seen, todo="; ".join(filter(None, todo))) from error


def _look_again(unit: _Unit) -> _Unit:
    """The manager may have restarted a unit along with one before it, and once is enough."""
    seen = observe(unit.params, unit.manager) if unit.how else unit.seen
    taken_along = seen.status.running and seen.status.process != unit.seen.status.process and not judge(seen, now=time.time())[0]
    return dataclasses.replace(unit, how=None) if taken_along else unit


def _bring(unit: _Unit) -> _End:
    params, manager, expected = unit.params, unit.manager, unit.seen.expected
    how, reason = unit.how, unit.reason
    if how == "reload":
        ordered_at = now_in_ticks()
        try:
            manager.reload()
            healthy = until_reloaded(manager, params, expected=expected, since=ordered_at)
            return _End(how, reason, _after(unit, how, healthy), None, healthy)
        except StepFailed as error:
            if params["method"] == "reload":
                raise
            how, reason = "restart", "%s; then restarted, because %s (%s)" % (reason, error.message, error.seen)
    stopped_at = time.monotonic()
    if how:
        manager.restart(lambda: require_silence(params))
    healthy = until_healthy(manager, params, expected=expected)
    unavailable = int((healthy.since - stopped_at) * 1000) if how else 0
    return _End(how, reason, _after(unit, how, healthy), unavailable, healthy)


def _still_healthy(unit: _Unit, end: _End) -> _End:
    now = unit.manager.status()
    if end.healthy and now.running and now.process == end.healthy.status.process:
        return end
    healthy = until_healthy(unit.manager, unit.params, expected=unit.seen.expected)
    return dataclasses.replace(end, after=_after(unit, "restart", healthy), healthy=healthy)


def _after(unit: _Unit, how: str | None, healthy: Healthy) -> dict[str, t.Any]:
    process = healthy.status.process
    if not how and process == unit.seen.status.process:
        return unit.state
    if how == "reload":
        return dict(unit.state, version=healthy.version, reloaded=True)
    version = _require_home(unit.params, unit.seen, process.pid if process else None) or healthy.version
    return dict(running=True, version=version, started_at=process.started_at if process else None)


def _require_questions(params: Params) -> None:
    if asks_version(params) and not (params["version_url"] or params["health_url"]):
        raise InvalidInput("A version_key or version_header needs a URL to ask", todo="give version_url or health_url")
    if params["method"] == "reload" and not asks_version(params):
        raise InvalidInput(
            "Nothing tells whether a reload of %s is enough" % params["service"], todo="give version_key or version_header, or let it be restarted"
        )
    for name in ("health_timeout", "health_interval", "reload_timeout", "stop_timeout"):
        if params[name] <= 0:
            raise InvalidInput("%s must be greater than 0, not %g" % (name, params[name]))


def _require_ground(params: Params, seen: Observation, *, check_mode: bool) -> None:
    name, manager = params["service"], params["manager"]
    if seen.status.phase == "unknown":
        raise Refused("%s knows no service %s" % (manager, name), seen=seen.status.detail, todo="create the service first, or correct its name")
    if params["path"] and seen.live is None and not check_mode:
        raise Refused("Nothing is live below %s" % params["path"], seen="no link named current", todo="install a version first")
    if params["method"] == "reload" and seen.status.running and not seen.status.reloadable:
        raise Refused("%s has no way to reload %s" % (manager, name), seen=seen.status.detail, todo="give it one (%s), or method auto" % _RELOADS[manager])


_RELOADS = dict(systemd="ExecReload in its unit", supervisor="reload_signal", command="commands.reload")


def _require_home(params: Params, seen: Observation, pid: int | None) -> str | None:
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
