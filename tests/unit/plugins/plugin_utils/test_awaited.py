"""What is awaited comes whole, and nothing is awaited from nobody."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.plugin_utils.awaited import awaited, say


def test_what_is_said_is_awaited(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "said.json")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            say(path, {"release": "api"})

    assert awaited(path, lambda: 7, sleep) == {"release": "api"}
    assert len(looks) == 3


def test_nothing_is_awaited_from_the_dead(tmp_path: pathlib.Path) -> None:
    parents = iter([7, 7, 1])
    with pytest.raises(Refused, match="Nobody is left"):
        awaited(str(tmp_path / "never.json"), lambda: next(parents), lambda _seconds: None)


def test_nothing_is_awaited_where_nothing_can_appear(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(Refused, match="Nobody is left"):
        awaited(str(folder / "never.json"), lambda: 7, lambda _seconds: folder.rmdir())
