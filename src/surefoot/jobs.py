"""The work that changes an environment, or asks its gates: apply, the way back, verify. Under the environment's lock, with the ledger told of each step."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
import time
import typing as t
import uuid

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy, InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.plugin_utils import at_work
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import moved, spoken
from ansible_collections.surefoot.release.plugins.plugin_utils.release import STEP_KINDS, Release
from ansible_collections.surefoot.release.plugins.plugin_utils.way_back import Before, way_back
from surefoot import orphans
from surefoot.adoption import adoption, held
from surefoot.conductor import Conductor, Outcome
from surefoot.decisions import adopt, check_reason
from surefoot.differences import changes
from surefoot.early_run import EarlyRun
from surefoot.environment_lock import EnvironmentLock
from surefoot.events import Event, OrphansEnded, Planned, ReleaseEnded, ReleaseStarted, SurveyStarted, WaitingForLock, WaitingForOrphans
from surefoot.known_surveys import KnownSurveys
from surefoot.lock import hold
from surefoot.planning import FeaturePlan, Surveyed, before_of, concerned, nothing_live
from surefoot.progress import Progress, ReleaseProgress
from surefoot.saved_plan import SavedPlan, check_saved
from surefoot.states import IN_PLACE
from surefoot.watch import Watch

if t.TYPE_CHECKING:
    from surefoot.ledger import Ledger
    from surefoot.project import Project


@dataclasses.dataclass(frozen=True, kw_only=True)
class Applied:
    """How `apply` or `rollback` ended: the outcome by release, in order, whether a way back was taken (None where none was needed), and who is left drained."""

    outcomes: t.Mapping[str, Outcome]
    rolled_back: bool | None = None
    drained: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return all(outcome.ok for outcome in self.outcomes.values())


Work = t.Generator[Event, None, Applied]


@dataclasses.dataclass(kw_only=True)
class Job:
    """Work on one feature in one environment.

    `command` is what others are told of it while it holds the lock, `lock_wait` how many seconds to wait for a lock that somebody else holds, `orphan_wait`
    for what is left at work on hosts by somebody who held it.
    """

    project: Project
    feature: str
    environment: str
    cancelled: threading.Event
    command: str
    lock_wait: float = 0.0
    orphan_wait: float = 0.0
    plan: str | None = None
    known: KnownSurveys = dataclasses.field(default_factory=KnownSurveys)

    def apply(self, *, to: str | None, everything: bool, auto_rollback: bool, saved: SavedPlan | None, without_way_back: bool = False) -> Work:
        """Perform the next release; up to and with `to`, `everything` that is left, or just the releases of a saved plan.

        One from which there is no way back is only begun `without_way_back`.
        """
        self._check_name(to)
        self.plan = saved.digest if saved else None
        outcomes: dict[str, Outcome] = {}
        with contextlib.ExitStack() as stack:
            lock, ledger, early = yield from self._begin(stack, self._early)
            artifacts = self.project.versions_to_come(self.feature, self.environment, ledger)
            surveyed = yield from self._survey(artifacts, early)
            if saved:
                check_saved(saved, self.project.saved_plan(self.feature, self.environment, surveyed=surveyed, releases=saved.releases, ledger=ledger))
            content = saved.content if saved else self._content()
            while (following := self._following(planned := self._plan(surveyed, ledger), outcomes, to, everything, saved)) is not None:
                name = following.release.name
                if edited := list(changes(content, self._content())):
                    message = f"The feature file was changed since this was begun, so {name} was not"
                    raise Refused(message, seen="\n".join(edited), todo="look at the change, then apply again")
                stopped = self._stopped(following.release, surveyed, ledger)
                if planned.refusals and not stopped:
                    raise Refused(f"Release {name} is refused, nothing was changed", seen="\n".join(spoken(refusal) for refusal in planned.refusals))
                stopped = stopped or (None if without_way_back else _unconfirmed(planned))
                if stopped:
                    yield ReleaseEnded(release=name, outcome=stopped.state, reasons=stopped.reasons)
                    return Applied(outcomes={**outcomes, name: stopped})
                conductor = self._conductor(ledger, lock, _if_it_fits(early, following))
                early = None
                conductor.reversible_only = not (without_way_back or nothing_live(surveyed.surveys))
                with conductor.watch:
                    outcome, rolled_back = yield from self._perform(conductor, lock, following, planned, surveyed, auto_rollback=auto_rollback)
                outcomes[name] = outcome
                if not outcome.ok:
                    yield from conductor.left_drained()
                    return Applied(outcomes=outcomes, rolled_back=rolled_back, drained=tuple(conductor.drained))
                surveyed = dataclasses.replace(surveyed, surveys={**surveyed.surveys, **conductor.surveys})
        if not (outcomes or planned.pending) and planned.refusals:
            raise Refused(f"Nothing is left to do of {self.feature}, but it is not as it was left", seen="\n".join(spoken(one) for one in planned.refusals))
        return Applied(outcomes=outcomes)

    def roll_back(self, *, to: str | None) -> Work:
        """Undo the last release that is in place; with `to`, everything after that release."""
        self._check_name(to)
        outcomes: dict[str, Outcome] = {}
        with contextlib.ExitStack() as stack:
            lock, ledger, _early = yield from self._begin(stack)
            while True:
                surveyed = yield from self._survey()
                if lost := ledger.older_copy():
                    seen = "\n".join(finding.message for finding in lost)
                    raise Refused("The ledger is an older copy, so it is not known what is to be undone", seen=seen, todo="bring the newer copy back")
                come = self._plan(surveyed, ledger).progress
                if come.drift:
                    raise Refused("Ledger and hosts disagree, so it is not known what is to be undone", seen="\n".join(come.drift), todo="survey what is there")
                _check_in_place(to, come)
                last = next((one for one in reversed(come.releases) if one.state != "pending"), None)
                if last is None or last.release.name == to or (outcomes and to is None):
                    return Applied(outcomes=outcomes, rolled_back=bool(outcomes))
                if not last.standing.before:
                    message = f"What was there before {last.release.name} is not in the ledger, so the way back is not known"
                    raise Refused(message, todo="go back by hand, or release forward")
                if last.state == "done" and (changed := moved(last.release, surveyed.surveys, surveyed.hosts)):
                    seen = "\n".join(spoken(refusal) for refusal in changed)
                    raise Refused(f"{last.release.name} is not there as it was done, so it is not undone, and nothing was changed", seen=seen)
                conductor = self._conductor(ledger, lock)
                with conductor.watch:
                    undone = yield from self._undo(conductor, last.release, last.standing.before, surveyed)
                if undone is None:
                    yield from conductor.left_drained()
                    reasons = way_back(last.release, last.standing.before).obstacles or ("the way back failed",)
                    state = "cancelled" if self.cancelled.is_set() else "failed"
                    outcomes[last.release.name] = Outcome(state=state, reasons=reasons)
                    return Applied(outcomes=outcomes, rolled_back=False, drained=tuple(conductor.drained))
                outcomes[last.release.name] = undone

    def adopt(self, release: str, *, because: str) -> Work:
        """Accept what the hosts hold as the state after `release`: those up to it count as done, and what came after it and is not there any more does not."""
        self._check_name(release)
        check_reason(because)
        with contextlib.ExitStack() as stack:
            lock, ledger, _early = yield from self._begin(stack)
            yield SurveyStarted(feature=self.feature, environment=self.environment)
            surveyed = self.project.survey(self.feature, self.environment, cancelled=self.cancelled)
            self.known.learn_all(surveyed.surveys, surveyed.asked)
            come = self._plan(surveyed, ledger).progress
            meant = adoption(release, surveyed, come)
            conductor = self._conductor(ledger, lock)
            for one in meant.accepted:
                found = held(surveyed.surveys) if one.name == release else None
                adopt(ledger, self.environment, one, because=because, run=conductor.run, held=found)
            outcome = yield from conductor.adopt(meant.accepted, meant.undone, list(surveyed.surveys), because)
        return Applied(outcomes={release: outcome})

    def verify(self, release: str | None) -> Work:
        """Ask the gates of a release once more; of the last one that is done if none is named."""
        self._check_name(release)
        with self.project.ledger() as ledger:
            if release is None:
                come = self._plan(self.project.survey(self.feature, self.environment, cancelled=self.cancelled), ledger).progress
                done = [one.release.name for one in come.releases if one.state == "done"]
                if not done:
                    raise Refused(f"No release of {self.feature} is done in {self.environment}, so there is nothing to verify", todo="apply one first")
                release = done[-1]
            # Gates asked of some hosts say nothing of the others.
            adopted = not self.project.limit and self.project.standings(self.feature, self.environment, ledger)[release].state == "adopted"
            outcome = yield from self._conductor(ledger, None).ask_gates(self._release(release), adopted=adopted)
        return Applied(outcomes={release: outcome})

    def _begin(
        self, stack: contextlib.ExitStack, early: t.Callable[[EnvironmentLock, Ledger], EarlyRun | None] = lambda _lock, _ledger: None
    ) -> t.Generator[Event, None, tuple[EnvironmentLock, Ledger, EarlyRun | None]]:
        """Lock first: this machine's, which costs nothing, then the one that stands with the environment.

        While its host is asked, the ledger is opened, and a run that is most likely to come is started `early`.
        """
        patterns = list(dict.fromkeys(getattr(self.project.file.hosts, kind) for kind in STEP_KINDS))
        lock = EnvironmentLock(
            # A limit says which hosts are released to; the lock stands on the same host for everybody.
            dataclasses.replace(self.project.ansible(self.environment), limit=None),
            patterns,
            self.project.file.app,
            command=self.command,
            wait=self.lock_wait,
            cancelled=self.cancelled,
            on_lost=self.cancelled.set,
        )
        held = hold(self.project.state_directory, self.environment, self.command, lock.token, wait=self.lock_wait, cancelled=self.cancelled)
        dead = stack.enter_context(held)
        if dead and (ended := orphans.end(dead)):
            yield OrphansEnded(processes=ended)
        stack.callback(lock.check)
        stack.callback(lock.release)
        lock.ask()
        ledger = stack.enter_context(self.project.ledger())
        # One that is cancelled is killed without its workers, which are in sessions of their own.
        stack.callback(orphans.end, lock.token)
        run = early(lock, ledger)
        if run:
            stack.callback(run.stop)
            run.start()
        for waiting in lock.acquire():
            if run:
                # Who has the lock changes what it was started by.
                run.stop()
            yield WaitingForLock(holder=waiting.holder, waited=waiting.waited, left=waiting.left)
        return lock, ledger, run

    def _early(self, lock: EnvironmentLock, ledger: Ledger) -> EarlyRun | None:
        """The run of what is next, where by the ledger anything is, and that is done by a single run."""
        standings = self.project.standings(self.feature, self.environment, ledger)
        following = next((one for one in self.project.feature(self.feature).parsed() if standings[one.name].state not in IN_PLACE), None)
        if following is None or self.project.limit or not _is_one_run(following):
            return None
        run = _new_run()
        return EarlyRun(lock.marked(self.project.ansible(self.environment)), self._variables(run, lock), run=run, cancelled=self.cancelled)

    def _survey(self, artifacts: t.Sequence[str] = (), early: EarlyRun | None = None) -> t.Generator[Event, None, Surveyed]:
        """What the hosts hold once nothing is at work there: the lock is ours, so it was begun by somebody who is dead. Raises Busy where it does not end."""
        look = functools.partial(self.project.survey, self.feature, self.environment, cancelled=self.cancelled, artifacts=artifacts)
        yield SurveyStarted(feature=self.feature, environment=self.environment)
        surveyed = look() if early is None or early.is_set() else self.project.understand(early.survey(artifacts), cancelled=self.cancelled)
        if early and surveyed.at_work:
            early.stop()
        deadline = time.monotonic() + self.orphan_wait
        while surveyed.at_work and (left := deadline - time.monotonic()) > 0:
            steps = ({"host": host, **step} for host, found in surveyed.at_work.items() for step in found)
            yield WaitingForOrphans(at_work=tuple(steps), left=left)
            self.cancelled.wait(min(at_work.LOOK_SECONDS, left))
            surveyed = look()
        if surveyed.at_work:
            message = f"What an earlier run left at work did not end within {self.orphan_wait:g} s, nothing was changed"
            raise Busy(message, seen="\n".join(at_work.told(surveyed.at_work)), todo=at_work.TODO)
        self.known.learn_all(surveyed.surveys, surveyed.asked)
        return surveyed

    def _plan(self, surveyed: Surveyed, ledger: Ledger) -> FeaturePlan:
        return self.project.plan_of(self.feature, self.environment, surveyed, ledger)

    def _content(self) -> dict[str, t.Any]:
        return self.project.feature(self.feature).as_mapping()

    def _following(
        self, planned: FeaturePlan, outcomes: t.Mapping[str, Outcome], to: str | None, everything: bool, saved: SavedPlan | None
    ) -> ReleaseProgress | None:
        """The release to go on with, None at the end of what was asked for."""
        following = planned.progress.next
        if following is None:
            return None
        if saved:
            return following if following.release.name in saved.releases else None
        reached = to is not None and any(one.release.name == to and one.state == "done" for one in planned.progress.releases)
        return None if reached or (outcomes and not (to or everything)) else following

    def _stopped(self, release: Release, surveyed: Surveyed, ledger: Ledger) -> Outcome | None:
        """What keeps a release from beginning, besides the state of the hosts: it was cancelled, or people have a say. Raises Refused."""
        if self.cancelled.is_set():
            return Outcome(state="cancelled", reasons=("cancelled before it was begun",))
        ruling = self.project.ruling(release, self.environment, surveyed, ledger, plan=self.plan)
        if ruling.refusals:
            raise Refused(f"Release {release.name} is refused, nothing was changed", seen="\n".join(spoken(refusal) for refusal in ruling.refusals))
        if ruling.waits_for:
            return Outcome(state="waiting", reasons=tuple(spoken(refusal) for refusal in ruling.waits_for))
        return None

    def _perform(
        self, conductor: Conductor, lock: EnvironmentLock, following: ReleaseProgress, planned: FeaturePlan, surveyed: Surveyed, *, auto_rollback: bool
    ) -> t.Generator[Event, None, tuple[Outcome, bool | None]]:
        release, standing = following.release, following.standing
        names = [one.release.name for one in planned.progress.releases]
        yield ReleaseStarted(release=release.name, why=release.why, position=names.index(release.name) + 1, total=len(names), run=conductor.run)
        yield Planned(release=release.name, plan=planned.plans[0].as_mapping())
        before = before_of(standing, planned.plans[0])
        hosts = concerned(release, surveyed.hosts)
        if following.state == "behind":
            return (yield from conductor.catch_up(release, hosts)), None
        outcome = yield from conductor.perform(release, standing, hosts, {"digest": release.digest(), "before": before, "hosts": hosts})
        if outcome.state != "failed" or not auto_rollback or release.playbook:
            return outcome, None
        # One that was stopped was killed without its workers, and no step may be joined by its own undoing.
        orphans.end(lock.token)
        return outcome, (yield from self._undo(conductor, release, before, surveyed)) is not None

    def _undo(self, conductor: Conductor, release: Release, before: Before, surveyed: Surveyed) -> t.Generator[Event, None, Outcome | None]:
        """Take the way back from `release`; None where there is none or it failed."""
        back = way_back(release, before)
        if back.release is None:
            yield ReleaseEnded(release=release.name, outcome="not rolled back", reasons=back.obstacles)
            return None
        releases = self.project.feature(self.feature).parsed()
        earlier = releases[: [known.name for known in releases].index(release.name)]
        content = {
            "feature": release.feature,
            "releases": [*(known.as_mapping() for known in earlier), back.release.as_mapping()],
            "undoing": release.as_mapping(),
        }
        yield ReleaseStarted(release=release.name, why=back.release.why, position=len(earlier) + 1, total=len(releases), run=conductor.run)
        outcome = yield from conductor.roll_back(release, back.release, content, concerned(back.release, surveyed.hosts))
        return outcome if outcome.ok else None

    def _variables(self, run: str, lock: EnvironmentLock | None) -> dict[str, t.Any]:
        told = {**self.project.variables(self.feature), "record_environment": self.environment, "record_run": run}
        return {**told, **(lock.variables if lock else {})}

    def _conductor(self, ledger: Ledger, lock: EnvironmentLock | None, early: EarlyRun | None = None) -> Conductor:
        run = early.run if early else _new_run()
        ansible = self.project.ansible(self.environment)
        return Conductor(
            ansible=lock.marked(ansible) if lock else ansible,
            ledger=ledger,
            environment=self.environment,
            feature=self.project.feature(self.feature).feature,
            run=run,
            plan=self.plan,
            variables=self._variables(run, lock),
            watch=Watch(self.project.file.probes),
            cancelled=self.cancelled,
            known=self.known,
            early=early,
        )

    def _release(self, name: str) -> Release:
        return next(release for release in self.project.feature(self.feature).parsed() if release.name == name)

    def _check_name(self, name: str | None) -> None:
        known = [release.name for release in self.project.feature(self.feature).parsed()]
        if name is not None and name not in known:
            raise InvalidInput(f"Feature {self.feature} has no release {name}", seen=", ".join(known))


def _new_run() -> str:
    return uuid.uuid4().hex[:12]


def _is_one_run(release: Release) -> bool:
    return not (release.playbook or release.ramp)


def _if_it_fits(early: EarlyRun | None, following: ReleaseProgress) -> EarlyRun | None:
    """The early run, where it can do what comes next; it is stopped where not."""
    if early is None or (_is_one_run(following.release) and following.state == "pending" and not early.is_set()):
        return early
    early.stop()
    return None


def _check_in_place(name: str | None, come: Progress) -> None:
    """Refuse to go back to a release that is not in place: it would never be come to, and everything would be undone."""
    there = [one.release.name for one in come.releases if one.state in {"done", "behind"}]
    if name is not None and name not in there:
        raise Refused(
            f"{name} is not in place, so nothing can be undone down to it", seen=f"in place: {', '.join(there) or 'nothing'}", todo="name a release that is"
        )


def _unconfirmed(planned: FeaturePlan) -> Outcome | None:
    """That a release waits for a person to confirm it, since there is no way back from it."""
    if not planned.irrevocable:
        return None
    told = f"There is no way back: {'; '.join(planned.irrevocable)}; next: where that is accepted, apply it with --no-way-back"
    return Outcome(state="waiting", reasons=(told,))
