"""What several files of tests release to."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from _restart import App, an_app


@pytest.fixture
def app(tmp_path: pathlib.Path) -> t.Iterator[App]:
    with an_app(tmp_path / "shop") as app:
        yield app
