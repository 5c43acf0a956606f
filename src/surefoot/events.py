"""What the runner tells while it works. People who embed it read these; the CLI turns them into lines and into JSON."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened; `as_mapping` is its form in `--json` output."""

    def as_mapping(self) -> dict[str, t.Any]:
        return {"event": type(self).__name__, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurveyStarted(Event):
    """The hosts of a feature are being surveyed."""

    feature: str
    environment: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class OrphansEnded(Event):
    """Processes that a killed run had left at work on this machine were ended, before anything else was begun."""

    processes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WaitingForLock(Event):
    """Somebody else releases to the environment; seconds waited so far, and left."""

    holder: str
    waited: float
    left: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class WaitingForOrphans(Event):
    """Steps that nobody began under our lock are at work on hosts, so nothing is begun yet; seconds left to wait.

    Each of `at_work` has its `host` besides what release_info tells of it: `kind`, `what`, `pid`, `user`, `since` and `seconds`.
    """

    at_work: tuple[t.Mapping[str, t.Any], ...]
    left: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned(Event):
    """A release was planned; `plan` is Plan.as_mapping()."""

    release: str
    plan: t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseStarted(Event):
    """A release begins, as number `position` (from 1) of `total` in its feature."""

    release: str
    why: str
    position: int
    total: int
    run: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhaseStarted(Event):
    """A play of the release begins."""

    release: str
    title: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """A step answered on a host; `step` has the common shape of all step modules."""

    release: str
    host: str
    step: t.Mapping[str, t.Any]
    changed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateAsked(Event):
    """A gate gave its verdict: passed, failed, inconclusive or error."""

    release: str
    name: str
    verdict: str
    seen: str
    waited: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostFailed(Event):
    """A task failed on a host, or the host could not be reached."""

    release: str
    host: str
    task: str
    message: str
    unreachable: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftDrained(Event):
    """The work has ended, and these hosts were taken out of their pool and not put back; `message` says what to do."""

    hosts: tuple[str, ...]
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Soaking(Event):
    """A release is in place and being watched for `left` more seconds."""

    release: str
    left: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnsibleOutput(Event):
    """A piece of ansible-playbook's own output."""

    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseEnded(Event):
    """A release ended as verified, failed, refused or cancelled, or a way back as rolled_back; `impact` is what the probes measured against what was said."""

    release: str
    outcome: str
    reasons: tuple[str, ...] = ()
    impact: tuple[t.Mapping[str, t.Any], ...] = ()
    seconds: float = 0.0
