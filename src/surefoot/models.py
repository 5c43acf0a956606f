"""surefoot.yml and feature files as models: what may be written, with its defaults. Reading them from disk is `surefoot.loading`."""

from __future__ import annotations

import collections
import difflib
import typing as t

from pydantic import Discriminator, Field, Tag, model_validator

from ansible_collections.surefoot.release.plugins.plugin_utils import release as core
from ansible_collections.surefoot.release.plugins.plugin_utils.scope import parse_feature
from surefoot.fields import Batch, Duration, Fraction, Line, Many, Migration, Model, Name, Percentage, Plain, Some, Text, Url, Version
from surefoot.freeze import Freeze
from surefoot.ledger import DEFAULT_URL


class HttpGate(Model):
    """What an HTTP server must answer."""

    url: Url = Field(description="What to ask for; variables of the inventory may be used")
    method: t.Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[Text, str] = Field(default={}, description="Headers to send")
    body: str | None = Field(default=None, description="A body to send")
    expect: int = Field(default=200, ge=100, le=599, description="The status that passes")
    contains: Text | None = Field(default=None, description="Text the answer must contain")
    lacks: Text | None = Field(default=None, description="Text the answer must not contain")
    follow_redirects: bool = Field(default=False, description="Whether to follow redirects instead of judging them")
    validate_certs: bool = Field(default=True, description="Whether certificates must be valid")


class Gate(Model):
    """A check with a verdict, of exactly one kind."""

    later: t.ClassVar[frozenset[str]] = frozenset({"prometheus", "count", "success_condition", "failure_condition", "failure_limit", "inconclusive_limit"})

    name: Line | None = Field(default=None, description="What it is called in output; gates under gates have their key for it")
    http: HttpGate | None = Field(default=None, description="Ask an HTTP server")
    command: Some[Text] | None = Field(default=None, description="Run a program with its arguments; exit code 0 passes")
    chdir: Text | None = Field(default=None, description="The directory the command runs in")
    timeout: Duration = Field(default=10.0, description="How long it may take to pass")
    interval: Duration = Field(default=0.2, description="How long to wait between two looks of an http gate")

    @model_validator(mode="after")
    def _one_kind(self) -> t.Self:
        if (self.http is None) == (self.command is None):
            raise ValueError("A gate is of one kind: http or command")
        if self.chdir is not None and self.command is None:
            raise ValueError("chdir goes with command")
        if self.timeout <= 0:
            raise ValueError("A gate needs time: its timeout is above 0s")
        return self


def _gate_form(value: t.Any) -> str:
    return "name" if isinstance(value, str) else "gate"


GateUse = t.Annotated[t.Annotated[Line, Tag("name")] | t.Annotated[Gate, Tag("gate")], Discriminator(_gate_form)]
"""A gate by the name it has in surefoot.yml, or written in place."""


class Migrate(Model):
    """Bring the database to a migration, out of an artifact that need not be live."""

    version: Version = Field(description="The artifact the migrations come out of")
    to: Migration | None = Field(default=None, description="The migration to stand at; the newest of the artifact if left out")
    state: t.Literal["migrated", "reverted"] = Field(default="migrated", description="reverted goes back to the migration under to")

    @model_validator(mode="after")
    def _back_to_where(self) -> t.Self:
        if self.state == "reverted" and self.to is None:
            raise ValueError("A migration that is reverted needs to: the migration to go back to")
        return self


class Install(Model):
    """Make an artifact live."""

    version: Version = Field(description="The artifact")


class Restart(Model):
    """Restart, batch by batch, what runs an older version than the live one."""

    batches: Some[Batch] = Field(default=core.DEFAULT_BATCHES, description="How many hosts at a time, numbers or percentages; the last one repeats")
    verify: Many[GateUse] = Field(default=(), description="Gates between two batches")


class FlushCache(Model):
    """Drop cached entries whose shape has changed."""

    prefix: Plain = Field(description="What the keys to drop begin with")


class Audience(Model):
    """Whom a feature is open to."""

    everyone: bool = False
    nobody: bool = False
    groups: Many[Plain] = ()
    users: Many[Plain] = ()
    percentage: Percentage | None = Field(default=None, description="A share of users, the same ones each time")

    @model_validator(mode="after")
    def _somebody(self) -> t.Self:
        chosen = [self.everyone, self.nobody, bool(self.groups or self.users or self.percentage is not None)]
        if sum(chosen) != 1:
            raise ValueError("An audience is everyone: true, or nobody: true, or groups, users and a percentage")
        return self


class EnableFeature(Model):
    """Open a feature to an audience."""

    flag: t.Annotated[Plain, Field(max_length=200)] = Field(description="The flag that guards the feature")
    audience: Audience | None = Field(default=None, description="Whom it is open to afterwards")
    ramp: Some[Fraction] | None = Field(default=None, description="Open it by these shares, one after the other")
    each: Duration | None = Field(default=None, description="How long each share of the ramp stays, with gates watching")
    state: t.Literal["present", "absent"] = Field(default="present", description="absent takes the flag away")

    @model_validator(mode="after")
    def _one_way_to_open(self) -> t.Self:
        if (self.state == "present") != (self.audience is not None):
            raise ValueError("enable_feature needs an audience, and with state: absent it has none")
        if (self.ramp is None) != (self.each is None):
            raise ValueError("ramp and each go together: the shares, and how long each stays")
        if self.ramp is not None:
            if self.audience is None or not self.audience.everyone:
                raise ValueError("A ramp leads to audience: {everyone: true}")
            if list(self.ramp) != sorted(set(self.ramp)) or not self.ramp[0] or self.ramp[-1] != 1:
                raise ValueError("A ramp grows from share to share and ends at 100%")
        return self


class Impact(Model):
    """What users will notice; what is left out they will not."""

    downtime: Duration = Field(default=0.0, description="The longest time without a good answer")
    errors: Fraction = Field(default=0.0, description="The share of requests that may fail")
    slower: Fraction | None = Field(default=None, description="How much slower answers may become; not judged if left out")
    because: Text | None = Field(default=None, description="Why, for those who will notice")


class Hooks(Model):
    """Task files that run around a step, on the hosts of that step."""

    before_migrate: Text | None = None
    after_migrate: Text | None = None
    before_install: Text | None = None
    after_install: Text | None = None
    before_restart: Text | None = None
    after_restart: Text | None = None
    before_flush_cache: Text | None = None
    after_flush_cache: Text | None = None
    before_enable_feature: Text | None = None
    after_enable_feature: Text | None = None


class Release(Model):
    """One small patch: what it does, who notices, how it is checked."""

    later: t.ClassVar[frozenset[str]] = frozenset({"backfill", "maintenance"})

    release: Name = Field(description="Its name, once in a feature")
    why: Line | None = Field(default=None, description="What it is for, in one line")
    migrate: Migrate | None = None
    install: Install | None = None
    restart: Restart | None = None
    flush_cache: FlushCache | None = None
    enable_feature: EnableFeature | None = None
    playbook: Text | None = Field(default=None, description="A playbook of your own that performs this release, instead of steps")
    impact: Impact = Field(default=Impact(), description="What users will notice; nothing if left out")
    verify: Many[GateUse] = Field(default=(), description="Gates after this release, before those of surefoot.yml")
    soak: Duration = Field(default=0.0, description="How long it must have been in place before the next one")
    hooks: Hooks = Field(default=Hooks(), description="Task files around its steps")

    @property
    def steps(self) -> dict[str, Model]:
        """Its steps by kind, in the order in which they are done."""
        return {kind: step for kind in core.STEP_KINDS if (step := getattr(self, kind)) is not None}

    @model_validator(mode="after")
    def _does_one_thing(self) -> t.Self:
        if bool(self.steps) == (self.playbook is not None):
            raise ValueError(f"Release {self.release} holds either steps or a playbook")
        if self.migrate and self.install and self.migrate.version != self.install.version:
            raise ValueError(f"Release {self.release} migrates out of {self.migrate.version} and installs {self.install.version}; make two releases of it")
        for hook in self.hooks.model_fields_set:
            if hook.partition("_")[2] not in self.steps:
                raise ValueError(f"The hook {hook} never runs: release {self.release} has no step {hook.partition('_')[2]}")
        return self


class FeatureFile(Model):
    """A feature: a path of releases."""

    feature: Name = Field(description="Its name")
    releases: Some[Release] = Field(description="Its releases, in order")

    @model_validator(mode="after")
    def _names_once(self) -> t.Self:
        _refuse_twice("Two releases are called", (release.release for release in self.releases))
        return self

    def parsed(self) -> tuple[core.Release, ...]:
        """The releases in the form that plans are made of."""
        return parse_feature(self.as_mapping())


class Hosts(Model):
    """The Ansible host pattern each kind of step is for."""

    install: Text = core.DEFAULT_HOSTS["install"]
    migrate: Text = Field(default=core.DEFAULT_HOSTS["migrate"], description="One of these hosts migrates")
    restart: Text = core.DEFAULT_HOSTS["restart"]
    flush_cache: Text = core.DEFAULT_HOSTS["flush_cache"]
    enable_feature: Text = core.DEFAULT_HOSTS["enable_feature"]


class Environment(Model):
    """One place the application runs in."""

    inventory: Text = Field(description="The inventory, relative to surefoot.yml")
    promote_from: dict[Name, Duration] = Field(default={}, description="Where a release must have been verified before, and for how long in place there")
    approvals: int = Field(default=0, ge=0, le=20, description="How many people, besides the one who applies it, must approve a plan")
    approvals_expire: Duration = Field(default=86400.0, description="How long an approval counts")
    freeze: Many[Freeze] = Field(default=(), description="When nothing is released; the way back stays open")

    @model_validator(mode="after")
    def _approvals_last(self) -> t.Self:
        if self.approvals_expire <= 0:
            raise ValueError("An approval needs time: approvals_expire is above 0s")
        return self


class HttpProbe(Model):
    """Steady requests to one URL."""

    url: Url = Field(description="What to ask for")
    rate: float = Field(default=20.0, gt=0, le=1000, description="Requests per second")
    timeout: Duration = Field(default=2.0, description="After how long a request has failed")
    expect: int = Field(default=200, ge=100, le=599, description="The status of a good answer")
    headers: dict[Text, str] = Field(default={}, description="Headers to send")

    @model_validator(mode="after")
    def _some_time(self) -> t.Self:
        if self.timeout <= 0:
            raise ValueError("A probe needs time: its timeout is above 0s")
        return self


class ProbeSpec(Model):
    """Steady traffic of our own, from before a release until its soak ends."""

    name: Name
    http: HttpProbe


class ProjectFile(Model):
    """surefoot.yml: an application, where it runs, and how it is watched."""

    app: Name = Field(description="The application")
    ledger: Text = Field(default=DEFAULT_URL, description="Where history is kept: sqlite:///PATH or postgresql+psycopg://…")
    hosts: Hosts = Field(default=Hosts(), description="Which hosts each kind of step is for")
    environments: t.Annotated[dict[Name, Environment], Field(min_length=1)] = Field(description="Where it runs, by name")
    probes: Many[ProbeSpec] = Field(default=(), description="What measures impact")
    gates: dict[Name, Gate] = Field(default={}, description="Gates by name")
    verify: Many[GateUse] = Field(default=(), description="Gates after every release")

    @model_validator(mode="after")
    def _names_known(self) -> t.Self:
        _refuse_twice("Two probes are called", (probe.name for probe in self.probes))
        for gate in self.verify:
            if isinstance(gate, str) and gate not in self.gates:
                raise ValueError(unknown_gate(gate, self.gates))
        for name, environment in self.environments.items():
            for source in environment.promote_from:
                if source == name or source not in self.environments:
                    raise ValueError(f"Environment {name} is promoted from {source}, which is {'itself' if source == name else 'not defined'}")
        return self


def unknown_gate(name: str, known: t.Iterable[str]) -> str:
    """What to say of a gate nobody defined."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Gate {name} is not defined; {f'did you mean {near[0]}?' if near else 'define it under gates in surefoot.yml'}"


def _refuse_twice(what: str, names: t.Iterable[str]) -> None:
    if twice := [name for name, count in collections.Counter(names).items() if count > 1]:
        raise ValueError(f"{what} {', '.join(twice)}")
