"""The project: an application, and everything that can be done with it. This is the API that the CLI uses too."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime as dt
import threading
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.plugin_utils import at_work
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal
from ansible_collections.surefoot.release.plugins.plugin_utils.lint import Finding
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from surefoot.application import Application
from surefoot.decisions import consult
from surefoot.events import Event
from surefoot.jobs import Applied, Job, Work
from surefoot.ledger.author import whoami
from surefoot.lock import Cancelled
from surefoot.planning import FeaturePlan, Survey, Surveyed, last_took, plan_feature, planned_artifacts
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded, RunEvent, why_none
from surefoot.policy import Objection, Request, Ruling
from surefoot.progress import Standing, standings
from surefoot.saved_plan import MOST_COMPARED, SavedPlan, Source, make_saved_plan, recent
from surefoot.states import IN_PLACE

if t.TYPE_CHECKING:
    from surefoot.ledger import Ledger


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
class Project(Application):
    """An application with its hosts, and what ansible is to be told besides.

    `limit` is a host pattern: only those of the hosts that match it, as with ansible-playbook. `lock_wait` is how many seconds to wait for another controller,
    `orphan_wait` for what a dead one left at work on hosts, and `command` what others are told who wait for this one; the call itself if left out.
    """

    limit: str | None = None
    command: str | None = None
    lock_wait: float = 0.0
    orphan_wait: float = 60.0
    ansible_arguments: tuple[str, ...] = ()
    ansible_environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def survey(self, feature: str, environment: str | None = None, *, cancelled: threading.Event | None = None, artifacts: t.Collection[str] = ()) -> Surveyed:
        """Read what every host of the feature holds, and of these versions of the application the digests of their `artifacts`, where the controller knows.

        Raises Refused when no host at all can be surveyed.
        """
        self.feature(feature)
        variables = {**self.variables(feature), **({"survey_artifacts": list(artifacts)} if artifacts else {})}
        return self.understand(self.ansible(environment).run("survey", variables, cancelled=cancelled), cancelled=cancelled)

    def understand(self, events: t.Iterable[RunEvent], *, cancelled: threading.Event | None = None) -> Surveyed:
        """What the hosts of a feature hold, by what was told while they were surveyed. Raises Refused when that was no host at all."""
        surveys: dict[str, Survey] = {}
        hosts: dict[str, t.Sequence[str]] = {}
        asked: dict[str, t.Mapping[str, t.Any]] = {}
        known: dict[str, str] = {}
        busy: dict[str, t.Sequence[t.Mapping[str, t.Any]]] = {}
        failures: list[str] = []
        messages: list[str] = []
        for event in events:
            if isinstance(event, HostAnswered) and event.result.get("survey"):
                surveys[event.host] = event.result["survey"]
                hosts = dict(event.result.get("hosts") or hosts)
                asked[event.host] = event.result.get("asked") or {}
                known |= event.result.get("artifacts") or {}
                busy |= {event.host: steps} if (steps := event.result.get("at_work")) else {}
            elif isinstance(event, HostAnswered) and event.state in {"failed", "unreachable"}:
                failures.append(f"{event.host}: {str(event.result.get('msg')).strip()}")
            elif isinstance(event, RunEnded) and not (surveys or (cancelled and cancelled.is_set())):
                seen = "; ".join(failures) or why_none(messages) or event.status
                raise Refused("No host could be surveyed", seen=seen, todo="check the inventory and the hosts")
            elif isinstance(event, Output):
                messages.append(event.text)
        if cancelled and cancelled.is_set():
            raise Cancelled("Cancelled while the hosts were surveyed; nothing was begun")
        if self.limit:
            hosts = {kind: [host for host in group if host in surveys] for kind, group in hosts.items()}
        found = Surveyed(surveys=surveys, hosts=hosts, failures=tuple(failures), limited=bool(self.limit), artifacts=known, asked=asked)
        return dataclasses.replace(found, at_work=busy)

    def survey_to_plan(self, feature: str, environment: str, ledger: Ledger, *, cancelled: threading.Event | None = None) -> Surveyed:
        """A survey with the digests of the artifacts of the releases that are not in place by the ledger."""
        return self.survey(feature, environment, cancelled=cancelled, artifacts=self.versions_to_come(feature, environment, ledger))

    def versions_to_come(self, feature: str, environment: str, ledger: Ledger) -> list[str]:
        """The versions of the releases that are not in place by the ledger."""
        known = self.standings(feature, environment, ledger)
        versions = [one.staged_version for one in self.feature(feature).parsed() if known[one.name].state not in IN_PLACE]
        return list(dict.fromkeys(filter(None, versions)))

    def plan(self, feature: str, environment: str | None = None, *, surveyed: Surveyed | None = None) -> FeaturePlan:
        """What would be done next, on which hosts and why, what stands in its way, and how long it took the last time. Changes nothing."""
        name, _environment = self.environment(environment)
        with self.ledger() as ledger:
            found = surveyed or self.survey_to_plan(feature, name, ledger)
            planned = self.plan_of(feature, name, found, ledger)
            if not planned.plans:
                return planned
            ruling = self.ruling(planned.plans[0].release, name, found, ledger)
            busy = tuple(Objection(kind="at_work", **dataclasses.asdict(refusal)) for refusal in at_work.refusals(found.at_work))
            ruling = dataclasses.replace(ruling, refusals=(*busy, *ruling.refusals))
            return dataclasses.replace(planned, ruling=ruling, took=last_took(ledger.entries(name, kinds={"released"}, limit=MOST_COMPARED)))

    def plan_of(self, feature: str, environment: str, found: Surveyed, ledger: Ledger) -> FeaturePlan:
        """The plan by what was surveyed and by the ledger, without what people and the calendar have to say."""
        releases = self.feature(feature).parsed()
        planned = plan_feature(releases[0].feature, environment, releases, found, _standings(releases, environment, ledger))
        lost = older_copy(ledger)
        refusals = (*lost, *barred(self.findings(releases), planned), *planned.refusals)
        return dataclasses.replace(planned, refusals=refusals, disagreements=(*lost, *planned.disagreements))

    def ruling(self, release: Release, environment: str, found: Surveyed, ledger: Ledger, *, plan: str | None = None) -> Ruling:
        """Whether people and the calendar let a release go to an environment now, as part of the saved plan with the digest `plan`."""
        request = Request(
            environment=environment,
            feature=release.feature,
            release=release.name,
            digest=release.digest(),
            by=whoami(),
            plan=plan,
            artifacts=planned_artifacts(release, found),
        )
        return consult(ledger, request, self.file.environments[environment], dt.datetime.now(dt.UTC))

    def standings(self, feature: str, environment: str, ledger: Ledger) -> t.Mapping[str, Standing]:
        """The ledger's last word on each release of a feature in an environment."""
        return _standings(self.feature(feature).parsed(), environment, ledger)

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
        with contextlib.nullcontext(ledger) if ledger else self.ledger() as opened:
            found = surveyed or self.survey_to_plan(feature, name, opened)
            planned = self.plan_of(feature, name, found, opened)
            known = recent(opened, name, MOST_COMPARED) if releases else recent(opened, name)
        wanted = [one for one in planned.plans if one.release.name in releases] if releases else list(planned.plans)[: None if everything else 1]
        if planned.refusals and not releases:
            raise Refused(
                "A plan that would be refused is not saved", seen="\n".join(refusal.message for refusal in planned.refusals), todo="see surefoot plan"
            )
        if not wanted and not releases:
            raise Refused(f"Nothing is left to do of {feature} in {name}, so there is nothing to save")
        source = Source(root=self.root, project=self.file, feature=self.feature(feature))
        return make_saved_plan(source, name, wanted, found=found, ledger=known, now=dt.datetime.now(dt.UTC))

    def apply(
        self,
        feature: str,
        environment: str | None = None,
        *,
        to: str | None = None,
        everything: bool = False,
        auto_rollback: bool = True,
        without_way_back: bool = False,
        saved: SavedPlan | None = None,
    ) -> Applying:
        """Perform the next release; up to and with `to`, `everything` that is left, or just what a `saved` plan holds.

        A release from which there is no way back waits, unless `without_way_back`. Nothing is done before the events are iterated over.
        """
        job = self._job("apply", feature, environment)
        work = job.apply(to=to, everything=everything, auto_rollback=auto_rollback, saved=saved, without_way_back=without_way_back)
        return Applying(work, job.cancelled)

    def rollback(self, feature: str, environment: str | None = None, *, to: str | None = None) -> Applying:
        """Undo the last release that is in place; with `to`, everything after that release. Raises Refused for a project with a limit."""
        job = self._job("rollback", feature, environment)
        if self.limit:
            bring_up = f"surefoot apply {feature} -E {job.environment} --all --limit {self.limit}"
            raise Refused(
                "A release is rolled back on all hosts or on none: it would still be in place on the others, and be called rolled back",
                seen=f"--limit {self.limit}",
                todo=f"roll back without --limit; to bring hosts up: {bring_up}",
            )
        return Applying(job.roll_back(to=to), job.cancelled)

    def adopt(self, feature: str, environment: str | None = None, *, release: str, because: str) -> Applying:
        """Accept what the hosts hold as the state after `release`, with a reason. Changes nothing on hosts but their receipts.

        Raises Refused for a project with a limit, and when it is iterated over where hosts do not hold that.
        """
        job = self._job("adopt", feature, environment)
        if self.limit:
            message = "What is there is accepted on all hosts or on none"
            raise Refused(message, seen=f"--limit {self.limit}", todo="adopt it without --limit; hosts that are behind are brought up with apply")
        return Applying(job.adopt(release, because=because), job.cancelled)

    def verify(self, feature: str, environment: str | None = None, *, release: str | None = None) -> Applying:
        """Ask the gates of a release once more; of the last one that is done if none is named."""
        job = self._job("verify", feature, environment)
        return Applying(job.verify(release), job.cancelled)

    def variables(self, feature: str) -> dict[str, t.Any]:
        """What every playbook of ours is told."""
        return {"feature": str(self.feature_path(feature)), "surefoot_project": str(self.path)}

    def ansible(self, environment: str | None) -> Ansible:
        """How ansible is called for an environment."""
        _name, known = self.environment(environment)
        inventory, arguments = (known.inventory,), self.ansible_arguments
        return Ansible(root=self.root, inventory=inventory, arguments=arguments, limit=self.limit, environment=self.ansible_environment)

    def _job(self, call: str, feature: str, environment: str | None) -> Job:
        name, _environment = self.environment(environment)
        command = self.command or f"Project.{call}({feature!r}, {name!r})"
        return Job(
            project=self,
            feature=feature,
            environment=name,
            cancelled=threading.Event(),
            command=command,
            lock_wait=self.lock_wait,
            orphan_wait=self.orphan_wait,
        )


def older_copy(ledger: Ledger) -> tuple[Refusal, ...]:
    """A refusal where the ledger has lost entries that this machine wrote."""
    todo = "bring the newer copy back; if it is lost, look at what the hosts hold with surefoot survey, then remove that file"
    return tuple(Refusal(message=finding.message, todo=todo) for finding in ledger.older_copy())


def barred(findings: t.Iterable[Finding], planned: FeaturePlan) -> tuple[Refusal, ...]:
    """What lint found that keeps the releases that have not been begun from beginning; what is under way is not held up by it."""
    to_begin = {one.release.name for one in planned.progress.releases if one.state == "pending"}
    told = [finding for finding in findings if finding.barring and (to_begin if finding.release is None else finding.release in to_begin)]
    return tuple(Refusal(message=f"{finding.release} {finding.message}" if finding.release else finding.message, todo=_LINT) for finding in told)


_LINT = "correct it; surefoot lint says whether all is well"


def _standings(releases: t.Sequence[Release], environment: str, ledger: Ledger) -> dict[str, Standing]:
    known = standings(ledger.entries(environment=environment, feature=releases[0].feature))
    return {release.name: known.get(release.name, Standing()) for release in releases}
