"""Whether a release may go to an environment now: holds, freeze windows, promotion and approvals. Pure; asked again right before each release.

Going back is always allowed: nothing here is asked of a rollback.

Approvals. The names are those people give; nobody proves who they are, so the ledger also keeps the account each approval was given from. One person is
one name before any `@`, however it is capitalized, so `Ada`, `ada@desk` and `ada@example.org` count once. Whoever applies the plan does not count.

Promotion. The clock runs from when the release stood in the other environment, its soak there included; later releases there do not stop it. A rollback,
a failure or another start of it there does. Another wording of the release is another release, and so is another artifact under the same version.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
import zoneinfo

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal
from ansible_collections.surefoot.release.plugins.plugin_utils.units import spoken
from surefoot.document import printable
from surefoot.freeze import frozen
from surefoot.ledger.chain import timestamp

if t.TYPE_CHECKING:
    from surefoot.ledger import Entry
    from surefoot.models import Environment

DECISIONS = frozenset({"approved", "held", "resumed"})
"""The kinds of ledger entry in which people let releases go on, or not."""

STAY = frozenset({"started", "released", "verified", "failed", "rolling_back", "rolled_back", "rollback_failed", "refused", "adopted"})
"""The kinds of ledger entry that tell whether a release is in place."""

CLOCK_SLACK = dt.timedelta(minutes=5)
"""How far the clocks of two controllers may differ before nothing that depends on time is decided."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody (`by`) wants to apply: a release with its digest, as part of the saved plan with the digest `plan` where there is one.

    `artifacts` are the digests by version of what it would bring, as far as they are known.
    """

    environment: str
    feature: str
    release: str
    digest: str
    by: str
    plan: str | None = None
    artifacts: t.Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objection(Refusal):
    """One thing that stands against a request, besides its words as data.

    `kind` is hold, clock, freeze, promotion or approvals; `by` are the people it comes from, or who have approved so far; `since` and `until` are times (UTC,
    ISO) where there are any; `missing` counts the approvals still to come.
    """

    kind: str
    by: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    missing: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ruling:
    """What stands against a request: `refusals`, which time or another state would lift, and `waits_for`, which only people can."""

    refusals: tuple[Objection, ...] = ()
    waits_for: tuple[Objection, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.refusals and not self.waits_for


def rule(request: Request, settings: Environment, entries: t.Iterable[Entry], now: dt.datetime) -> Ruling:
    """Whether `request` may go on at `now`, under the `settings` of its environment, by what the ledger says.

    `entries` are in the ledger's order: the DECISIONS in the environment, the STAY entries of the feature in the environments it is promoted from, the newest
    of them in the environment itself, and the newest entry there is. Others do no harm. Raises InvalidInput for a `now` without a time zone.
    """
    if now.tzinfo is None:
        raise InvalidInput("A moment needs a time zone", seen=now.isoformat())
    known = list(entries)
    timed = bool(settings.freeze or settings.approvals or settings.promote_from)
    return Ruling(
        refusals=(
            *held(request.environment, known),
            *(_behind(known, now) if timed else ()),
            *_frozen(request.environment, settings, now),
            *(refusal for source, least in settings.promote_from.items() for refusal in promotion(request, source, least, known, now)),
        ),
        waits_for=tuple(_approvals(request, settings, known, now)),
    )


def held(environment: str, entries: t.Iterable[Entry]) -> tuple[Objection, ...]:
    """One for each hold on the environment that nobody lifted."""
    return tuple(
        Objection(
            kind="hold",
            by=(entry.by,),
            since=entry.at,
            message=f"{environment} is held by {printable(entry.by)} since {_utc(_at(entry))}",
            seen=printable(str(entry.payload.get("because"))),
            todo=f"when that is settled: surefoot resume -E {environment} --because REASON",
        )
        for entry in holds(environment, entries)
    )


def holds(environment: str, entries: t.Iterable[Entry]) -> tuple[Entry, ...]:
    """The holds on the environment since it was last resumed, oldest first."""
    found: list[Entry] = []
    for entry in entries:
        if entry.environment == environment and entry.kind in {"held", "resumed"}:
            found = [*found, entry] if entry.kind == "held" else []
    return tuple(found)


def person(name: str) -> str:
    """Who is meant by a name, an account `name@host` or an address: what stands before the @, whatever its case."""
    return name.partition("@")[0].strip().casefold()


def promotion(request: Request, source: str, least: float, entries: t.Iterable[Entry], now: dt.datetime) -> t.Iterator[Objection]:
    """Why the release may not come from the environment `source` yet, where it must have been in place for `least` seconds."""
    stay = _stay([entry for entry in entries if (entry.environment, entry.feature, entry.release) == (source, request.feature, request.release)], now)
    name, apply = request.release, f"surefoot apply {request.feature} -E {source} --to {request.release}"
    if stay.last is None:
        yield _not_due(f"{name} must be verified in {source} first", seen=f"it was never released to {source}", todo=apply)
    elif stay.since is None or not stay.verified:
        todo = f"surefoot verify {request.feature} -E {source} --release {name}" if stay.since and stay.last == "adopted" else apply
        yield _not_due(f"{name} must be verified in {source} first", seen=f"the last word on it there is: {stay.last.replace('_', ' ')}", todo=todo)
    elif stay.digest != request.digest:
        seen = f"digest {str(stay.digest)[:12]} there, {request.digest[:12]} here"
        yield _not_due(f"{name} is not what was verified in {source}: it was changed since", seen=seen, todo=f"release it to {source} as it is now")
    elif other := [version for version, planned in request.artifacts.items() if stay.artifacts.get(version) and not planned <= {*stay.artifacts[version]}]:
        there, here = (", ".join(digest[:12] for digest in sorted(known[other[0]])) for known in (stay.artifacts, request.artifacts))
        yield _not_due(
            f"the artifact of {other[0]} is not the one that was verified in {source}",
            seen=f"sha256 {there} there, {here} here",
            todo=f"bring back the one that was verified, or give this one a version of its own and release it to {source}",
        )
    elif (now - stay.since).total_seconds() < least:
        stood, due = max(0.0, (now - stay.since).total_seconds()), stay.since + dt.timedelta(seconds=least)
        yield _not_due(
            f"{name} must be in place in {source} for {spoken(least)}",
            seen=f"in place there for {spoken(int(stood))}, since {_utc(stay.since)}",
            todo=f"apply it after {_utc(due)}",
            since=timestamp(stay.since),
            until=timestamp(due),
        )


def _not_due(message: str, **told: t.Any) -> Objection:
    return Objection(kind="promotion", message=message, **told)


@dataclasses.dataclass(kw_only=True)
class _Stay:
    """Since when a release has been in place without a break, if it is, as what, out of which artifacts by version, and whether that was verified."""

    since: dt.datetime | None = None
    digest: t.Any = None
    artifacts: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    verified: bool = False
    last: str | None = None


def _stay(entries: t.Sequence[Entry], now: dt.datetime) -> _Stay:
    stay, newest = _Stay(), dt.datetime.min.replace(tzinfo=dt.UTC)
    for entry in entries:
        if entry.kind not in STAY:
            continue
        # A clock that was set back must not make a stay longer than it can have been.
        newest = max(newest, _at(entry)) if _at(entry) <= now else newest
        moment = max(_at(entry), newest)
        if entry.kind in {"started", "adopted"}:
            stay = _Stay(digest=entry.payload.get("digest"), since=moment if entry.kind == "adopted" else None)
        elif entry.kind in {"released", "verified"}:
            stay.since = stay.since or moment
            stay.artifacts = entry.payload.get("artifacts") or stay.artifacts
            stay.verified = stay.verified or entry.kind == "verified"
        else:
            stay = _Stay()
        stay.last = entry.kind
    return stay


def _behind(entries: t.Sequence[Entry], now: dt.datetime) -> t.Iterator[Objection]:
    if entries and _at(entries[-1]) - now > CLOCK_SLACK:
        yield Objection(
            kind="clock",
            message="The clock of this machine is behind the ledger, so no time can be told",
            seen=f"now {_utc(now)}, newest entry {entries[-1].seq} at {_utc(_at(entries[-1]))}",
            todo="set the clock right; if the entry's was wrong, write a newer one with surefoot hold and surefoot resume",
        )


def _frozen(environment: str, settings: Environment, now: dt.datetime) -> t.Iterator[Objection]:
    found = frozen(settings.freeze, now)
    if found is None:
        return
    zone, because = zoneinfo.ZoneInfo(found.freeze.zone), found.freeze.because

    def local(moment: dt.datetime) -> str:
        return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z} ({found.freeze.zone})"

    until = f"until {local(found.until)}" if found.until else "with no end"
    yield Objection(
        kind="freeze",
        until=timestamp(found.until) if found.until else None,
        message=f"{environment} is frozen {until}{f': {printable(because)}' if because else ''}",
        seen=f"now {local(now)}",
        todo=f"wait for its end; the windows are under environments.{environment}.freeze in surefoot.yml",
    )


def _approvals(request: Request, settings: Environment, entries: t.Sequence[Entry], now: dt.datetime) -> t.Iterator[Objection]:
    if not settings.approvals:
        return
    wanted = f"{request.environment} asks for {settings.approvals} approval{'s' if settings.approvals > 1 else ''}"
    if request.plan is None:
        others = _approved_otherwise(request, settings, entries, now)
        yield Objection(
            kind="approvals",
            missing=settings.approvals,
            by=tuple(dict.fromkeys(printable(entry.by) for entry in others)),
            message=f"{wanted} of a saved plan",
            seen="; ".join(f"{printable(entry.by)} approved the plan {str(entry.payload.get('plan'))[:12]}" for entry in others) or "nobody approved any",
            todo=f"surefoot plan {request.feature} -E {request.environment} --out plan.json, then surefoot approve plan.json --by NAME",
        )
        return
    given = approvals_of(request.plan, request.environment, entries)
    lasting = {name: entry for name, entry in given.items() if _lasts(entry, settings, now)}
    counted = [name for name in lasting if name != person(request.by)]
    if len(counted) < settings.approvals:
        told = [
            f"{printable(entry.by)} {_worth(name in lasting, name == person(request.by), _at(entry), settings.approvals_expire)}"
            for name, entry in given.items()
        ]
        missing = settings.approvals - len(counted)
        yield Objection(
            kind="approvals",
            missing=missing,
            by=tuple(printable(lasting[name].by) for name in counted),
            message=f"{wanted} of this plan, {missing} of them missing",
            seen="; ".join(told) or "nobody approved it",
            todo="surefoot approve PLAN --by NAME, by somebody who does not apply it",
        )


def _approved_otherwise(request: Request, settings: Environment, entries: t.Sequence[Entry], now: dt.datetime) -> list[Entry]:
    """Approvals that still count, of plans that were saved of the release since it last moved there."""
    wanted = (request.environment, request.feature)
    moved = max((entry.seq for entry in entries if entry.kind in STAY and (entry.environment, entry.feature) == wanted), default=0)
    given = [entry for entry in entries if entry.kind == "approved" and (entry.environment, entry.feature) == wanted and entry.seq > moved]
    return [entry for entry in given if request.release in entry.payload.get("releases", ()) and _lasts(entry, settings, now)]


def _lasts(entry: Entry, settings: Environment, now: dt.datetime) -> bool:
    return (now - _at(entry)).total_seconds() < settings.approvals_expire


def approvals_of(plan: str, environment: str, entries: t.Iterable[Entry]) -> dict[str, Entry]:
    """The newest approval of the plan with the digest `plan` by each person, expired ones too."""
    return {person(entry.by): entry for entry in entries if (entry.kind, entry.environment, entry.payload.get("plan")) == ("approved", environment, plan)}


def _worth(lasts: bool, applies: bool, given: dt.datetime, lifetime: float) -> str:
    end = _utc(given + dt.timedelta(seconds=lifetime))
    if not lasts:
        return f"approved it, which expired {end}"
    return "approved it and does not count, because of applying it too" if applies else f"approved it until {end}"


def _at(entry: Entry) -> dt.datetime:
    return dt.datetime.fromisoformat(entry.at)


def _utc(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
