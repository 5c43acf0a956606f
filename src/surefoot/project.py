"""The project: surefoot.yml with its features, and everything that can be done with them. This is the API that the CLI uses too."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime as dt
import pathlib
import threading
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, SurefootError
from ansible_collections.surefoot.release.plugins.plugin_utils.lint import Finding, lint
from surefoot.events import Event
from surefoot.jobs import Applied, Job, Work
from surefoot.ledger import Entry, Ledger
from surefoot.loading import load_feature, load_project
from surefoot.models import Environment, FeatureFile, ProjectFile
from surefoot.planning import FeaturePlan, Survey, Surveyed, plan_feature
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded
from surefoot.progress import Standing, standings
from surefoot.saved_plan import MOST_COMPARED, SavedPlan, Source, make_saved_plan, recent


class Cancelled(SurefootError):
    """The work was cancelled before anything was begun."""


class Applying(collections.abc.Iterator[Event]):
    """Releases going on. Iterate over the events to move on; `result` is there at the end; `cancel()` from anywhere stops the work."""

    def __init__(self, work: Work, cancelled: threading.Event) -> None:
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
    """An application: its project file, the directory it is in, and what ansible is to be told besides.

    `limit` is a host pattern: only those of the hosts that match it, as with ansible-playbook. `lock_wait` is how many seconds to wait for another controller.
    """

    file: ProjectFile
    root: pathlib.Path
    path: pathlib.Path
    limit: str | None = None
    lock_wait: float = 0.0
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
        self.feature(feature)
        surveys: dict[str, Survey] = {}
        hosts: dict[str, t.Sequence[str]] = {}
        failures: list[str] = []
        messages: list[str] = []
        for event in self.ansible(environment).run("survey", self.variables(feature), cancelled=cancelled):
            if isinstance(event, HostAnswered) and event.result.get("survey"):
                surveys[event.host] = event.result["survey"]
                hosts = dict(event.result.get("hosts") or hosts)
            elif isinstance(event, HostAnswered) and event.state in {"failed", "unreachable"}:
                failures.append(f"{event.host}: {str(event.result.get('msg')).strip()}")
            elif isinstance(event, RunEnded) and cancelled is not None and cancelled.is_set():
                raise Cancelled("Cancelled while the hosts were surveyed; nothing was begun")
            elif isinstance(event, RunEnded) and not surveys:
                seen = "; ".join(failures) or _last_error(messages) or event.status
                raise Refused("No host could be surveyed", seen=seen, todo="check the inventory and the hosts")
            elif isinstance(event, Output):
                messages.append(event.text)
        if self.limit:
            hosts = {kind: [host for host in group if host in surveys] for kind, group in hosts.items()}
        return Surveyed(surveys=surveys, hosts=hosts, failures=tuple(failures), limited=bool(self.limit))

    def plan(self, feature: str, environment: str | None = None, *, surveyed: Surveyed | None = None) -> FeaturePlan:
        """What would be done next, on which hosts and why. Changes nothing."""
        name, _environment = self.environment(environment)
        releases = self.feature(feature).parsed()
        found = surveyed or self.survey(feature, name)
        with self.ledger() as ledger:
            known = self.standings(feature, name, ledger)
        return plan_feature(self.feature(feature).feature, name, releases, found, known)

    def standings(self, feature: str, environment: str, ledger: Ledger) -> t.Mapping[str, Standing]:
        """The ledger's last word on each release of a feature in an environment."""
        known = standings(ledger.entries(environment=environment, feature=self.feature(feature).feature))
        return {release.name: known.get(release.name, Standing()) for release in self.feature(feature).parsed()}

    def saved_plan(
        self,
        feature: str,
        environment: str | None = None,
        *,
        releases: t.Sequence[str] = (),
        everything: bool = False,
        surveyed: Surveyed | None = None,
        ledger: Ledger | None = None,
    ) -> SavedPlan:
        """A plan to keep, to have approved and to apply as it is: of the next release, of all with `everything`, or of those named. Raises Refused."""
        name, _environment = self.environment(environment)
        found = surveyed or self.survey(feature, name)
        planned = self.plan(feature, name, surveyed=found)
        wanted = [one for one in planned.plans if one.release.name in releases] if releases else list(planned.plans)[: None if everything else 1]
        if planned.refusals and not releases:
            raise Refused(
                "A plan that would be refused is not saved", seen="\n".join(refusal.message for refusal in planned.refusals), todo="see surefoot plan"
            )
        if not wanted and not releases:
            raise Refused(f"Nothing is left to do of {feature} in {name}, so there is nothing to save")
        with contextlib.nullcontext(ledger) if ledger else self.ledger() as opened:
            known = recent(opened, name, MOST_COMPARED) if releases else recent(opened, name)
        source = Source(root=self.root, project=self.file, feature=self.feature(feature))
        return make_saved_plan(source, name, wanted, surveys=found.surveys, hosts=found.hosts, ledger=known, now=dt.datetime.now(dt.UTC))

    def apply(
        self,
        feature: str,
        environment: str | None = None,
        *,
        to: str | None = None,
        everything: bool = False,
        auto_rollback: bool = True,
        saved: SavedPlan | None = None,
    ) -> Applying:
        """Perform the next release; up to and with `to`, `everything` that is left, or just what a `saved` plan holds.

        Nothing is done before the events are iterated over.
        """
        job = self._job(feature, environment)
        return Applying(job.apply(to=to, everything=everything, auto_rollback=auto_rollback, saved=saved), job.cancelled)

    def rollback(self, feature: str, environment: str | None = None, *, to: str | None = None) -> Applying:
        """Undo the last release that is in place; with `to`, everything after that release."""
        job = self._job(feature, environment)
        return Applying(job.roll_back(to=to), job.cancelled)

    def verify(self, feature: str, environment: str | None = None, *, release: str | None = None) -> Applying:
        """Ask the gates of a release once more; of the last one that is done if none is named."""
        job = self._job(feature, environment)
        return Applying(job.verify(release), job.cancelled)

    def variables(self, feature: str) -> dict[str, t.Any]:
        """What every playbook of ours is told."""
        return {"feature": str(self.feature_path(feature)), "surefoot_project": str(self.path)}

    def ansible(self, environment: str | None) -> Ansible:
        """How ansible is called for an environment."""
        _name, known = self.environment(environment)
        inventory, arguments = (known.inventory,), self.ansible_arguments
        return Ansible(root=self.root, inventory=inventory, arguments=arguments, limit=self.limit, environment=self.ansible_environment)

    @property
    def state_directory(self) -> pathlib.Path:
        """Where this machine keeps what is its own: locks, and by default the ledger."""
        return self.root / ".surefoot"

    def _job(self, feature: str, environment: str | None) -> Job:
        name, _environment = self.environment(environment)
        return Job(project=self, feature=feature, environment=name, cancelled=threading.Event(), lock_wait=self.lock_wait)


def _status(feature: FeatureFile, known: t.Mapping[str, t.Mapping[str, Standing]]) -> dict[str, t.Any]:
    def standing(place: str, release: str) -> dict[str, str]:
        found = known[place].get(release, Standing())
        return {"state": found.state, "since": found.since}

    releases = [{"release": one.release, "environments": {place: standing(place, one.release) for place in known}} for one in feature.releases]
    return {"feature": feature.feature, "releases": releases}


def _last_error(messages: t.Sequence[str]) -> str | None:
    return next((message.strip() for message in reversed(messages) if "ERROR" in message), None)
