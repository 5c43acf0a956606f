"""The project: surefoot.yml with its features, and everything that can be done with them. This is the API that the CLI uses too."""

from __future__ import annotations

import collections.abc
import dataclasses
import pathlib
import sys
import threading
import typing as t
import uuid

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, SurefootError
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal
from ansible_collections.surefoot.release.plugins.plugin_utils.lint import Finding, lint
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import Plan, plan_release
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from ansible_collections.surefoot.release.plugins.plugin_utils.way_back import WayBack, way_back
from surefoot.conductor import Conductor, Outcome
from surefoot.events import Event, Planned, ReleaseEnded, ReleaseStarted, SurveyStarted
from surefoot.ledger import Entry, Ledger
from surefoot.loading import load_feature, load_project
from surefoot.lock import hold
from surefoot.models import Environment, FeatureFile, ProjectFile
from surefoot.playbooks import Ansible, HostAnswered, RunEnded
from surefoot.progress import SETTLED, Progress, ReleaseProgress, Standing, progress, standings
from surefoot.watch import Watch

Survey = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surveyed:
    """What the hosts of a feature hold: surveys by host, and the hosts of each kind of step."""

    surveys: t.Mapping[str, Survey]
    hosts: t.Mapping[str, t.Sequence[str]]
    failures: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """How far a feature has come in an environment, and the plans of the releases still to come; only the first of these is exact."""

    feature: str
    environment: str
    progress: Progress
    plans: tuple[Plan, ...]
    refusals: tuple[Refusal, ...] = ()
    back: WayBack | None = None

    @property
    def pending(self) -> bool:
        """Whether any release is left."""
        return bool(self.plans)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Applied:
    """How `apply` or `rollback` ended: the outcome by release, in order, and that of the way back where one was taken."""

    outcomes: t.Mapping[str, Outcome]
    rolled_back: bool | None = None

    @property
    def ok(self) -> bool:
        return all(outcome.ok for outcome in self.outcomes.values())


class Cancelled(SurefootError):
    """The work was cancelled before anything was begun."""


class Applying(collections.abc.Iterator[Event]):
    """Releases going on. Iterate over the events to move on; `result` is there at the end; `cancel()` from anywhere stops the work."""

    def __init__(self, work: t.Generator[Event, None, Applied], cancelled: threading.Event) -> None:
        self._work = work
        self._cancelled = cancelled
        self.result: Applied | None = None

    def __next__(self) -> Event:
        try:
            return next(self._work)
        except StopIteration as end:
            self.result = self.result or end.value
            raise

    def cancel(self) -> None:
        """Stop at the next chance, within a second; what was begun on hosts is to be surveyed before going on."""
        self._cancelled.set()

    def finish(self) -> Applied:
        """Go on to the end without looking at events."""
        collections.deque(self, maxlen=0)
        assert self.result is not None
        return self.result


@dataclasses.dataclass(frozen=True, kw_only=True)
class Project:
    """An application: its project file, the directory it is in, and what ansible is to be told besides."""

    file: ProjectFile
    root: pathlib.Path
    path: pathlib.Path
    ansible_arguments: tuple[str, ...] = ()
    ansible_environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def load(cls, path: str | pathlib.Path = "surefoot.yml", **options: t.Any) -> t.Self:
        """The project whose file is at `path`. Raises InvalidInput."""
        path = pathlib.Path(path).absolute()
        return cls(file=load_project(path), root=path.parent, path=path, **options)

    def features(self) -> tuple[str, ...]:
        """The names of the features beside the project file."""
        return tuple(sorted(found.stem for found in (self.root / "features").glob("*.yml")))

    def feature(self, name: str) -> FeatureFile:
        """A feature, by name or by path. Raises InvalidInput."""
        return load_feature(self.feature_path(name), project=self.file)

    def feature_path(self, name: str) -> pathlib.Path:
        """The file of a feature given by name or by path. Raises InvalidInput when there is none."""
        for path in (self.root / "features" / f"{name}.yml", self.root / name, pathlib.Path(name).absolute()):
            if path.is_file():
                return path
        raise InvalidInput(f"There is no feature {name}", seen=f"features here: {', '.join(self.features()) or 'none'}", todo="write it as features/NAME.yml")

    def environment(self, name: str | None) -> tuple[str, Environment]:
        """An environment by name; without a name the only one there is. Raises InvalidInput."""
        known = self.file.environments
        if name is None and len(known) == 1:
            name = next(iter(known))
        if name is None or name not in known:
            raise InvalidInput(
                "Which environment?" if name is None else f"There is no environment {name}", seen=", ".join(known), todo="name one with --environment"
            )
        return name, known[name]

    def ledger(self) -> Ledger:
        """The project's ledger, opened."""
        return Ledger(self.file.ledger, root=self.root)

    def history(self, environment: str | None = None, feature: str | None = None, limit: int | None = None) -> list[Entry]:
        """What happened, oldest first."""
        with self.ledger() as ledger:
            return ledger.entries(environment=environment, feature=feature, limit=limit)

    def check_ledger(self) -> list[str]:
        """What is wrong with the ledger's chain, a sentence each; empty when nothing is."""
        with self.ledger() as ledger:
            return [str(finding) for finding in ledger.check()]

    def status(self, environment: str | None = None) -> list[dict[str, t.Any]]:
        """Where each release of each feature stands in each environment by the ledger, without asking a host."""
        names = [self.environment(environment)[0]] if environment else list(self.file.environments)
        with self.ledger() as ledger:
            return [
                _status(self.feature(name), {place: standings(ledger.entries(environment=place, feature=name)) for place in names}) for name in self.features()
            ]

    def lint(self, feature: str) -> tuple[Finding, ...]:
        """What is wrong with a feature besides its form, without asking a host."""
        return lint(self.feature(feature).parsed())

    def survey(self, feature: str, environment: str | None = None, *, cancelled: threading.Event | None = None) -> Surveyed:
        """Read what every host of the feature holds. Raises Refused when that cannot be done for any host at all."""
        surveys: dict[str, Survey] = {}
        hosts: dict[str, t.Sequence[str]] = {}
        failures: list[str] = []
        messages: list[str] = []
        for event in self._ansible(environment).run("survey", self._variables(feature), cancelled=cancelled):
            if isinstance(event, HostAnswered) and event.result.get("survey"):
                surveys[event.host] = event.result["survey"]
                hosts = dict(event.result.get("hosts") or hosts)
            elif isinstance(event, HostAnswered) and event.state in {"failed", "unreachable"}:
                failures.append(f"{event.host}: {str(event.result.get('msg')).strip()}")
            elif isinstance(event, RunEnded) and cancelled is not None and cancelled.is_set():
                raise Cancelled("Cancelled while the hosts were surveyed; nothing was begun")
            elif isinstance(event, RunEnded) and not surveys:
                raise Refused(
                    "No host could be surveyed", seen="; ".join(failures) or _last_error(messages) or event.status, todo="check the inventory and the hosts"
                )
            elif hasattr(event, "text"):
                messages.append(event.text)
        return Surveyed(surveys=surveys, hosts=hosts, failures=tuple(failures))

    def plan(self, feature: str, environment: str | None = None, *, surveyed: Surveyed | None = None) -> FeaturePlan:
        """What would be done next, on which hosts and why. Changes nothing."""
        name, _environment = self.environment(environment)
        found = surveyed or self.survey(feature, name)
        releases = self.feature(feature).parsed()
        with self.ledger() as ledger:
            known = standings(ledger.entries(environment=name, feature=self.feature(feature).feature))
        come = progress(releases, found.surveys, found.hosts, known)
        todo = [one for one in come.releases if one.state != "done"]
        plans = tuple(plan_release(one.release, releases[: releases.index(one.release)], found.surveys, found.hosts) for one in todo)
        refusals = [*(Refusal(message=drift, todo="see with surefoot survey what is there") for drift in come.drift), *(plans[0].refusals if plans else ())]
        refusals += [Refusal(message=failure) for failure in found.failures]
        back = way_back(todo[0].release, before_states(plans[0])) if plans else None
        return FeaturePlan(feature=self.feature(feature).feature, environment=name, progress=come, plans=plans, refusals=tuple(refusals), back=back)

    def apply(self, feature: str, environment: str | None = None, *, to: str | None = None, everything: bool = False, auto_rollback: bool = True) -> Applying:
        """Perform the next release; up to and with `to`, or `everything` that is left. Nothing is done before the events are iterated over."""
        cancelled = threading.Event()
        return Applying(self._apply(feature, environment, to, everything, auto_rollback, cancelled), cancelled)

    def rollback(self, feature: str, environment: str | None = None, *, to: str | None = None) -> Applying:
        """Undo the last release that is in place; with `to`, everything after that release."""
        cancelled = threading.Event()
        return Applying(self._rollback(feature, environment, to, cancelled), cancelled)

    def verify(self, feature: str, environment: str | None = None, *, release: str | None = None) -> Applying:
        """Ask the gates of a release once more; of the last one that is done if none is named."""
        cancelled = threading.Event()
        return Applying(self._verify(feature, environment, release, cancelled), cancelled)

    def _apply(
        self, feature: str, environment: str | None, to: str | None, everything: bool, auto_rollback: bool, cancelled: threading.Event
    ) -> t.Generator[Event, None, Applied]:
        name, _environment = self.environment(environment)
        releases = self.feature(feature).parsed()
        if to is not None and to not in [release.name for release in releases]:
            raise InvalidInput(f"Feature {feature} has no release {to}", seen=", ".join(release.name for release in releases))
        outcomes: dict[str, Outcome] = {}
        with hold(self._state_directory(), name, " ".join(sys.argv)), self.ledger() as ledger:
            yield SurveyStarted(feature=feature, environment=name)
            surveyed = self.survey(feature, name, cancelled=cancelled)
            while True:
                planned = self.plan(feature, name, surveyed=surveyed)
                following = planned.progress.next
                if following is None or (to in outcomes) or (to and _is_done(planned.progress, to)) or (outcomes and not (to or everything)):
                    return Applied(outcomes=outcomes)
                if cancelled.is_set():
                    return Applied(outcomes={**outcomes, following.release.name: Outcome(state="cancelled", reasons=("cancelled before it was begun",))})
                if planned.refusals:
                    raise Refused(
                        f"Release {following.release.name} is refused, nothing was changed", seen="\n".join(spoken(refusal) for refusal in planned.refusals)
                    )
                conductor = self._conductor(feature, name, ledger, cancelled)
                yield self._started(following, releases, conductor.run)
                yield Planned(release=following.release.name, plan=planned.plans[0].as_mapping())
                hosts = concerned(following.release, surveyed.hosts)
                before = following.standing.before if following.standing.state not in {"none", *SETTLED} else before_states(planned.plans[0])
                intention = {"digest": following.release.digest(), "before": before, "hosts": hosts}
                outcome = yield from conductor.perform(following.release, following.standing, hosts, intention)
                outcomes[following.release.name] = outcome
                if not outcome.ok:
                    rolled_back = None
                    if outcome.state == "failed" and auto_rollback and not following.release.playbook:
                        rolled_back = (yield from self._undo(feature, conductor, following.release, releases, before, surveyed)) is not None
                    return Applied(outcomes=outcomes, rolled_back=rolled_back)
                surveyed = dataclasses.replace(surveyed, surveys={**surveyed.surveys, **conductor.surveys})

    def _rollback(self, feature: str, environment: str | None, to: str | None, cancelled: threading.Event) -> t.Generator[Event, None, Applied]:
        name, _environment = self.environment(environment)
        releases = self.feature(feature).parsed()
        if to is not None and to not in [release.name for release in releases]:
            raise InvalidInput(f"Feature {feature} has no release {to}", seen=", ".join(release.name for release in releases))
        outcomes: dict[str, Outcome] = {}
        with hold(self._state_directory(), name, " ".join(sys.argv)), self.ledger() as ledger:
            yield SurveyStarted(feature=feature, environment=name)
            surveyed = self.survey(feature, name, cancelled=cancelled)
            while True:
                come = self.plan(feature, name, surveyed=surveyed).progress
                if come.drift:
                    raise Refused("Ledger and hosts disagree, so it is not known what is to be undone", seen="\n".join(come.drift), todo="survey what is there")
                there = [one for one in come.releases if one.state in {"done", "unfinished", "failed"}]
                last = there[-1] if there else None
                if last is None or last.release.name == to or (outcomes and to is None):
                    return Applied(outcomes=outcomes, rolled_back=bool(outcomes))
                if not last.standing.before:
                    raise Refused(
                        f"What was there before {last.release.name} is not in the ledger, so the way back is not known",
                        todo="go back by hand, or release forward",
                    )
                conductor = self._conductor(feature, name, ledger, cancelled)
                undone = yield from self._undo(feature, conductor, last.release, releases, last.standing.before, surveyed)
                if undone is None:
                    obstacles = way_back(last.release, last.standing.before).obstacles
                    reasons = obstacles or ("the way back failed",)
                    state = "cancelled" if cancelled.is_set() else "failed"
                    return Applied(outcomes={**outcomes, last.release.name: Outcome(state=state, reasons=reasons)}, rolled_back=False)
                outcomes[last.release.name] = undone
                surveyed = self.survey(feature, name, cancelled=cancelled)

    def _undo(
        self,
        feature: str,
        conductor: Conductor,
        release: Release,
        releases: t.Sequence[Release],
        before: t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]],
        surveyed: Surveyed,
    ) -> t.Generator[Event, None, Outcome | None]:
        """Take the way back from `release`; None where there is none or it failed."""
        back = way_back(release, before)
        if back.release is None:
            yield ReleaseEnded(release=release.name, outcome="not rolled back", reasons=back.obstacles)
            return None
        earlier = releases[: [known.name for known in releases].index(release.name)]
        content = {
            "feature": self.feature(feature).feature,
            "releases": [*(known.as_mapping() for known in earlier), back.release.as_mapping()],
            "undoing": release.as_mapping(),
        }
        yield ReleaseStarted(release=release.name, why=back.release.why, position=len(earlier) + 1, total=len(releases), run=conductor.run)
        outcome = yield from conductor.roll_back(release, back.release, content, concerned(back.release, surveyed.hosts))
        return outcome if outcome.ok else None

    def _verify(self, feature: str, environment: str | None, release: str | None, cancelled: threading.Event) -> t.Generator[Event, None, Applied]:
        name, _environment = self.environment(environment)
        if release is None:
            done = [one.release.name for one in self.plan(feature, name).progress.releases if one.state == "done"]
            if not done:
                raise Refused(f"No release of {feature} is done in {name}, so there is nothing to verify", todo=f"surefoot apply {feature}")
            release = done[-1]
        with self.ledger() as ledger:
            conductor = self._conductor(feature, name, ledger, cancelled)
            outcome = yield from conductor.ask_gates(release)
        return Applied(outcomes={release: outcome})

    def _conductor(self, feature: str, environment: str, ledger: Ledger, cancelled: threading.Event) -> Conductor:
        run = uuid.uuid4().hex[:12]
        return Conductor(
            ansible=self._ansible(environment),
            ledger=ledger,
            environment=environment,
            feature=self.feature(feature).feature,
            run=run,
            variables={**self._variables(feature), "record_environment": environment, "record_run": run},
            watch=lambda: Watch(self.file.probes),
            cancelled=cancelled,
        )

    def _started(self, following: ReleaseProgress, releases: t.Sequence[Release], run: str) -> ReleaseStarted:
        position = [release.name for release in releases].index(following.release.name) + 1
        return ReleaseStarted(release=following.release.name, why=following.release.why, position=position, total=len(releases), run=run)

    def _variables(self, feature: str) -> dict[str, t.Any]:
        return {"feature": str(self.feature_path(feature)), "surefoot_project": str(self.path)}

    def _ansible(self, environment: str | None) -> Ansible:
        _name, known = self.environment(environment)
        return Ansible(root=self.root, inventory=(known.inventory,), arguments=self.ansible_arguments, environment=self.ansible_environment)

    def _state_directory(self) -> pathlib.Path:
        return self.root / ".surefoot"


def concerned(release: Release, hosts: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """The hosts a release touches."""
    return list(dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ())))


def before_states(plan: Plan) -> dict[str, dict[str, t.Mapping[str, t.Any]]]:
    """The state before a release by kind of step and host, as its plan found it."""
    return {step.kind: {host.host: dict(host.before) for host in step.hosts} for step in plan.steps}


def spoken(refusal: Refusal) -> str:
    """A refusal in one line."""
    parts = [f"{refusal.host}: {refusal.message}" if refusal.host else refusal.message]
    return "; ".join([*parts, *([f"found: {refusal.seen}"] if refusal.seen else []), *([f"next: {refusal.todo}"] if refusal.todo else [])])


def _status(feature: FeatureFile, known: t.Mapping[str, t.Mapping[str, Standing]]) -> dict[str, t.Any]:
    def standing(place: str, release: str) -> dict[str, str]:
        found = known[place].get(release, Standing())
        return {"state": found.state, "since": found.since}

    releases = [{"release": one.release, "environments": {place: standing(place, one.release) for place in known}} for one in feature.releases]
    return {"feature": feature.feature, "releases": releases}


def _is_done(come: Progress, name: str) -> bool:
    return any(one.release.name == name and one.state == "done" for one in come.releases)


def _last_error(messages: t.Sequence[str]) -> str | None:
    return next((message.strip() for message in reversed(messages) if "ERROR" in message), None)
