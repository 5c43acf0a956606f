"""A project on disk whose Ansible is a fake."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import typing as t

import pytest
import yaml

import surefoot.cli
import surefoot.project
from runner import _fakes
from surefoot import Project

Write = t.Callable[..., Project]


@pytest.fixture
def shop(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Write]:
    """Writes a project into tmp_path, or a directory below it, and loads it."""
    monkeypatch.setattr(surefoot.project, "Ansible", _fakes.FakeAnsible)

    def write(*releases: t.Mapping[str, t.Any], where: str = ".", world: _fakes.World | None = None, **keys: t.Any) -> Project:
        root = (tmp_path / where).resolve()
        (root / "features").mkdir(parents=True, exist_ok=True)
        content = {"app": "shop", "environments": {"test": {"inventory": "hosts"}}, **keys}
        (root / "surefoot.yml").write_text(yaml.safe_dump(content))
        (root / "features/reviews.yml").write_text(yaml.safe_dump({"feature": "reviews", "releases": [dict(one) for one in releases or _fakes.FEATURE]}))
        _fakes.FakeAnsible.worlds.setdefault(root, world or _fakes.World())
        return Project.load(root / "surefoot.yml")

    yield write
    _fakes.FakeAnsible.worlds.clear()


@pytest.fixture
def world(tmp_path: pathlib.Path) -> _fakes.World:
    """The hosts of the project in tmp_path."""
    return _fakes.FakeAnsible.worlds.setdefault(tmp_path.resolve(), _fakes.World())


@dataclasses.dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, t.Any]:
        """The one JSON document, or the last line of a stream of them."""
        try:
            return t.cast("dict[str, t.Any]", json.loads(self.out))
        except ValueError:
            return t.cast("dict[str, t.Any]", json.loads(self.out.splitlines()[-1]))


Command = t.Callable[..., Done]


@pytest.fixture
def command(shop: Write, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in a project, the one of `shop` unless the test wrote another."""
    if not (tmp_path / "surefoot.yml").exists():
        shop()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "ANSIBLE_FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ending:
            surefoot.cli.main(list(arguments))
        captured = capfd.readouterr()
        return Done(int(t.cast("int", ending.value.code)), captured.out, captured.err)

    return run
