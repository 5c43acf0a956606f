"""What people decide about releases, as ledger entries: approve, hold, resume, adopt. And what was decided, read for a ruling.

None of it asks a host or a terminal; what a missing terminal cannot do, it cannot approve either.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from surefoot.document import printable
from surefoot.ledger.author import whoami
from surefoot.policy import DECISIONS, STAY, Request, Ruling, holds, person, rule
from surefoot.saved_plan import MOST_COMPARED, SavedPlan, Source, differences, recent, surroundings

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
    from surefoot.ledger import Entry, Ledger
    from surefoot.models import Environment

LONGEST_NAME = 100
LONGEST_REASON = 300


def approve(ledger: Ledger, plan: SavedPlan, source: Source, *, by: str, because: str | None = None) -> Entry:
    """Record that `by` approves the plan. A second approval of the same person counts as one, and lasts anew.

    Raises InvalidInput for a name or a reason that cannot be read, and Refused for a plan that ledger or files have left behind.
    """
    _check("by", by, LONGEST_NAME)
    if not person(by):
        raise InvalidInput("An approval is given by somebody", seen=printable(by), todo="name a person: --by NAME")
    if because is not None:
        check_reason(because)
    now = plan.model_copy(
        update={
            "content": source.feature.as_mapping(),
            "surroundings": surroundings(source),
            "ledger": recent(ledger, plan.environment, MOST_COMPARED),
        }
    )
    if moved := differences(plan, now):
        todo = f"surefoot plan {plan.feature} -E {plan.environment} --out, and approve that one"
        raise Refused("The plan is stale, so there is nothing to approve", seen="\n".join(moved), todo=todo)
    payload = {"plan": plan.digest, "releases": list(plan.releases), "account": whoami(), **({"because": because} if because else {})}
    return _decide(ledger, plan.environment, "approved", payload, feature=plan.feature, release=plan.releases[0], by=by)


def hold(ledger: Ledger, environment: str, *, because: str) -> Entry:
    """Let no release begin in the environment from now on. A second hold is a second reason; `resume` lifts all of them."""
    check_reason(because)
    return _decide(ledger, environment, "held", {"because": because})


def resume(ledger: Ledger, environment: str, *, because: str) -> tuple[Entry | None, tuple[Entry, ...]]:
    """Let releases begin again: the entry, None where nothing was held, and the holds it lifts."""
    check_reason(because)
    lifted = holds(environment, ledger.entries(environment, kinds=DECISIONS))
    return (_decide(ledger, environment, "resumed", {"because": because}) if lifted else None), lifted


def adopt(ledger: Ledger, environment: str, release: Release, *, because: str, run: str | None = None, held: t.Mapping[str, t.Any] | None = None) -> Entry:
    """Record that what is there, as far as it is known what hosts `held`, is accepted as `release` having been done.

    Nobody verified that; to be promoted it must be verified there first. `run` is the run that gives the hosts their receipts.
    """
    check_reason(because)
    payload = {"digest": release.digest(), "because": because, **({"held": held} if held else {})}
    return _decide(ledger, environment, "adopted", payload, feature=release.feature, release=release.name, **({"run": run} if run else {}))


def consult(ledger: Ledger, request: Request, settings: Environment, now: dt.datetime) -> Ruling:
    """Whether the request may go on at `now`, by all that the ledger has to say about it."""
    entries = [
        *ledger.entries(request.environment, kinds=DECISIONS),
        *(entry for source in settings.promote_from for entry in ledger.entries(source, request.feature, kinds=STAY)),
        *(ledger.entries(request.environment, request.feature, kinds=STAY, limit=1) if settings.approvals else ()),
        *ledger.entries(limit=1),
    ]
    once = {entry.seq: entry for entry in entries}
    return rule(request, settings, [once[seq] for seq in sorted(once)], now)


def check_reason(because: str) -> None:
    """Raise InvalidInput for a reason that is not one readable line."""
    _check("because", because, LONGEST_REASON)


def _decide(ledger: Ledger, environment: str, kind: str, payload: t.Mapping[str, t.Any], **about: str) -> Entry:
    """Write a decision down, where it will not be lost again."""
    if lost := ledger.older_copy():
        raise Refused(
            "The ledger is an older copy, and what is decided in it would be lost with it",
            seen="\n".join(finding.message for finding in lost),
            todo="bring the newer copy back, or settle it as surefoot plan says; until then nothing begins",
        )
    return ledger.append(environment, kind, payload, **about)


def _check(what: str, text: str, most: int) -> None:
    """Refuse what is not one readable line: it is shown to people who decide by it."""
    if not text.strip() or len(text) > most or "\n" in text or printable(text, most=most) != text:
        raise InvalidInput(f"--{what} is one line of text, {most} characters at most", seen=printable(text), todo=f"write --{what} in plain words")
