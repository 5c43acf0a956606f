"""The engine for Alembic, with the real one in the role of the application's, on real SQLite files."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import subprocess
import sys
import typing as t

import pytest
from _migrate import alembic_options, alembic_release, migrate, outcome, start, survey, until

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed

BOOKS = ("a1", "op.create_table('books', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('books')")
REVIEWS = ("b2", "op.create_table('reviews', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('reviews')")


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    return f"sqlite://{tmp_path}/shop.db"


def alembic(shop: pathlib.Path, url: str, *arguments: str) -> str:
    environment = {**os.environ, "DATABASE_URL": url.replace("sqlite:///", "sqlite:////")}
    done = subprocess.run([sys.executable, "-m", "alembic", *arguments], cwd=shop, env=environment, text=True, capture_output=True)
    return done.stdout + (f"rc {done.returncode}" if done.returncode else "")


def tables(tmp_path: pathlib.Path) -> set[str]:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_migrates_and_alembic_itself_reads_the_result(tmp_path: pathlib.Path, url: str) -> None:
    shop = alembic_release(tmp_path / "r", BOOKS, REVIEWS)
    first = migrate(shop, url, to="a1", **alembic_options(url))
    assert "a1" in alembic(shop, url, "current")
    second = migrate(shop, url, **alembic_options(url))
    assert "b2 (head)" in alembic(shop, url, "current")
    again = migrate(shop, url, **alembic_options(url))

    assert (first.after, first.undo) == ({"current": ["a1"], "applied": ["a1"]}, {"to": "base"})
    assert (second.before, second.after, second.undo, second.reversible) == (first.after, {"current": ["b2"], "applied": ["a1", "b2"]}, {"to": "a1"}, True)
    assert (again.needed, again.before, again.after) == (False, second.after, second.after)

    back = migrate(shop, url, **alembic_options(url, to="a1", state="reverted"))
    assert (back.after["current"], back.undo) == (["a1"], {"to": "b2"})
    assert tables(tmp_path) == {"alembic_version", "books"}


def test_check_mode_and_survey_leave_no_trace(tmp_path: pathlib.Path, url: str) -> None:
    shop = alembic_release(tmp_path / "r", BOOKS, REVIEWS)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    predicted = migrate(shop, url, check=True, **alembic_options(url))
    assert survey(shop, url, **alembic_options(url))["pending"] == ["a1", "b2"]
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before

    sqlite3.connect(tmp_path / "shop.db").execute("CREATE TABLE other (a INT)")
    assert migrate(shop, url, check=True, **alembic_options(url)).after == predicted.after == {"current": ["b2"], "applied": ["a1", "b2"]}
    assert tables(tmp_path) == {"other"}


def test_a_database_ahead_of_the_code_is_data_and_no_crash(tmp_path: pathlib.Path, url: str) -> None:
    migrate(alembic_release(tmp_path / "2", BOOKS, REVIEWS), url, **alembic_options(url))
    older = alembic_release(tmp_path / "1", BOOKS)
    assert "rc 255" in alembic(older, url, "current"), "if Alembic has learned to cope with this, so can we"

    seen = survey(older, url, **alembic_options(url))
    assert (seen["readable"], seen["unknown"], seen["current"]) == (True, ["b2"], ["b2"])
    with pytest.raises(Refused, match=r"ahead of this artifact.*not in the artifact: b2"):
        migrate(older, url, **alembic_options(url))
    with pytest.raises(Refused, match="not in this artifact: b2"):
        migrate(older, url, **alembic_options(url, to="base", state="reverted"))


def test_another_database_than_the_one_locked_is_refused(tmp_path: pathlib.Path, url: str) -> None:
    shop = alembic_release(tmp_path / "r", BOOKS)
    with pytest.raises(Refused, match=r"another database than the url option names.*other\.db"):
        migrate(shop, url, **alembic_options(url.replace("shop.db", "other.db")))
    assert (tmp_path / "other.db").stat().st_size == 0


def test_a_revision_that_fails_says_why_and_where_it_left_the_database(tmp_path: pathlib.Path, url: str) -> None:
    shop = alembic_release(tmp_path / "r", BOOKS, ("b2", "raise RuntimeError('no room for reviews in ' + os.environ['DATABASE_URL'])", "pass"))
    migrate(shop, url, to="a1", **alembic_options(url))
    with pytest.raises(StepFailed, match="no room for reviews") as caught:
        migrate(shop, url, **alembic_options(url))
    assert "the database is at a1" in str(caught.value)
    assert "shop.db" not in str(caught.value), "values of the environment are secrets"


@pytest.mark.parametrize(("down", "reversible"), [("pass", False), ("raise NotImplementedError", False), ("'''There is none.'''", False), (REVIEWS[2], True)])
def test_a_downgrade_that_does_nothing_is_no_way_back(tmp_path: pathlib.Path, url: str, down: str, reversible: bool) -> None:
    shop = alembic_release(tmp_path / "r", BOOKS, (*REVIEWS[:2], down), ("c3", "pass", "pass"))
    assert survey(shop, url, **alembic_options(url))["irreversible"] == ([] if reversible else ["b2"])
    assert migrate(shop, url, **alembic_options(url)).reversible is reversible
    if not reversible:
        with pytest.raises(Refused, match="no way down from b2"):
            migrate(shop, url, **alembic_options(url, to="a1", state="reverted"))


def test_what_cannot_be_asked(tmp_path: pathlib.Path, url: str) -> None:
    shop = alembic_release(tmp_path / "r", ("a1", "pass", "pass"))
    (shop / "migrations/versions/broken.py").write_text("revision = 'z'\ndown_revision = 'nobody'\n")
    seen = survey(shop, url, **alembic_options(url))
    assert not seen["readable"]
    assert "nobody" in seen["reason"]
    with pytest.raises(InvalidInput, match="Python cannot be started"):
        survey(shop, url, **alembic_options(url, python="nowhere/python"))
    seen = survey(shop, url, **alembic_options(url, config="other.ini"))
    assert not seen["readable"]


def test_an_artifact_that_is_not_staged(tmp_path: pathlib.Path, url: str) -> None:
    predicted = migrate(tmp_path / "2", url, check=True, **alembic_options(url, to="b2"))
    assert (predicted.needed, predicted.before, predicted.after["current"]) == (True, {}, ["b2"])
    assert not survey(tmp_path / "2", url, **alembic_options(url))["readable"]


def test_two_at_once_apply_it_once(tmp_path: pathlib.Path, url: str) -> None:
    shop = alembic_release(tmp_path / "r", BOOKS, REVIEWS)
    steps: list[t.Any] = [outcome(process) for process in [start(shop, url, **alembic_options(url)) for _ in range(2)]]
    assert sorted(step["before"] != step["after"] for step in steps) == [False, True]


def test_a_tool_that_outlives_its_killed_migrator_keeps_the_lock(tmp_path: pathlib.Path, url: str) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"
    wait = f"open({str(begun)!r}, 'w').close()\n    for _ in range(1000): os.path.exists({str(go)!r}) or time.sleep(0.02)\n    {BOOKS[1]}"
    shop = alembic_release(tmp_path / "r", ("a1", wait, BOOKS[2]))
    victim = start(shop, url, **alembic_options(url))
    until(begun.exists)
    victim.kill()
    victim.wait()
    try:
        with pytest.raises(Refused, match="did not end within 1 s"):
            migrate(shop, url, **alembic_options(url, lock_wait=1))
    finally:
        go.touch()
        victim.communicate()
    done = migrate(shop, url, **alembic_options(url))
    assert (done.needed, done.after["current"]) == (False, ["a1"])
