"""A glance at a ledger tells what the ledger itself tells, or nothing at all."""

from __future__ import annotations

import pathlib
import sqlite3
import subprocess
import sys

import pytest

from surefoot.ledger import Ledger
from surefoot.ledger.glance import Glance, glance
from surefoot.progress import STATES

URL = "sqlite:///kept/the ledger.db"


def filled(root: pathlib.Path) -> Ledger:
    ledger = Ledger(URL, root=root, memory=root / "head")
    for place in ("staging", "production"):
        for release, kinds in {"table": ("started", "released", "verified"), "api": ("started", "failed")}.items():
            for kind in kinds:
                ledger.append(place, kind, {}, feature="reviews", release=release)
    ledger.append("staging", "held", {"because": "x"})
    return ledger


def of(ledger: Ledger) -> Glance:
    return Glance(latest=ledger.latest(STATES), older_copy=tuple(ledger.older_copy()))


def test_it_tells_what_the_ledger_tells(tmp_path: pathlib.Path) -> None:
    ledger = filled(tmp_path)
    found = glance(URL, tmp_path, tmp_path / "head", STATES)
    assert found == of(ledger)
    assert found is not None
    assert found.latest["staging", "reviews", "api"][0] == "failed"
    assert len(found.latest) == 4


def test_an_older_copy_is_found(tmp_path: pathlib.Path) -> None:
    ledger = filled(tmp_path)
    path = tmp_path / "kept/the ledger.db"
    yesterday = path.read_bytes()
    ledger.append("staging", "resumed", {"because": "x"})
    path.write_bytes(yesterday)
    found = glance(URL, tmp_path, tmp_path / "head", STATES)
    assert found == of(ledger)
    assert found is not None
    assert found.older_copy


@pytest.mark.parametrize("url", ["sqlite:///none.db", "postgresql+psycopg://somebody@127.0.0.1/ledger", "sqlite:///kept/the%20ledger.db", "sqlite://"])
def test_what_is_no_plain_sqlite_file_is_left_to_the_ledger(tmp_path: pathlib.Path, url: str) -> None:
    filled(tmp_path)
    assert glance(url, tmp_path, tmp_path / "head", STATES) is None
    assert not (tmp_path / "none.db").exists()


def test_a_ledger_of_another_version_and_a_damaged_one_are_left_to_the_ledger(tmp_path: pathlib.Path) -> None:
    filled(tmp_path)
    path = tmp_path / "kept/the ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE surefoot_ledger_version SET version_num = '9999'")
    assert glance(URL, tmp_path, tmp_path / "head", STATES) is None
    path.write_bytes(b"not a database")
    assert glance(URL, tmp_path, tmp_path / "head", STATES) is None


def test_status_does_without_sqlalchemy(tmp_path: pathlib.Path) -> None:
    """It is what makes status instant."""
    filled(tmp_path)
    (tmp_path / "surefoot.yml").write_text('{"app": "shop", "ledger": "sqlite:///kept/the ledger.db", "environments": {"staging": {"inventory": "hosts"}}}')
    code = "import sys; from surefoot.application import Application as A; print(A.load('surefoot.yml').status(), 'sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=True)
    assert done.stdout == "[] False\n"
