"""Performs one release: its playbook run, its soak and its verdict, with the ledger told before and after each."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import threading
import time
import types
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy
from ansible_collections.surefoot.release.plugins.plugin_utils.fleet import told_left_drained
from ansible_collections.surefoot.release.plugins.plugin_utils.release import STEP_KINDS, Release
from ansible_collections.surefoot.release.plugins.plugin_utils.units import seconds
from surefoot.early_run import Decision, EarlyRun
from surefoot.events import AnsibleOutput, Event, GateAsked, HostFailed, LeftDrained, PhaseStarted, ReleaseEnded, Soaking, StepDone
from surefoot.known_surveys import KnownSurveys
from surefoot.planning import artifact_digests, live_before
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded, RunEvent, Stop, TaskStarted
from surefoot.progress import Standing
from surefoot.watch import Watch

if t.TYPE_CHECKING:
    from surefoot.ledger import Ledger

SOAK_LOOK_SECONDS = 5.0
"""How often gates are asked while a release soaks."""

FEEL_SECONDS = 0.2
"""How often it is looked, while a release soaks, whether users feel more than was declared."""

LONGEST_ROLL_SECONDS = 3600.0
"""How long a release that is still being done may go on: so many good answers may come yet, and make a share of errors small."""

LONGEST_STEP_MS = 366 * 24 * 3600 * 1000
"""A year. Sums of such numbers can still be told."""

CLOSING_SECONDS = 60.0
"""How long gates may take that are asked at the end of a soak."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a release ended: verified, adopted, failed, inconclusive, cancelled, or refused, which is before anything was changed, with the reasons."""

    state: str
    reasons: tuple[str, ...] = ()
    impact: tuple[t.Mapping[str, t.Any], ...] = ()

    @property
    def ok(self) -> bool:
        return self.state in {"verified", "adopted"}


@dataclasses.dataclass(kw_only=True)
class _Feeling:
    """Stops what goes on when it is `cancelled`, or when users feel more than was declared, `beyond_repair`; the `reasons` are of that."""

    cancelled: threading.Event
    beyond_repair: t.Callable[[], tuple[str, ...]]
    reasons: tuple[str, ...] = ()

    def is_set(self) -> bool:
        self.reasons = self.reasons or tuple(f"{reason}; it was stopped for that" for reason in self.beyond_repair())
        return bool(self.reasons) or self.cancelled.is_set()


@dataclasses.dataclass(kw_only=True)
class Conductor:
    """Performs releases of one feature in one environment.

    `plan` is the digest of the saved plan it goes by, if any; `variables` go to every playbook; `cancelled` stops the work at the next chance.
    The `watch` is entered around a release and the way back from it, so that it measures both.
    """

    ansible: Ansible
    ledger: Ledger
    environment: str
    feature: str
    run: str
    plan: str | None
    variables: t.Mapping[str, t.Any]
    watch: Watch
    cancelled: threading.Event
    known: KnownSurveys = dataclasses.field(default_factory=KnownSurveys)
    early: EarlyRun | None = None
    """The run of the release to be performed, where one was started already."""
    reversible_only: bool = False
    """Whether a migration without a way down is refused, which may be seen only once its artifact is staged."""
    surveys: dict[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    took: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """How long each kind of step took on each host on which it did anything, in milliseconds."""
    drained: dict[str, None] = dataclasses.field(default_factory=dict)
    """Hosts that are out of their pool by our doing, in the order in which they were taken out."""
    changed: bool = False
    """Whether any task has changed anything."""
    sick: dict[str, None] = dataclasses.field(default_factory=dict)
    """Hosts on which taking them out of their pool, the restart, or putting them back failed."""

    def perform(self, release: Release, standing: Standing, hosts: t.Sequence[str], started: t.Mapping[str, t.Any]) -> t.Generator[Event, None, Outcome]:
        """Take `release` from where it stands to its verdict. `hosts` are the hosts planned, `started` what the ledger is to know of the intention."""
        if standing.state != "released":
            self._note("started", release, started)
        self.watch.settle(release.impact, self.cancelled)
        begun = time.monotonic()
        outcome = yield from self._release(release, hosts, started) if standing.state != "released" else _nothing()
        if outcome.ok:
            if standing.state != "released":
                self._note("released", release, self._done(release))
            outcome = yield from self._soak(release, hosts, _seconds_since(standing.since) if standing.state == "released" else 0.0)
        # Nobody waits for the answers still to come once the way back is to be taken.
        outcome = _with_impact(outcome, self.watch.judge(release.impact, at_once=not outcome.ok))
        if outcome.state == "refused" and not standing.begins:
            # An earlier try may have changed something.
            outcome = dataclasses.replace(outcome, state="failed")
        self._note(outcome.state if outcome.state in {"verified", "refused"} else "failed", release, _told(outcome))
        yield ReleaseEnded(release=release.name, outcome=outcome.state, reasons=outcome.reasons, impact=outcome.impact, seconds=time.monotonic() - begun)
        return outcome

    def roll_back(self, release: Release, back: Release, content: t.Mapping[str, t.Any], hosts: t.Sequence[str]) -> t.Generator[Event, None, Outcome]:
        """Perform `back`, the way back from `release`; `content` is the feature it stands in.

        What users felt is told and decides nothing; right after a release it is what they felt since that began.
        """
        self._note("rolling_back", release, {"steps": back.as_mapping()})
        self.watch.settle(release.impact, self.cancelled)
        begun = time.monotonic()
        away = list(dict.fromkeys([*self.drained, *self.sick]))
        variables = {"release": back.name, "record_outcome": "rolled_back", "surefoot_away": away}
        # Where it leads is what hosts said they held.
        outcome = yield from self._play("rollback", back.name, hosts, variables, documents={"surefoot_feature_content": content})
        outcome = dataclasses.replace(outcome, impact=self.watch.judge(release.impact))
        self._note("rolled_back" if outcome.ok else "rollback_failed", release, {"reasons": list(outcome.reasons), "impact": list(outcome.impact)})
        state = "rolled_back" if outcome.ok else "failed"
        yield ReleaseEnded(release=release.name, outcome=state, reasons=outcome.reasons, impact=outcome.impact, seconds=time.monotonic() - begun)
        return outcome

    def catch_up(self, release: Release, hosts: t.Sequence[str]) -> t.Generator[Event, None, Outcome]:
        """Bring `hosts` that are behind to where `release` has brought the others already."""
        self._note("catching_up", release, {"hosts": list(hosts)})
        self.watch.settle(release.impact, self.cancelled)
        begun = time.monotonic()
        variables = {"release": release.name, **({"surefoot_ramp": 100} if release.ramp else {})}
        outcome = yield from self._play("release", release.name, hosts, variables, self._feeling(release))
        outcome = _with_impact(outcome, self.watch.judge(release.impact, at_once=not outcome.ok))
        self._note("caught_up" if outcome.ok else "catch_up_failed", release, {"hosts": list(hosts), **_told(outcome)})
        yield ReleaseEnded(release=release.name, outcome=outcome.state, reasons=outcome.reasons, impact=outcome.impact, seconds=time.monotonic() - begun)
        return outcome

    def adopt(self, accepted: t.Sequence[Release], undone: t.Sequence[Release], hosts: t.Sequence[str], because: str) -> t.Generator[Event, None, Outcome]:
        """Give `hosts` receipts of what was `accepted`, and take back those of what is `undone`; that it was accepted the ledger knows already."""
        begun, release, reason = time.monotonic(), accepted[-1], {"because": because}
        for one in undone:
            self._note("rolling_back", one, reason)
        told = [("rolled_back", undone), ("adopted", accepted[:-1])]
        also = [{"release": one.name, "digest": one.digest(), "outcome": outcome} for outcome, releases in told for one in releases]
        variables = {"release": release.name, "record_digest": release.digest(), "record_outcome": "adopted", "record_also": also}
        outcome = yield from self._play("adopt", release.name, hosts, variables)
        for one in undone:
            self._note("rolled_back" if outcome.ok else "rollback_failed", one, {**reason, "reasons": list(outcome.reasons)})
        for one in accepted:
            self._note("caught_up" if outcome.ok else "catch_up_failed", one, {"hosts": list(hosts), **_told(outcome)})
        outcome = dataclasses.replace(outcome, state="adopted") if outcome.ok else outcome
        yield ReleaseEnded(release=release.name, outcome=outcome.state, reasons=outcome.reasons, seconds=time.monotonic() - begun)
        return outcome

    def ask_gates(self, release: Release, *, adopted: bool) -> t.Generator[Event, None, Outcome]:
        """Ask the gates of a release once. One that was `adopted` is verified by that."""
        begun = time.monotonic()
        outcome = yield from self._play("verify", release.name, (), {"release": release.name})
        if adopted and outcome.ok:
            self._note("verified", release, _told(outcome))
        yield ReleaseEnded(release=release.name, outcome=outcome.state, reasons=outcome.reasons, seconds=time.monotonic() - begun)
        return outcome

    def left_drained(self) -> t.Iterator[LeftDrained]:
        """Tell, at the end of all work, of hosts that it leaves out of their pool: they failed, were lost, or stood in a batch with one that did."""
        if self.drained:
            yield LeftDrained(hosts=tuple(self.drained), message=told_left_drained(self.drained))

    def _release(self, release: Release, hosts: t.Sequence[str], started: t.Mapping[str, t.Any]) -> t.Generator[Event, None, Outcome]:
        if release.playbook:
            # Nothing takes back what half of it did, so it goes on to its end whatever users feel.
            return (yield from self._play(release.playbook, release.name, (), {}))
        # After a kill the hosts may no longer tell what was live before.
        told = {"record_live_before": live_before(started.get("before", {}))}
        variables = {"release": release.name, **({"migrate_reversible_only": True} if self.reversible_only and "migrate" in release.steps else {})}
        for share in release.ramp or (None,):
            ramp = {} if share is None else {"surefoot_ramp": share}
            outcome = yield from self._play("release", release.name, hosts, {**variables, **ramp}, self._feeling(release), documents=told)
            if outcome.ok and share is not None and share != release.ramp[-1]:
                outcome = yield from self._soak(release, hosts, 0.0, needed=_each(release))
            if not outcome.ok:
                break
        return outcome

    def _soak(self, release: Release, hosts: t.Sequence[str], elapsed: float, *, needed: float | None = None) -> t.Generator[Event, None, Outcome]:
        """Let the release be in place for its soak, gates asked all along and at its end; it is time in place, `elapsed` of it before this runner came."""
        outcome = Outcome(state="verified")
        end = time.monotonic() + (release.soak if needed is None else needed) - elapsed
        feeling = self._feeling(release, end if needed is None else None)
        while outcome.ok and (left := end - time.monotonic()) > 0:
            yield Soaking(release=release.name, left=left)
            look = time.monotonic() + min(left, SOAK_LOOK_SECONDS)
            while not feeling.is_set() and (pause := look - time.monotonic()) > 0:
                self.cancelled.wait(min(pause, FEEL_SECONDS))
            if self.cancelled.is_set():
                return Outcome(state="cancelled", reasons=("cancelled while it soaked",))
            if feeling.is_set():
                return Outcome(state="failed", reasons=feeling.reasons)
            if not release.playbook:
                outcome = yield from self._play("verify", release.name, (), {"release": release.name}, feeling)
        return outcome

    def _feeling(self, release: Release, end: float | None = None) -> _Feeling:
        """What stops a release that is to be in place until the moment `end`, where that is known."""

        def beyond_repair() -> tuple[str, ...]:
            left = max(end - time.monotonic(), 0.0) + CLOSING_SECONDS if end is not None else LONGEST_ROLL_SECONDS + release.soak
            return self.watch.beyond_repair(release.impact, left)

        return _Feeling(cancelled=self.cancelled, beyond_repair=beyond_repair)

    def _play(
        self,
        playbook: str,
        name: str,
        hosts: t.Sequence[str],
        variables: t.Mapping[str, t.Any],
        feeling: _Feeling | None = None,
        *,
        documents: t.Mapping[str, t.Any] = types.MappingProxyType({}),
    ) -> t.Generator[Event, None, Outcome]:
        """One playbook run. Without planned `hosts` the run only has to be green; it is stopped as soon as users are `feeling` more than was declared.

        What hosts said goes into `documents`: `variables` are templates.
        """
        failures: list[str] = []
        busy: list[bool] = []
        verdicts: set[str] = set()
        play = ""
        ended: RunEnded | None = None
        for event in self._run(playbook, hosts, variables, documents, feeling or self.cancelled):
            match event:
                case TaskStarted():
                    if event.play != play:
                        play = event.play
                        yield PhaseStarted(release=name, title=play)
                case HostAnswered():
                    self.changed |= bool(event.result.get("changed"))
                    for told in _tell(name, event):
                        if isinstance(told, HostFailed):
                            failures.append(f"{told.host}: {told.message}")
                            busy.append(_kind_of(event.result.get("error")) == Busy.__name__)
                        if isinstance(told, GateAsked):
                            verdicts.add(told.verdict)
                        if isinstance(told, StepDone):
                            self._note_step(told)
                        yield told
                    self._note_answer(event)
                case Output():
                    yield AnsibleOutput(text=event.text)
                case RunEnded():
                    ended = event
        assert ended is not None
        if feeling and feeling.reasons and not self.cancelled.is_set():
            return Outcome(state="failed", reasons=feeling.reasons)
        refused = bool(busy) and all(busy) and not self.changed
        return _judge(ended, hosts, failures, verdicts, cancelled=self.cancelled.is_set(), refused=refused)

    def _run(
        self, playbook: str, hosts: t.Sequence[str], variables: t.Mapping[str, t.Any], documents: t.Mapping[str, t.Any], stop: Stop
    ) -> t.Iterator[RunEvent]:
        known, early = self.known.take(), self.early
        self.early = None
        if early:
            reversible_only = bool(variables.get("migrate_reversible_only"))
            return early.go(
                Decision(release=variables["release"], hosts=hosts, reversible_only=reversible_only, live_before=documents["record_live_before"]), stop
            )
        documents = {**documents, **({"survey_known": known} if known else {})}
        return self.ansible.run(playbook, {**self.variables, **variables}, documents=documents, cancelled=stop)

    def _done(self, release: Release) -> dict[str, t.Any]:
        """What the ledger keeps of a release that was done: out of which artifact, and for each kind of step how long it took on its slowest host."""
        took = {kind: max(by_host.values()) for kind, by_host in self.took.items()}
        digests = artifact_digests(release.staged_version, self.surveys)
        return {"took_ms": took, **({"artifacts": {release.staged_version: list(digests)}} if digests else {})}

    def _note_answer(self, told: HostAnswered) -> None:
        if told.state in {"failed", "unreachable"} and (told.role or "").rpartition(".")[2] == "restart":
            self.sick[told.host] = None
        if survey := told.result.get("survey"):
            self.surveys[told.host] = survey
            # One that came with a receipt was taken at the end of a release, and not before its changes.
            if "step" in told.result:
                self.known.learn(told.host, survey, told.result.get("asked"))

    def _note_step(self, done: StepDone) -> None:
        kind = done.step["kind"]
        if kind == "pool_member":
            self._note_member(done)
        elif kind in STEP_KINDS and done.changed:
            by_host = self.took.setdefault(kind, {})
            by_host[done.host] = by_host.get(done.host, 0) + done.step["duration_ms"]

    def _note_member(self, moved: StepDone) -> None:
        if moved.step["after"].get("state") == "drained":
            self.drained[moved.host] = None
        else:
            self.drained.pop(moved.host, None)
            self.sick.pop(moved.host, None)

    def _note(self, kind: str, release: Release, payload: t.Mapping[str, t.Any]) -> None:
        told = {**payload, **({"plan": self.plan} if self.plan else {})}
        self.ledger.append(self.environment, kind, told, feature=self.feature, release=release.name, run=self.run)


def _with_impact(outcome: Outcome, impact: tuple[dict[str, t.Any], ...]) -> Outcome:
    """The outcome with what was measured; green tasks do not help a release that users felt more of than it had said."""
    broken = tuple(f"{one['probe']}: {reason}" for one in impact if one["verdict"] == "broken" for reason in one["reasons"])
    if outcome.ok and broken:
        return Outcome(state="failed", reasons=broken, impact=impact)
    return dataclasses.replace(outcome, impact=impact)


def _told(outcome: Outcome) -> dict[str, t.Any]:
    return {"outcome": outcome.state, "reasons": list(outcome.reasons), "impact": list(outcome.impact)}


def _judge(ended: RunEnded, hosts: t.Sequence[str], failures: list[str], verdicts: set[str], *, cancelled: bool, refused: bool) -> Outcome:
    if cancelled:
        return Outcome(state="cancelled", reasons=("cancelled while ansible-playbook ran; survey before going on",))
    verdict = ended.judge(hosts or list((ended.stats or {}).get("processed", {})))
    if verdict.ok:
        return Outcome(state="verified")
    if refused:
        return Outcome(state="refused", reasons=tuple(failures))
    # A gate that could not tell is a question to a person, and not a reason to undo anything.
    unclear = verdicts and not verdicts & {"failed"} and verdicts & {"inconclusive", "error"}
    return Outcome(state="inconclusive" if unclear else "failed", reasons=tuple(failures or verdict.reasons))


def _tell(release: str, answer: HostAnswered) -> t.Iterator[Event]:
    result = answer.result
    if gate := result.get("gate"):
        yield GateAsked(release=release, name=gate["name"], verdict=gate["verdict"], seen=gate["seen"], waited=gate["waited"])
    elif step := result.get("step"):
        for done in filter(None, (result.get("activation"), step)):
            yield StepDone(release=release, host=answer.host, step={**done, "duration_ms": _took(done)}, changed=done["before"] != done["after"])
    if answer.state in {"failed", "unreachable"}:
        message = str(result.get("msg") or result.get("stderr") or "failed without a message").strip()
        yield HostFailed(release=release, host=answer.host, task=answer.task, message=message, unreachable=answer.state == "unreachable")


def _kind_of(error: t.Any) -> t.Any:
    return error.get("kind") if isinstance(error, t.Mapping) else None


def _took(step: t.Mapping[str, t.Any]) -> float:
    """The milliseconds a step says it took; 0 where no step takes so long, and where ansible masked the number since it happens to be a secret."""
    took = step.get("duration_ms")
    return took if isinstance(took, (int, float)) and 0 <= took < LONGEST_STEP_MS else 0


def _nothing() -> t.Generator[Event, None, Outcome]:
    yield from ()
    return Outcome(state="verified")


def _each(release: Release) -> float:
    return seconds(release.steps["enable_feature"].get("each") or 0)


def _seconds_since(moment: str) -> float:
    with contextlib.suppress(ValueError):
        return max(0.0, (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(moment)).total_seconds())
    return 0.0
