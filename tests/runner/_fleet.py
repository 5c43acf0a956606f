"""What the tests of jobs share: a fake Ansible that knows limits and several inventories, and the command as a person types it."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import typing as t

import pytest

import surefoot.cli
import surefoot.project
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from runner import _fakes
from runner._fakes import World
from runner.conftest import Write
from surefoot import Project
from surefoot.playbooks import RunEvent


class Fleet(_fakes.FakeAnsible):
    """A fake Ansible that knows limits, and one world for each inventory that is in `places`."""

    places: t.ClassVar[dict[str, World]] = {}

    def run(self, playbook: str, variables: t.Mapping[str, t.Any], **options: t.Any) -> t.Iterator[RunEvent]:
        whole = self.places.get(self.inventory[0]) or self.worlds[self.root]
        if self.limit is None:
            there = whole
        else:
            there = _Limited(**{**vars(whole), "hosts": {name: whole.hosts[name] for name in self.limit.split(",")}})
            there.whole = whole
        seen = dataclasses.replace(self, root=self.root / self.inventory[0] / str(self.limit))
        self.worlds[seen.root] = there
        return _fakes.FakeAnsible.run(seen, playbook, variables, **options)


class _Limited(World):
    whole: World

    def planned(self) -> dict[str, list[str]]:
        """As the survey tells it, a limit or not; a playbook does nothing on those left out."""
        playing = bool(self.runs) and self.runs[-1][0] != "survey"
        return {kind: [name for name in hosts if name in self.hosts or not playing] for kind, hosts in self.whole.planned().items()}


@pytest.fixture(autouse=True, name="fleet")
def fleet_fixture(shop: Write, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    monkeypatch.setattr(surefoot.project, "Ansible", Fleet)
    yield
    Fleet.places.clear()


def kinds(project: Project) -> list[str]:
    return [f"{entry.release} {entry.kind}" for entry in project.history() if entry.release]


def refused(project: Project, **options: t.Any) -> str:
    with pytest.raises(Refused) as error:
        project.apply("reviews", **options).finish()
    return f"{error.value.message}: {error.value.seen}"


@dataclasses.dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Command = t.Callable[..., Done]


@pytest.fixture(name="command")
def command_fixture(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ending:
            surefoot.cli.main(list(arguments))
        return Done(int(t.cast("int", ending.value.code)), *capfd.readouterr())

    return run
