"""How far an environment has come on the path of a feature, by what its hosts and the ledger say. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.contract import verified_here
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from surefoot.states import CATCHING_UP, IN_PLACE, SETTLED, STATES, UNDER_WAY

if t.TYPE_CHECKING:
    from surefoot.ledger import Entry

Survey = t.Mapping[str, t.Any]

_ABOUT_RELEASES = STATES | CATCHING_UP


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """The ledger's last word on one release.

    `state` is none, started, released (done and soaking), verified, failed, adopted, rolling_back (the way back was begun), rollback_failed, rolled_back,
    or refused (begun, and refused before anything was changed);
    `since` the time of that word (UTC, ISO). `before` is the state found when the release was first begun since it was last settled, by kind and host: what a
    way back leads to. `without_receipts` says that it was adopted, and that nobody has brought receipts of it to the hosts since.
    `runs` are all runs of it that the ledger knows, and `accepted` is until when what the hosts hold was accepted by adopting it.
    """

    state: str = "none"
    since: str = ""
    run: str = ""
    before: t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]] = dataclasses.field(default_factory=dict)
    details: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    without_receipts: bool = False
    runs: frozenset[str] = frozenset()
    accepted: str = ""

    @property
    def begins(self) -> bool:
        """Whether the release would begin now, and not go on where it was broken off or had failed."""
        return self.state in {"none", "adopted", *SETTLED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseProgress:
    """One release of the path. `missing` are those of the `concerned` hosts that are without its receipt, `unknown` had it from a run the ledger does not know.

    `state` is done, unfinished (begun, to be gone on with), failed, behind (in place, and to be brought to the missing hosts) or pending.
    """

    release: Release
    state: str
    standing: Standing
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    concerned: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """A path with all its releases, and where ledger and receipts disagree."""

    releases: tuple[ReleaseProgress, ...]
    drift: tuple[str, ...] = ()

    @property
    def next(self) -> ReleaseProgress | None:
        """The first release that is not done, if there is one."""
        return next((release for release in self.releases if release.state != "done"), None)


def standings(entries: t.Iterable[Entry]) -> dict[str, Standing]:
    """The standing of each release that occurs in the ledger entries of one feature in one environment, which are in order."""
    found: dict[str, Standing] = {}
    for entry in entries:
        if not entry.release or entry.kind not in _ABOUT_RELEASES:
            continue
        last = found.get(entry.release, Standing())
        change: dict[str, t.Any] = {"runs": last.runs | {entry.run} if entry.run else last.runs}
        if entry.kind == "started" and (last.state == "none" or last.state in SETTLED):
            change["before"] = entry.payload.get("before", {})
        if entry.kind in STATES:
            bare = entry.kind == "adopted" or (entry.kind == "verified" and last.without_receipts)
            change |= {"state": entry.kind, "since": entry.at, "run": entry.run or "", "details": entry.payload, "without_receipts": bare}
        if entry.kind == "adopted":
            change["accepted"] = entry.at
            # Of what was taken back, and came again without us, nobody knows what was there before it came.
            change |= {"before": {}} if last.state in {"rolled_back", "refused"} else {}
        elif entry.kind == "caught_up":
            change["without_receipts"] = False
        found[entry.release] = dataclasses.replace(last, **change)
    return found


def progress(
    releases: t.Sequence[Release],
    surveys: t.Mapping[str, Survey],
    hosts: t.Mapping[str, t.Sequence[str]],
    known: t.Mapping[str, Standing],
    *,
    limited: bool = False,
) -> Progress:
    """The progress on a path: a release is done when its hosts have its receipt and the ledger, as far as it knows of it, agrees.

    Hosts without the receipt of a release that is in place are behind when that was adopted, or when the hosts are `limited` on purpose; otherwise it is drift.
    """
    found, drift = [], []
    for release in releases:
        standing = known.get(release.name, Standing())
        concerned = list(dict.fromkeys(host for kind in release.steps for host in hosts.get(kind, ())))
        missing = tuple(host for host in concerned if release.name not in verified_here(surveys.get(host, {}), release.feature))
        state = _state(release, standing, missing, concerned)
        if standing.state in IN_PLACE and missing and (limited or standing.without_receipts):
            state = "behind"
        elif standing.state in IN_PLACE and missing and release.steps:
            drift.append(f"the ledger says that {release.name} was verified, but there is no receipt of it on {', '.join(missing)}")
        unknown = tuple(host for host in concerned if _is_of_unknown_run(surveys.get(host, {}), release, standing))
        if unknown:
            drift.append(f"{', '.join(unknown)} had {release.name} from a run that the ledger does not know: it is an older copy, or another ledger was used")
        found.append(ReleaseProgress(release=release, state=state, standing=standing, missing=missing, unknown=unknown, concerned=len(concerned)))
    return Progress(releases=tuple(found), drift=tuple(drift))


def _is_of_unknown_run(survey: Survey, release: Release, standing: Standing) -> bool:
    """Whether the last receipt of a release names a run that is not in the ledger; releases by bare ansible-playbook name none."""
    entries = (survey.get("receipt") or {}).get("releases", ())
    last = next((entry for entry in reversed(entries) if (entry["feature"], entry["release"]) == (release.feature, release.name)), None)
    if last is None or not last.get("run") or last["run"] in standing.runs:
        return False
    return not standing.accepted or _is_later(last.get("at"), standing.accepted)


def _is_later(at: t.Any, moment: str) -> bool:
    """Whether something happened after `moment`; of what a host calls no time with a zone, it may have."""
    try:
        return dt.datetime.fromisoformat(str(at)) > dt.datetime.fromisoformat(moment)
    except (ValueError, TypeError):
        return True


def _state(release: Release, standing: Standing, missing: tuple[str, ...], concerned: list[str]) -> str:
    if release.playbook:
        states = {**dict.fromkeys(IN_PLACE, "done"), **dict.fromkeys(("none", "rolled_back", "refused"), "pending"), "failed": "failed"}
        return states.get(standing.state, "unfinished")
    if standing.state in UNDER_WAY:
        return "unfinished"
    if standing.state == "failed":
        return "failed"
    if not missing:
        return "done"
    return "pending" if len(missing) == len(concerned) else "unfinished"
