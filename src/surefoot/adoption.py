"""What it takes to accept what hosts hold as a release having been done. Pure. What cannot be made sense of is refused, with the reason."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal, unlike, unnotable
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import spoken as spoken_refusal
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import live_version
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from surefoot.progress import Progress, ReleaseProgress
from surefoot.states import IN_PLACE

if t.TYPE_CHECKING:
    from surefoot.planning import Survey, Surveyed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adoption:
    """The releases that count as done from now on, the one that was named last, and those after it that are not there any more, the last of them first."""

    accepted: tuple[Release, ...]
    undone: tuple[Release, ...]


def adoption(name: str, found: Surveyed, come: Progress) -> Adoption:
    """What accepting what was `found` as the state after the release `name` means. Raises Refused where hosts do not hold that, or hold more."""
    position = [one.release.name for one in come.releases].index(name)
    failures = [Refusal(message=failure) for failure in found.failures]
    if told := [*failures, *unnotable(found.surveys), *_against(position, found, come)]:
        raise Refused(f"What is there is not what {name} leaves", seen="\n".join(map(spoken_refusal, told)), todo="see to that, or name another release")
    later = [one for one in come.releases[position + 1 :] if _is_there(one)]
    for one in later:
        if not list(_against(come.releases.index(one), found, come)):
            raise Refused(f"{one.release.name} came after {name} and is still there", todo=f"name {one.release.name}, or roll it back")
    along = [one.release for one in come.releases[:position] if one.state != "done" or one.missing or one.unknown]
    return Adoption(accepted=(*along, come.releases[position].release), undone=tuple(one.release for one in reversed(later)))


def held(surveys: t.Mapping[str, Survey]) -> dict[str, t.Any]:
    """What hosts hold, as the ledger is to keep it."""
    return {
        host: {
            "live": live_version(survey),
            "database": list((survey.get("migrations") or {}).get("current") or ()),
            "flags": {str(one["flag"]): one["audience"] for one in _flags(survey)},
        }
        for host, survey in surveys.items()
    }


def _flags(survey: Survey) -> list[t.Mapping[str, t.Any]]:
    flag = survey.get("flag") or {}
    return [flag, *flag.get("others", ())] if flag else []


def _is_there(one: ReleaseProgress) -> bool:
    """Whether ledger or receipts say that a release is in place, or half taken back."""
    concerned = bool(one.release.steps) and len(one.missing) < one.concerned
    return concerned or one.standing.state in IN_PLACE or one.standing.state in {"rolling_back", "rollback_failed"}


def _against(position: int, found: Surveyed, come: Progress) -> t.Iterator[Refusal]:
    """What speaks against hosts being in the state after the release at `position`."""
    done = [one.release for one in come.releases[: position + 1]]
    yield from unlike(done, found.surveys, found.hosts)
    versions = {live_version(found.surveys[host]) for host in found.hosts.get("install", ()) if found.surveys.get(host, {}).get("artifacts")}
    if len(versions) == 1:
        yield from _another_version(versions.pop(), position, come)


def _another_version(live: str | None, position: int, come: Progress) -> t.Iterator[Refusal]:
    """A version that is live in another state of the path. One that the path does not know may have come by hand, and is accepted."""
    reached = come.releases[: position + 1]
    name, expected = reached[-1].release.name, next((one.release.version for one in reversed(reached) if one.release.version), None)
    if live == expected:
        return
    others = [one.release.name for one in come.releases if one.release.version == live and live]
    before = [
        one.release.name
        for one in reached
        if one.release.version and any(state.get("live") == live for state in one.standing.before.get("install", {}).values())
    ]
    if others:
        yield Refusal(message=f"{live} is live, which {others[-1]} installs; {name} leaves {expected or 'what was there before'}")
    elif before:
        yield Refusal(message=f"{live or 'Nothing'} is live, as before {before[-1]}; {name} leaves {expected}")
    elif live is None:
        yield Refusal(message=f"Nothing is live; {name} leaves {expected}")
