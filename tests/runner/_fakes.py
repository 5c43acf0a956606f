"""A world without Ansible: hosts that are mappings, and an Ansible that does on them what playbooks would, or what a test says instead."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import datetime as dt
import json
import os
import pathlib
import threading
import time
import typing as t

import yaml

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.plugin_utils import heartbeat
from ansible_collections.surefoot.release.plugins.plugin_utils.awaited import awaited
from surefoot import Project
from surefoot.events import Event, ReleaseEnded
from surefoot.playbooks import HostAnswered, Output, RunEnded, RunEvent, TaskStarted

KINDS = ("migrate", "install", "restart", "flush_cache", "enable_feature")
FEATURE: t.Sequence[t.Mapping[str, t.Any]] = (
    {"release": "table", "why": "Room for reviews", "migrate": {"version": "2.0.0", "to": "0002"}},
    {"release": "api", "install": {"version": "2.0.0"}, "restart": {}},
    {"release": "staff", "enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}}},
)


ASKED = {"receipt": "/var/lib/surefoot/shop.json"}


class Died(BaseException):
    """The runner was killed: nothing after this line happens, and no code of ours tidies up."""


def survey(live: str = "1.0.0") -> dict[str, t.Any]:
    """A healthy host of a shop, as release_info tells."""
    return {
        "receipt": None,
        "artifacts": {"path": "/srv/shop", "live": {"version": live, "sha256": "0", "since": 1.0}, "staged": [{"version": live}], "problem": None},
        "service": {"name": "shop", "running": True, "pid": 1, "started_at": 2.0, "version": live, "stale": False, "reason": f"it runs {live}"},
        "pool": {"state": "in_pool", "reason": ""},
        "migrations": {"readable": True, "reason": "", "current": ["0001"], "applied": ["0001"], "pending": ["0002"], "drift": []},
        "cache": None,
        "flag": {"flag": "reviews", "audience": None, "foreign": False, "reason": ""},
    }


@dataclasses.dataclass
class World:
    """Three hosts. `instead` maps a playbook, or a playbook and its release (`release api`), to what happens in its place; `once` does so for one run."""

    hosts: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=lambda: {name: survey() for name in ("h1", "h2", "h3")})
    runs: list[tuple[str, dict[str, t.Any]]] = dataclasses.field(default_factory=list)
    instead: dict[str, t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]] = dataclasses.field(default_factory=dict)
    once: dict[str, t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]] = dataclasses.field(default_factory=dict)
    artifacts: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the controller has for each version."""
    at_work: dict[str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    """The steps that hosts say are at work there."""
    lock_lost: threading.Event = dataclasses.field(default_factory=threading.Event)
    """From when this is set, the lock is another's."""

    def planned(self) -> dict[str, list[str]]:
        """The hosts by kind of step."""
        return {kind: list(self.hosts)[:1] if kind == "migrate" else list(self.hosts) for kind in KINDS}

    def played(self) -> list[str]:
        """The playbooks that were run, without surveys."""
        return [name for name, _variables in self.runs if name not in {"survey", "lock"}]

    def play(self, playbook: str, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        self.runs.append((playbook, variables))
        name = f"{playbook} {variables.get('release')}"
        other = self.once.pop(name, None) or self.instead.get(name) or self.instead.get(playbook)
        yield from other(self, variables) if other else self.as_usual(playbook, variables)

    def as_usual(self, playbook: str, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        """What the playbook of this name does when nothing goes wrong."""
        if playbook == "lock":
            yield from self.kept(variables)
        elif playbook == "survey":
            yield from self.surveyed(variables.get("survey_artifacts", ()))
        elif playbook == "adopt":
            yield from self.adopted(variables)
        elif playbook == "verify":
            yield gate("passed")
            yield ended(list(self.hosts))
        else:
            yield from self.released(variables, outcome="rolled_back" if playbook == "rollback" else "verified")

    def kept(self, variables: t.Mapping[str, t.Any]) -> t.Iterator[RunEvent]:
        """The lock, free, and kept until its holder ends or another has it; or just given back, by a run of its own."""
        if variables["lock_tasks"] == "keep":
            yield answer("h1", "lock", {"lock": {"token": variables["lock_token"]}, "reason": "it was free"})
            heart = pathlib.Path(variables["lock_heart"])
            while heart.exists() and not self.lock_lost.is_set():
                with contextlib.suppress(FileNotFoundError):
                    os.utime(heart, (heartbeat.clock(), heartbeat.clock()))
                time.sleep(0.001)
        lost = {"lost": True, "msg": "lost", "error": {"seen": "it is held by bob"}}
        yield answer("h1", "lock", lost, "failed") if self.lock_lost.is_set() else answer("h1", "lock", {"lock": None, "reason": "released"})
        yield ended(["h1"])

    def surveyed(self, versions: t.Sequence[str] = ()) -> t.Iterator[RunEvent]:
        known = {version: self.artifacts[version] for version in versions if version in self.artifacts}
        for name, found in self.hosts.items():
            told = {"survey": copy.deepcopy(found), "hosts": self.planned(), "asked": ASKED, "at_work": copy.deepcopy(self.at_work.get(name, []))}
            yield answer(name, "Survey the host", {**told, **({"artifacts": known} if known else {})})
            known = {}
        yield ended(list(self.hosts))

    def released(self, variables: dict[str, t.Any], *, outcome: str = "verified", upto: str | None = None, record: bool = True) -> t.Iterator[RunEvent]:
        """Do the steps of a release, up to a kind of step where it is killed, then write receipts."""
        feature = variables.get("surefoot_feature_content") or yaml.safe_load(pathlib.Path(variables["feature"]).read_text())
        release = next(one for one in feature["releases"] if one["release"] == variables["release"])
        kinds = [kind for kind in KINDS if kind in release]
        names = list(dict.fromkeys(name for kind in kinds for name in self.planned()[kind]))
        for kind in kinds:
            yield TaskStarted(name=kind, role=kind, play=kind.capitalize())
            for name in self.planned()[kind]:
                self.do(kind, name, release[kind])
                yield answer(name, kind, {"changed": True, "step": step(kind)})
            if kind == upto:
                raise Died
        yield gate("passed")
        for name in names if record else ():
            receipt = self.hosts[name]["receipt"] or {"releases": []}
            entry = {"feature": feature["feature"], "release": release["release"], "outcome": outcome}
            live = (self.hosts[name]["artifacts"]["live"] or {}).get("version")
            self.hosts[name]["receipt"] = {**receipt, "live_version": live, "releases": [*receipt["releases"], entry]}
            yield answer(name, "Record", {"survey": copy.deepcopy(self.hosts[name]), "asked": ASKED, "step": step("receipt"), "changed": True})
        yield ended(names)

    def adopted(self, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        """Write receipts of what is there, as the module does."""
        feature = yaml.safe_load(pathlib.Path(variables["feature"]).read_text())["feature"]
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        for name, found in self.hosts.items():
            for told in (*variables["record_also"], {"release": variables["release"], "outcome": variables["record_outcome"]}):
                receipt = found["receipt"] or {"releases": []}
                entry = {"feature": feature, "release": told["release"], "outcome": told["outcome"], "run": variables["record_run"], "at": at}
                live = (found["artifacts"]["live"] or {}).get("version")
                found["receipt"] = {**receipt, "live_version": live, "releases": [*receipt["releases"], entry]}
            yield answer(name, "Record", {"survey": copy.deepcopy(found), "asked": ASKED, "step": step("receipt"), "changed": True})
        yield ended(list(self.hosts))

    def do(self, kind: str, name: str, given: t.Mapping[str, t.Any]) -> None:
        found = self.hosts[name]
        if given.get("version"):
            held = {"version": given["version"], "sha256": self.artifacts.get(given["version"])}
            found["artifacts"]["staged"] = [*(one for one in found["artifacts"]["staged"] if one["version"] != held["version"]), held]
        if kind == "migrate":
            for host in self.hosts.values():
                host["migrations"]["current"] = [given["to"]]
        elif kind == "install":
            found["artifacts"]["live"] = {"version": given["version"], "sha256": "0", "since": 3.0}
        elif kind == "restart":
            found["service"].update(version=found["artifacts"]["live"]["version"], running=True, stale=False)
        elif kind == "enable_feature":
            found["flag"]["audience"] = None if given.get("state") == "absent" else given["audience"]

    def live(self) -> set[str]:
        return {host["artifacts"]["live"]["version"] for host in self.hosts.values()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FakeAnsible:
    """Stands where surefoot.playbooks.Ansible would."""

    root: pathlib.Path
    inventory: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    limit: str | None = None
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    worlds: t.ClassVar[dict[pathlib.Path, World]] = {}

    def run(
        self,
        playbook: str,
        variables: t.Mapping[str, t.Any],
        *,
        documents: t.Mapping[str, t.Any] | None = None,
        cancelled: threading.Event | None = None,
        check: bool = False,
    ) -> t.Iterator[RunEvent]:
        world, given = self.worlds[self.root], {**variables, **(documents or {})}
        for event in _early(world, given, cancelled) if "survey_begin" in given else world.play(playbook, given):
            if cancelled is not None and cancelled.is_set():
                yield RunEnded(status="canceled", rc=254, stats=None)
                return
            yield event


def _early(world: World, given: dict[str, t.Any], cancelled: threading.Event) -> t.Iterator[RunEvent]:
    """A run of a release that was started early: a survey once it is told to begin, and the release once it is told that it may begin."""
    variables = {name: value for name, value in given.items() if name not in {"survey_begin", "survey_decided", "record_live_before"}}
    artifacts = _said(given["survey_begin"], cancelled).get("artifacts")
    answered = False
    for event in world.play("survey", {**variables, **({"survey_artifacts": artifacts} if artifacts else {})}) if artifacts is not None else ():
        if isinstance(event, RunEnded) and answered:
            break
        answered = answered or (isinstance(event, HostAnswered) and event.state == "ok")
        yield event
    if not answered:
        yield RunEnded(status="canceled", rc=254, stats=None)
        return
    yield TaskStarted(name="Decide what the release has to do", role="survey", play="Survey")
    decision = _said(given["survey_decided"], cancelled)
    if decision:
        live_before = json.loads(pathlib.Path(given["record_live_before"]).read_text())
        reversible = {"migrate_reversible_only": True} if decision["reversible_only"] else {}
        yield from world.play("release", {**variables, **reversible, "release": decision["release"], "record_live_before": live_before})
    else:
        yield RunEnded(status="canceled", rc=254, stats=None)


def _said(path: str, cancelled: threading.Event) -> dict[str, t.Any]:
    def pause(_seconds: float) -> None:
        if cancelled.is_set():
            raise Refused("cancelled")
        time.sleep(0.001)

    try:
        return t.cast("dict[str, t.Any]", awaited(path, sleep=pause))
    except Refused:
        return {}


def step(kind: str, reason: str = "it was needed") -> dict[str, t.Any]:
    return {"kind": kind, "needed": True, "reason": reason, "before": {}, "after": {}, "impact": {}, "undo": None, "reversible": True, "duration_ms": 5}


def answer(host: str, task: str, result: t.Mapping[str, t.Any], state: str = "ok") -> HostAnswered:
    return HostAnswered(host=host, task=task, role=None, state=state, result=result)


def gate(verdict: str, seen: str = "status 200") -> HostAnswered:
    told = {"name": "smoke", "verdict": verdict, "seen": seen, "waited": 0.1}
    state = "ok" if verdict == "passed" else "failed"
    return answer("h1", "Ask every gate", {"gate": told, "msg": f"Gate smoke is {verdict}; found: {seen}"}, state)


def ended(hosts: t.Sequence[str], *, failed: t.Sequence[str] = (), lost: t.Sequence[str] = ()) -> RunEnded:
    stats = {"processed": dict.fromkeys(hosts, 1), "failures": dict.fromkeys(failed, 1), "dark": dict.fromkeys(lost, 1), "rescued": {}, "ignored": {}}
    bad = bool(failed or lost)
    return RunEnded(status="failed" if bad else "successful", rc=2 if bad else 0, stats=stats)


def failing(host: str, message: str, *, after: str | None = None, kind: str = "StepFailed") -> t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]:
    """A run in which a task fails on a host, with an error of this kind; with `after`, once that kind of step was done everywhere."""

    def happens(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        try:
            if after:
                yield from world.released(variables, upto=after)
        except Died:
            pass
        yield answer(host, "Restart", {"msg": message, "error": {"kind": kind, "message": message, "seen": None, "todo": None}}, "failed")
        yield ended(list(world.hosts), failed=[host])

    return happens


def judging(*verdicts: str) -> t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]:
    """A release whose steps are done and whose gates then give these verdicts."""

    def happens(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        yield from (event for event in world.released(variables, record=False) if not (isinstance(event, RunEnded) or "gate" in getattr(event, "result", {})))
        for verdict in verdicts:
            yield gate(verdict, f"it was {verdict}")
        yield ended(list(world.hosts), failed=["h1"])

    return happens


def dying(upto: str) -> t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]:
    """A run during which the runner is killed, right after a kind of step."""
    return lambda world, variables: world.released(variables, upto=upto)


def saying(text: str) -> Output:
    return Output(text=text)


# What tests ask of a project, and what they do to it.


def kinds(project: Project) -> list[str]:
    """Release and kind of each entry of its ledger."""
    return [f"{entry.release} {entry.kind}" for entry in project.history()]


def standing(project: Project) -> dict[str, str]:
    """Where each release stands by its ledger."""
    (feature,) = project.status()
    return {release["release"]: release["environments"]["test"]["state"] for release in feature["releases"]}


def ended_as(events: t.Iterable[Event]) -> list[tuple[str, str]]:
    """How each release ended."""
    return [(event.release, event.outcome) for event in events if isinstance(event, ReleaseEnded)]


def has_receipts(world: World) -> None:
    """Do the first release without a runner."""
    list(world.released({"surefoot_feature_content": {"feature": "reviews", "releases": list(FEATURE)}, "release": "table"}))
