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
from surefoot.states import STATES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names:
    """The ledger and the environments of a project file, and of each of its features, by name, the releases in order."""

    ledger: str
    environments: tuple[str, ...]
    features: t.Mapping[str, tuple[str, ...]]


def status(path: pathlib.Path, environment: str | None = None) -> tuple[list[dict[str, t.Any]], list[str]]:
    """What Application.status and Application.older_copy say of the project file at `path`. Raises InvalidInput where there is no telling its names."""
    root = path.absolute().parent
    names = _read(root, path)
    if names is None or environment not in {None, *names.environments}:
        from surefoot.application import Application  # late: it finds what is wrong, and where

        application = Application.load(path)
        return application.status(environment), application.older_copy()
    found = look(names.ledger, root, STATES)
    return standing(names.features, [environment] if environment else names.environments, found.latest), [str(finding) for finding in found.older_copy]


def standing(features: t.Mapping[str, t.Sequence[str]], environments: t.Sequence[str], known: Known) -> list[dict[str, t.Any]]:
    """One mapping a feature, `{feature, releases: [{release, environments: {NAME: {state, since}}}]}`; a state nobody told of is none."""

    def words(feature: str, release: str) -> dict[str, dict[str, str]]:
        found = {environment: known.get((environment, feature, release), ("none", "")) for environment in environments}
        return {environment: {"state": state, "since": since} for environment, (state, since) in found.items()}

    return [
        {"feature": feature, "releases": [{"release": release, "environments": words(feature, release)} for release in releases]}
        for feature, releases in features.items()
    ]


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
