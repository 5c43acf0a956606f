"""The application: surefoot.yml with its features, and what files and ledger tell of them. No host is asked."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.lint import Finding, lint
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Release
from surefoot.ledger.glance import MEMORY, look
from surefoot.loading import load_feature, load_project
from surefoot.models import Environment, FeatureFile, ProjectFile
from surefoot.states import CATCHING_UP, STATES
from surefoot.status import standing, unsettled

if t.TYPE_CHECKING:
    from surefoot.ledger import Entry, Ledger


@dataclasses.dataclass(frozen=True, kw_only=True)
class Application:
    """An application: its project file, and the directory it is in."""

    file: ProjectFile
    root: pathlib.Path
    path: pathlib.Path

    @classmethod
    def load(cls, path: str | pathlib.Path = "surefoot.yml", **options: t.Any) -> t.Self:
        """The application whose project file is at `path`. Raises InvalidInput."""
        path = pathlib.Path(path).absolute()
        return cls(file=load_project(path), root=path.parent, path=path, **options)

    def features(self) -> tuple[str, ...]:
        """The names of the features beside the project file."""
        return tuple(sorted(found.stem for found in (self.root / "features").glob("*.yml")))

    def feature(self, name: str) -> FeatureFile:
        """A feature, by name or by path. Raises InvalidInput."""
        return load_feature(self.feature_path(name), project=self.file)

    def feature_path(self, name: str) -> pathlib.Path:
        """The file of a feature given by name or by path. Raises InvalidInput when there is none."""
        for path in (self.root / "features" / f"{name}.yml", self.root / name, pathlib.Path(name).absolute()):
            if path.is_file():
                return path
        raise InvalidInput(f"There is no feature {name}", seen=f"features here: {', '.join(self.features()) or 'none'}", todo="write it as features/NAME.yml")

    def environment(self, name: str | None) -> tuple[str, Environment]:
        """An environment by name; without a name the only one there is. Raises InvalidInput."""
        known = self.file.environments
        if name is None and len(known) == 1:
            name = next(iter(known))
        if name is None or name not in known:
            raise InvalidInput(
                "Which environment?" if name is None else f"There is no environment {name}", seen=", ".join(known), todo="name one with --environment"
            )
        return name, known[name]

    def ledger(self) -> Ledger:
        """The project's ledger, opened."""
        from surefoot.ledger.store import Ledger  # late, since status does without it

        return Ledger(self.file.ledger, root=self.root, memory=self.root / MEMORY)

    def history(self, environment: str | None = None, feature: str | None = None, limit: int | None = None) -> list[Entry]:
        """What happened, oldest first."""
        with self.ledger() as ledger:
            return ledger.entries(environment=environment, feature=feature, limit=limit)

    def check_ledger(self) -> list[str]:
        """What is wrong with the ledger's chain, a sentence each; empty when nothing is."""
        with self.ledger() as ledger:
            return [str(finding) for finding in ledger.check()]

    def older_copy(self) -> list[str]:
        """Whether the ledger has lost entries that this machine wrote, a sentence each; quick, and a part of `check_ledger`."""
        return [str(finding) for finding in look(self.file.ledger, self.root).older_copy]

    def status(self, environment: str | None = None) -> list[dict[str, t.Any]]:
        """Where each release of each feature stands in each environment by the ledger, without asking a host."""
        (states,) = look(self.file.ledger, self.root, STATES).latest
        return standing(self._releases(), self._environments(environment), states)

    def unsettled(self, environment: str | None = None) -> list[dict[str, t.Any]]:
        """The releases of which the last word in the ledger is that they are on the way, failed, or not everywhere yet, each with what to do next."""
        return unsettled(self._releases(), self._environments(environment), *look(self.file.ledger, self.root, STATES, STATES | CATCHING_UP).latest)

    def _environments(self, name: str | None) -> list[str]:
        return [self.environment(name)[0]] if name else list(self.file.environments)

    def _releases(self) -> dict[str, list[str]]:
        """By feature the names of its releases, in order."""
        return {one.feature: [release.release for release in one.releases] for one in map(self.feature, self.features())}

    def lint(self, feature: str) -> tuple[Finding, ...]:
        """What is wrong with a feature besides its form, and with the gates of surefoot.yml, without asking a host."""
        return self.findings(self.feature(feature).parsed())

    def findings(self, releases: t.Sequence[Release]) -> tuple[Finding, ...]:
        """What is wrong with the releases of a feature, and with the gates of surefoot.yml."""
        project = self.file.as_mapping()
        return lint(releases, project.get("gates"), project.get("verify") or ())

    @property
    def state_directory(self) -> pathlib.Path:
        """Where this machine keeps what is its own: locks, what it remembers of the ledger, and by default the ledger."""
        return self.root / ".surefoot"
