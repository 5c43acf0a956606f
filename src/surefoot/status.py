"""Where each release stands in each environment, by the ledger: what `surefoot status` says.

It goes by the names that stand in the files. To judge the files takes models, whose import takes longer than all else that status does; lint, plan and
apply do that.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.document import read_document
from surefoot.ledger import DEFAULT_URL
from surefoot.ledger.glance import Known, look
from surefoot.states import CATCHING_UP, IN_PLACE, STATES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names:
    """The ledger and the environments of a project file, and of each of its features, by name, the releases in order."""

    ledger: str
    environments: tuple[str, ...]
    features: t.Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Status:
    """What Application.status, Application.unsettled and Application.older_copy say."""

    features: list[dict[str, t.Any]]
    unsettled: list[dict[str, t.Any]]
    findings: list[str]


def status(path: pathlib.Path, environment: str | None = None) -> Status:
    """The status of the project file at `path`. Raises InvalidInput where there is no telling its names."""
    root = path.absolute().parent
    names = _read(root, path)
    if names is None or environment not in {None, *names.environments}:
        from surefoot.application import Application  # late: it finds what is wrong, and where

        application = Application.load(path)
        return Status(features=application.status(environment), unsettled=application.unsettled(environment), findings=application.older_copy())
    found = look(names.ledger, root, STATES, STATES | CATCHING_UP)
    environments = [environment] if environment else names.environments
    return Status(
        features=standing(names.features, environments, found.latest[0]),
        unsettled=unsettled(names.features, environments, *found.latest),
        findings=[str(finding) for finding in found.older_copy],
    )


def standing(features: t.Mapping[str, t.Sequence[str]], environments: t.Sequence[str], known: Known) -> list[dict[str, t.Any]]:
    """One mapping a feature, `{feature, releases: [{release, environments: {NAME: {state, since}}}]}`; a state nobody told of is none."""

    def words(feature: str, release: str) -> dict[str, dict[str, str]]:
        found = {environment: known.get((environment, feature, release), ("none", "")) for environment in environments}
        return {environment: {"state": state, "since": since} for environment, (state, since) in found.items()}

    return [
        {"feature": feature, "releases": [{"release": release, "environments": words(feature, release)} for release in releases]}
        for feature, releases in features.items()
    ]


def unsettled(features: t.Mapping[str, t.Sequence[str]], environments: t.Sequence[str], states: Known, last: Known) -> list[dict[str, t.Any]]:
    """One mapping for each release that is not settled, `{feature, release, environment, state, since, message, todo}`.

    `states` are the last words on where releases stand, `last` those that tell of hosts which were brought up besides.
    """
    found = []
    for (environment, feature, release), (state, since) in states.items():
        latest, when = last[environment, feature, release]
        word, since = (latest, when) if latest in CATCHING_UP and state in IN_PLACE else (state, since)
        if environment in environments and word in _UNSETTLED:
            message, todo = _UNSETTLED[word]
            there = release in features.get(feature, ())
            found.append(
                {
                    "feature": feature,
                    "release": release,
                    "environment": environment,
                    "state": word,
                    "since": since,
                    "message": f"{release} of {feature} {message} in {environment}",
                    "todo": todo.format(f"{feature} -E {environment}") if there else "it is in no feature file any more; bring it back there, then survey",
                }
            )
    return found


_UNSETTLED: t.Mapping[str, tuple[str, str]] = {
    "started": ("was begun and has not come to its end", "where nobody is at it, surefoot apply {0} goes on with it"),
    "released": ("is in place, and has not been verified after its soak", "where nobody is at it, surefoot apply {0} goes on with it"),
    "failed": ("failed and was not taken back", "mend it, then surefoot apply {0}; or surefoot rollback {0}"),
    "rolling_back": ("was being taken back, and that has not come to its end", "where nobody is at it, surefoot rollback {0} goes on with it"),
    "rollback_failed": ("could not be taken back", "see to the hosts, then surefoot rollback {0}"),
    "catching_up": ("was being brought to hosts that lack it, and that has not come to its end", "surefoot survey {0} says which hosts lack it"),
    "catch_up_failed": ("could not be brought to hosts that lack it", "surefoot survey {0} says which hosts lack it"),
}
"""What is to be said and done about a last word in the ledger that leaves something open. A name among it stands for feature and environment."""


def _read(root: pathlib.Path, path: pathlib.Path) -> Names | None:
    """The names in the files, None where a file is not what its model asks for or cannot be read."""
    try:
        project = read_document(path).data
        features = [read_document(found).data for found in sorted((root / "features").glob("*.yml"))]
        return Names(
            ledger=_text(project.get("ledger", DEFAULT_URL)),
            environments=tuple(project["environments"].keys()),
            features={_text(feature["feature"]): tuple(_text(release["release"]) for release in feature["releases"]) for feature in features},
        )
    except (InvalidInput, AttributeError, KeyError, TypeError):
        return None


def _text(value: t.Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
