# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The install step: what there is, what is asked for, what is missing, and doing that."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact import staging, store
from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import Wanted, only_live, parse
from ansible_collections.surefoot.release.plugins.module_utils.artifact.store import Layout, State
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.step import Step


@dataclasses.dataclass(frozen=True)
class Decision:
    """What an installation has to do on one host, and the sentence that says why."""

    stage: bool
    activate: bool
    reason: str

    @property
    def needed(self) -> bool:
        return self.stage or self.activate


def upload_needed(params: t.Mapping[str, t.Any]) -> bool:
    """Whether the artifact lies with the controller and this host cannot do its part without it; raises as `perform` does."""
    wanted = parse(params)
    return bool(wanted.src) and not wanted.delivered and decide(wanted, store.read(Layout(wanted.path))).stage


def perform(params: t.Mapping[str, t.Any], *, check_mode: bool, run: staging.Run, warn: t.Callable[[str], None]) -> Step:
    """Survey, decide, and unless in check mode do what is missing.

    `params` are the options of the module, `run` is C(AnsibleModule.run_command). Raises `InvalidInput`, `Refused` or `StepFailed`.
    """
    return _perform(parse(params), check_mode=check_mode, run=run, warn=warn)


def activate(path: str, version: str, *, check_mode: bool, run: staging.Run, warn: t.Callable[[str], None]) -> Step:
    """Make a version live that is staged below `path`, and do nothing else; raises as `perform` does."""
    return _perform(only_live(path, version), check_mode=check_mode, run=run, warn=warn)


def _perform(wanted: Wanted, *, check_mode: bool, run: staging.Run, warn: t.Callable[[str], None]) -> Step:
    layout = Layout(wanted.path)
    before = store.read(layout)
    decision = decide(wanted, before)
    _expect_shared(layout, wanted, decision)
    if check_mode or not (decision.needed or before.unfinished):
        return _step(wanted, decision, before, _predicted(wanted, decision, before))
    try:
        with staging.locked(layout) as hold:
            before = store.read(layout)
            decision = decide(wanted, before)
            _do(layout, wanted, decision, before, run, hold, warn)
            return _step(wanted, decision, before, _shown(store.read(layout)))
    except OSError as error:
        raise StepFailed(
            "Version %s could not be installed" % wanted.version,
            seen=str(error),
            todo="make room below %s or check permissions, then run this again" % wanted.path,
        ) from error


def decide(wanted: Wanted, state: State) -> Decision:
    """What to do about the state found; raises `Refused` where that is not known to be safe."""
    version = wanted.version
    stage = version not in state.digests
    if state.live is None and state.problem:
        raise Refused("What is live on this host cannot be told, so nothing is changed", seen=state.problem, todo="look at it, and remove it if unused")
    _refuse_other_artifact(wanted, state)
    if stage:
        _refuse_unstageable(wanted, state)
    activate = wanted.live and state.live != version
    live = "%s is live" % state.live if state.live else "nothing is live"
    if stage and wanted.live:
        return Decision(stage, activate, "install needed: %s is not on this host yet, %s" % (version, live))
    if stage:
        return Decision(stage, activate, "staging needed: %s is not on this host yet" % version)
    if activate:
        return Decision(stage, activate, "activation needed: %s is staged, %s" % (version, live))
    return Decision(stage, activate, "no %s needed: %s is %s" % (("install", version, "live") if wanted.live else ("staging", version, "staged")))


def _refuse_other_artifact(wanted: Wanted, state: State) -> None:
    held = state.digests.get(wanted.version)
    if held and wanted.sha256 and held != wanted.sha256:
        raise Refused(
            "Version %s is on this host already, from another artifact" % wanted.version,
            seen="%s recorded, %s asked for%s" % (held, wanted.sha256, ", and it is live" if state.live == wanted.version else ""),
            todo="give the changed artifact a version of its own",
        )


def _refuse_unstageable(wanted: Wanted, state: State) -> None:
    version = wanted.version
    if version in state.unrecorded and (version not in state.unfinished or version == state.live):
        raise Refused(
            "There is a directory for %s that this did not make or finish%s" % (version, ", and it is live" if state.live == version else ""),
            seen="%s/releases/%s without a record in .surefoot/artifacts" % (wanted.path, version),
            todo="release under another version, or move that directory away if it is not in use",
        )
    if not wanted.src and not wanted.delivered:
        raise Refused("Version %s is not staged on this host and no artifact was given" % version, seen=sorted(state.digests), todo="stage it first")


def _expect_shared(layout: Layout, wanted: Wanted, decision: Decision) -> None:
    missing = staging.missing_shared(layout, wanted.shared) if decision.stage else []
    if missing:
        raise Refused(
            "Shared files are not there: %s" % ", ".join(missing),
            seen="nothing at %s" % ", ".join(layout.shared(entry) for entry in missing),
            todo="put them there, or end the name in a slash if it is a directory to be made",
        )


def _do(layout: Layout, wanted: Wanted, decision: Decision, state: State, run: staging.Run, hold: int, warn: t.Callable[[str], None]) -> None:
    staging.clear_unfinished(layout, state, warn)
    if decision.stage:
        staging.stage(layout, wanted, run=run, hold=hold)
    if decision.stage or wanted.version in state.unfinished:
        staging.remove(layout, _prunable(wanted, store.read(layout)), warn)
    staging.finish(layout, (state.unfinished & state.digests.keys()) | {wanted.version})
    if decision.activate:
        staging.activate(layout, wanted.version)


def _prunable(wanted: Wanted, state: State) -> list[str]:
    return store.prunable(state.staged, live=state.live, wanted=wanted.version, keep=wanted.keep, verified=wanted.verified)


def _shown(state: State) -> dict[str, t.Any]:
    return dict(live=state.live, staged=state.digests)


def _predicted(wanted: Wanted, decision: Decision, state: State) -> dict[str, t.Any]:
    staged = state.digests
    if decision.stage:
        staged = {version: held for version, held in staged.items() if version not in _prunable(wanted, state)}
        staged[wanted.version] = wanted.sha256
    return dict(live=wanted.version if wanted.live else state.live, staged=staged)


def _step(wanted: Wanted, decision: Decision, before: State, after: t.Mapping[str, t.Any]) -> Step:
    undo = {"version": before.live} if decision.activate and before.live else None
    return Step(
        kind="install",
        needed=decision.needed,
        reason=decision.reason,
        before=_shown(before),
        after=after,
        undo=undo,
        reversible=not decision.activate or before.live in before.digests,
    )
