"""A plan that is kept, bound to what it was made from: the feature file, the ledger and what the hosts held. It is refused when any of them moved.

The digest is over everything in it, so that nobody edits what others have approved. It is no signature: who makes it anew gets another digest,
and with it none of the approvals. Nothing is ever performed out of it; what is performed is planned again and must come out the same.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import typing as t

from pydantic import BaseModel, ConfigDict

import surefoot
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import Plan, reality_digest
from surefoot.differences import changes
from surefoot.document import printable
from surefoot.ledger.author import whoami
from surefoot.ledger.chain import timestamp

if t.TYPE_CHECKING:
    from pathlib import Path

    from surefoot.ledger import Entry, Ledger
    from surefoot.models import FeatureFile, ProjectFile
    from surefoot.planning import Surveyed

KEPT_ENTRIES = 20
"""How many of the newest ledger entries a plan remembers."""

MOST_COMPARED = 1000
"""How many ledger entries are looked at to say what came since a plan."""

MOST_DIFFERENCES = 30

# An approval is about a plan and moves nothing; it must not make the plan stale that it is given for.
_MOVES_NOTHING = frozenset({"approved"})
_DONE = frozenset({"verified", "caught_up"})
_GOES_ON = frozenset({"started", "refused", "released", "catching_up"}) | _DONE


class Remembered(BaseModel):
    """A ledger entry as plans remember it; `plan` is the digest of the saved plan it came from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seq: int
    hash: str
    at: str
    kind: str
    by: str
    feature: str | None
    release: str | None
    run: str | None
    plan: str | None


class SavedPlan(BaseModel):
    """What would be done, and all it was planned from.

    `content` is the feature file as written, `surroundings` the digests of what else decides what is done (parts of surefoot.yml, hooks, playbooks),
    `ledger` the newest entries of the environment, oldest first, approvals left out, `surveys` and `hosts` what the hosts held, and `plans` Plan.as_mapping()
    of the releases to perform, in order. `artifacts` are the digests by version of what they bring, as far as the controller knew them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    environment: str
    feature: str
    made_at: str
    made_by: str
    surefoot: str
    content: dict[str, t.Any]
    surroundings: dict[str, str]
    ledger: list[Remembered]
    surveys: dict[str, dict[str, t.Any]]
    hosts: dict[str, list[str]]
    artifacts: dict[str, str]
    plans: list[dict[str, t.Any]]

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases to perform, in order."""
        return tuple(str(plan["release"]["release"]) for plan in self.plans)

    @property
    def head(self) -> Remembered | None:
        """The newest ledger entry of the environment that moved anything; None in an environment without history."""
        return self.ledger[-1] if self.ledger else None

    @property
    def digest(self) -> str:
        """sha256 over everything in it: what an approval is bound to."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """What a plan is made from besides hosts and ledger: the project in the folder `root`, and the feature."""

    root: Path
    project: ProjectFile
    feature: FeatureFile


def make_saved_plan(
    source: Source,
    environment: str,
    plans: t.Sequence[Plan],
    *,
    found: Surveyed,
    ledger: t.Sequence[Remembered],
    now: dt.datetime,
) -> SavedPlan:
    """The plan to save for the releases of `plans`, which come next. `ledger` is from `recent`. Raises InvalidInput for a `now` without a time zone."""
    return SavedPlan(
        environment=environment,
        feature=source.feature.feature,
        made_at=timestamp(now),
        made_by=whoami(),
        surefoot=surefoot.__version__,
        content=source.feature.as_mapping(),
        surroundings=surroundings(source),
        ledger=list(ledger),
        surveys=_plain(found.surveys),
        hosts=_plain(found.hosts),
        artifacts={version: found.artifacts[version] for plan in plans if (version := plan.release.staged_version) and version in found.artifacts},
        plans=_plain([plan.as_mapping() for plan in plans]),
    )


def recent(ledger: Ledger, environment: str, most: int = KEPT_ENTRIES) -> list[Remembered]:
    """The newest entries of the environment that moved anything, `most` of them at most; MOST_COMPARED for a plan that a saved one is compared with."""
    limit: int | None = most
    while True:
        entries = ledger.entries(environment, limit=limit)
        moved = [remember(entry) for entry in entries if entry.kind not in _MOVES_NOTHING]
        if moved or limit is None or len(entries) < limit:
            return moved
        limit = None


def remember(entry: Entry) -> Remembered:
    """The entry as plans remember it."""
    told = {name: getattr(entry, name) for name in ("seq", "hash", "at", "kind", "by", "feature", "release", "run")}
    plan = entry.payload.get("plan")
    return Remembered(**told, plan=plan if isinstance(plan, str) else None)


def surroundings(source: Source) -> dict[str, str]:
    """Digests, which give no secret away, of what besides the feature file decides what is done: hosts, probes, the gates in use, hooks, playbooks."""
    project = source.project.as_mapping()
    named = [*source.project.verify, *(gate for release in source.feature.parsed() for gate in (*release.verify, *release.batch_gates))]
    gates = sorted({gate for gate in named if isinstance(gate, str)})
    parts: dict[str, t.Any] = {key: project[key] for key in ("app", "hosts", "probes", "verify") if key in project}
    parts |= {f"gate {gate}": project["gates"][gate] for gate in gates if gate in project.get("gates", {})}
    files = {path for release in source.feature.releases for path in (release.playbook, *release.hooks.as_mapping().values()) if path}
    return {
        **{f"{key} in surefoot.yml": hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest() for key, part in parts.items()},
        **{path: _file_digest(source.root / path) for path in sorted(files)},
    }


def differences(saved: SavedPlan, now: SavedPlan) -> list[str]:
    """What moved since `saved`, a line each, where `now` is the same plan made now; empty when it may be applied. Texts of hosts and files are escaped."""
    if (saved.environment, saved.feature) != (now.environment, now.feature):
        return [f"the plan is for {saved.feature} in {saved.environment}, not for {now.feature} in {now.environment}"]
    found = [*_intention(saved, now), *_artifacts(saved.artifacts, now), *_ledger_moves(saved, now), *_hosts(saved, now), *_reality(saved, now)]
    if not found:
        found = [f"the plan comes out differently: {change}" for change in changes(_by_release(saved), _by_release(now))]
        if found and saved.surefoot != now.surefoot:
            found.append(f"surefoot was {printable(saved.surefoot)}, is {now.surefoot}")
    return [*found[:MOST_DIFFERENCES], f"and {len(found) - MOST_DIFFERENCES} more"] if len(found) > MOST_DIFFERENCES else found


def check_saved(saved: SavedPlan, now: SavedPlan) -> None:
    """Raise Refused, with the differences, when a saved plan may not be applied by what the same plan would be `now`."""
    if goes_on(saved, now.ledger):
        # The artifact of what has been done since is no longer asked for.
        still = {version: digest for version, digest in saved.artifacts.items() if version in now.artifacts}
        moved = [*_intention(saved, now), *_artifacts(still, now), *_hosts(saved, now)]
    else:
        moved = differences(saved, now)
    if moved:
        raise Refused("The plan is stale, nothing was changed", seen="\n".join(moved), todo="plan again, and have that plan approved")


def goes_on(saved: SavedPlan, ledger: t.Sequence[Remembered]) -> bool:
    """Whether this very plan was begun and interrupted: all that came since are its own entries, none of them a failure, and not all of it is verified.

    Going on with it is not applying it twice. What hosts hold has moved by its own doing then, so feature file, surroundings, hosts and contract are left to
    check.
    """
    since = _since(saved, ledger)
    if not since or _not_the_same_ledger(saved, ledger):
        return False
    done = {entry.release for entry in since if entry.kind in _DONE}
    return all(entry.plan == saved.digest and entry.kind in _GOES_ON for entry in since) and not done >= set(saved.releases)


def _intention(saved: SavedPlan, now: SavedPlan) -> t.Iterator[str]:
    yield from (f"feature file: {change}" for change in changes(saved.content, now.content))
    yield from (f"{printable(part)} changed" for part in sorted({*saved.surroundings, *now.surroundings}) if _part(saved, part) != _part(now, part))


def _artifacts(saved: t.Mapping[str, str], now: SavedPlan) -> t.Iterator[str]:
    yield from changes(saved, now.artifacts, where=("sha256 of artifact",))


def _ledger_moves(saved: SavedPlan, now: SavedPlan) -> t.Iterator[str]:
    trouble = _not_the_same_ledger(saved, now.ledger)
    if trouble:
        yield trouble
        return
    since = _since(saved, now.ledger)
    if any(entry.plan == saved.digest for entry in since):
        yield "ledger: this plan was applied already"
    for entry in since:
        what = " ".join(filter(None, [entry.kind.replace("_", " "), entry.feature, entry.release]))
        yield f"ledger: entry {entry.seq} came since: {printable(what)} by {printable(entry.by)} at {printable(entry.at)}"


def _since(saved: SavedPlan, ledger: t.Sequence[Remembered]) -> list[Remembered]:
    return [entry for entry in ledger if saved.head is None or entry.seq > saved.head.seq]


def _not_the_same_ledger(saved: SavedPlan, ledger: t.Sequence[Remembered]) -> str | None:
    if saved.head is None:
        return None
    last = ledger[-1].seq if ledger else 0
    if last < saved.head.seq:
        return f"ledger: it ends at entry {last}, but the plan knows entry {saved.head.seq}: it is an older copy, or another ledger"
    known = {entry.seq: entry.hash for entry in saved.ledger}
    changed = [entry.seq for entry in ledger if entry.seq in known and entry.hash != known[entry.seq]]
    if changed or (ledger[0].seq <= saved.head.seq and saved.head.seq not in {entry.seq for entry in ledger}):
        return f"ledger: entry {changed[0] if changed else saved.head.seq} is not the one the plan knows: it is another ledger, or was written anew"
    return None


def _hosts(saved: SavedPlan, now: SavedPlan) -> t.Iterator[str]:
    for kind in sorted({*saved.hosts, *now.hosts}):
        if saved.hosts.get(kind, []) != now.hosts.get(kind, []):
            yield from changes(saved.hosts.get(kind, []), now.hosts.get(kind, []), where=(f"hosts of {kind}",))


def _reality(saved: SavedPlan, now: SavedPlan) -> t.Iterator[str]:
    for host in sorted({*saved.surveys, *now.surveys}):
        if host not in now.surveys:
            yield f"{printable(host)}: answered the survey then, and does not now"
        elif host not in saved.surveys:
            yield f"{printable(host)}: was not surveyed then, and is now"
        else:
            yield from (f"{printable(host)}: {change}" for change in changes(saved.surveys[host], now.surveys[host], same=_same_reality))


def _same_reality(before: t.Any, after: t.Any) -> bool:
    """Whether two pieces of surveys are the same, as the digest of reality sees it."""
    return reality_digest({"": {"": before}}) == reality_digest({"": {"": after}})


def _by_release(plan: SavedPlan) -> dict[str, t.Any]:
    return dict(zip(plan.releases, _decided(plan.plans), strict=True))


def _decided(plans: t.Any) -> t.Any:
    """Plans without their reasons, which name times of day."""
    if isinstance(plans, dict):
        return {key: _decided(value) for key, value in plans.items() if key != "reason"}
    return [_decided(value) for value in plans] if isinstance(plans, list) else plans


def _part(plan: SavedPlan, part: str) -> str | None:
    return plan.surroundings.get(part)


def _plain(data: t.Any) -> t.Any:
    return json.loads(json.dumps(data, default=str))


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return "not a file here"
