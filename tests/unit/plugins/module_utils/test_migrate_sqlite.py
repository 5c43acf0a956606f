"""The engine for plain SQL on real SQLite files."""

from __future__ import annotations

import fcntl
import pathlib
import sqlite3
import typing as t

import pytest
from _migrate import BOOKS, REVIEWS, migrate, outcome, release, start, survey, until

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed

# Slow as long as the table `pace` asks for it, so that the same command can be cut off once and then end.
SLOW = {
    "0002_reviews.up.sql": "CREATE TABLE reviews (id INTEGER PRIMARY KEY);\n"
    "WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < (SELECT rounds FROM pace)) SELECT count(*) FROM counter;\n"
}


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


def ask(tmp_path: pathlib.Path, sql: str) -> list[t.Any]:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        return connection.execute(sql).fetchall()


def tables(tmp_path: pathlib.Path) -> set[str]:
    return {row[0] for row in ask(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_migrates_step_by_step_and_records_it(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    first = migrate(shop, url, to="0001")
    second = migrate(shop, url)
    again = migrate(shop, url)

    assert (first.before, first.after, first.undo) == ({"current": [], "applied": []}, {"current": ["0001"], "applied": ["0001"]}, {"to": "base"})
    assert (second.before, second.after, second.undo, second.reversible) == (
        first.after,
        {"current": ["0002"], "applied": ["0001", "0002"]},
        {"to": "0001"},
        True,
    )
    assert "0002 not applied yet; the database is at 0001" in second.reason
    assert (again.needed, again.before, again.after, again.undo) == (False, second.after, second.after, None)
    (row,) = ask(tmp_path, "SELECT id, name, length(checksum), applied_by, duration_ms, down_sql FROM surefoot_migrations WHERE id = '0002'")
    assert row[:3] == ("0002", "reviews", 64)
    assert "@" in row[3]
    assert row[5] == "DROP TABLE reviews;\n"


def test_check_mode_predicts_and_creates_nothing(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    predicted = migrate(shop, url, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]
    done = migrate(shop, url)
    assert (predicted.before, predicted.after, predicted.reason, predicted.undo) == (done.before, done.after, done.reason, done.undo)


def test_check_mode_and_survey_take_no_lock(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    migrate(shop, url, to="0001")
    with (tmp_path / "shop.db.surefoot-lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert migrate(shop, url, check=True, lock_wait=0).needed
        assert survey(shop, url)["pending"] == ["0002"]
    assert "reviews" not in tables(tmp_path)


def test_failing_sql_in_the_middle_leaves_nothing_behind(tmp_path: pathlib.Path, url: str) -> None:
    broken = {"0002_reviews.up.sql": "CREATE TABLE reviews (id INT);\nALTER TABLE books ADD COLUMN stars INT;\n\nINSERT INTO nowhere VALUES (1);\n"}
    shop = release(tmp_path / "r", BOOKS, broken)
    with pytest.raises(StepFailed, match=r"0002_reviews.up.sql failed at line 4 and was rolled back; found: no such table: nowhere; the database is at 0001"):
        migrate(shop, url)
    assert tables(tmp_path) == {"books", "surefoot_migrations"}
    assert "stars" not in str(ask(tmp_path, "SELECT sql FROM sqlite_master"))

    release(shop, REVIEWS)
    assert migrate(shop, url).after["applied"] == ["0001", "0002"]


def test_a_first_migration_that_fails_leaves_no_ledger(tmp_path: pathlib.Path, url: str) -> None:
    with pytest.raises(StepFailed):
        migrate(release(tmp_path / "r", {"1_a.up.sql": "CREATE TABLE a (b INT); SELEKT;"}), url)
    assert tables(tmp_path) == set()


@pytest.mark.parametrize(
    ("verify", "answer"),
    [
        ("SELECT count(*) > 0 FROM books;", "line 1 .* answered 0"),
        ("SELECT 1;\nSELECT id FROM books;", "line 2 .* answered no row"),
        ("SELECT NULL", "answered None"),
        ("INSERT INTO books VALUES (1, 'x')", "not a query"),
    ],
)
def test_a_verification_that_does_not_hold_rolls_back(tmp_path: pathlib.Path, url: str, verify: str, answer: str) -> None:
    with pytest.raises(StepFailed, match=f"and was rolled back; found: .*{answer}"):
        migrate(release(tmp_path / "r", BOOKS, {"0001_books.verify.sql": verify}), url)
    assert tables(tmp_path) == set()


def test_an_edited_migration_is_refused_and_an_edited_comment_is_not(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS)
    migrate(shop, url)
    release(shop, {"0001_books.up.sql": "-- Copyright\nCREATE TABLE books (\n  id INTEGER PRIMARY KEY,\n  title TEXT NOT NULL\n);\n"})
    assert not migrate(shop, url).needed

    release(shop, {"0001_books.up.sql": "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT);\n"}, REVIEWS)
    with pytest.raises(Refused, match="0001 was edited after it had been applied"):
        migrate(shop, url)
    assert survey(shop, url)["drift"] == [{"id": "0001", "reason": "was edited after it had been applied"}]
    assert "reviews" not in tables(tmp_path)


def test_a_late_number_is_refused(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, {"0003_c.up.sql": "CREATE TABLE c (d INT);"})
    migrate(shop, url)
    release(shop, REVIEWS)
    with pytest.raises(Refused, match="0002 is numbered before 0003"):
        migrate(shop, url)


def test_an_older_artifact_leaves_a_newer_database_alone_and_can_take_it_back(tmp_path: pathlib.Path, url: str) -> None:
    newer, older = release(tmp_path / "2", BOOKS, REVIEWS), release(tmp_path / "1", BOOKS)
    migrate(newer, url)
    for to in (None, "0001"):
        step = migrate(older, url, to=to)
        assert not step.needed
        assert "ahead of this artifact (it does not know 0002)" in step.reason
    assert survey(older, url)["unknown"] == ["0002"]

    back = migrate(older, url, to="0001", state="reverted")
    assert (back.after["applied"], back.undo, back.reversible) == (["0001"], {"to": "0002"}, False)
    assert tables(tmp_path) == {"books", "surefoot_migrations"}


def test_a_database_ahead_is_refused_by_an_artifact_that_wants_more(tmp_path: pathlib.Path, url: str) -> None:
    migrate(release(tmp_path / "2", BOOKS, REVIEWS), url)
    other = release(tmp_path / "3", BOOKS, {"0003_other.up.sql": "CREATE TABLE other (a INT);"})
    with pytest.raises(Refused, match=r"ahead of this artifact.*not in the artifact: 0002"):
        migrate(other, url)
    assert "other" not in tables(tmp_path)


def test_goes_back_with_what_was_applied_when_the_file_was_edited_since(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    migrate(shop, url)
    release(shop, {"0002_reviews.up.sql": "CREATE TABLE stars (a INT);", "0002_reviews.down.sql": "DROP TABLE stars;"})
    migrate(shop, url, to="0001", state="reverted")
    assert "reviews" not in tables(tmp_path)


def test_going_back_needs_a_way_down_and_the_word_reverted(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, {**REVIEWS, "0002_reviews.down.sql": "-- there is none\n"})
    forward = migrate(shop, url)
    assert not forward.reversible
    with pytest.raises(Refused, match="say state: reverted"):
        migrate(shop, url, to="0001")
    with pytest.raises(Refused, match="no way down from 0002"):
        migrate(shop, url, to="0001", state="reverted")
    assert "reviews" in tables(tmp_path)


def test_what_has_no_way_down_is_refused_where_only_what_has_one_is_asked_for(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, {**REVIEWS, "0002_reviews.down.sql": "-- there is none\n"})
    assert migrate(shop, url, to="0001", reversible_only=True).needed
    for check in (True, False):
        with pytest.raises(Refused, match="could not be taken back; found: no way down from 0002"):
            migrate(shop, url, reversible_only=True, check=check)
    assert survey(shop, url)["current"] == ["0001"]
    migrate(shop, url)
    assert not migrate(shop, url, reversible_only=True).needed


def test_goes_back_to_base_and_up_again(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    migrate(shop, url)
    assert migrate(shop, url, to="base", state="reverted").after == {"current": [], "applied": []}
    assert not migrate(shop, url, to="base", state="reverted").needed
    assert tables(tmp_path) == {"surefoot_migrations"}
    assert migrate(shop, url).after["current"] == ["0002"]


def test_a_way_down_that_fails_leaves_the_migration_applied(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, {**REVIEWS, "0002_reviews.down.sql": "DROP TABLE reviews; DROP TABLE nowhere;"})
    migrate(shop, url)
    with pytest.raises(StepFailed, match=r"0002_reviews.down.sql failed at line 1 and was rolled back"):
        migrate(shop, url, to="base", state="reverted")
    assert survey(shop, url)["applied"] == ["0001", "0002"]
    assert "reviews" in tables(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("reviews.sql", "SELECT 1", "not named like a migration"),
        ("0002-reviews.up.sql", "SELECT 1", "not named like a migration"),
        ("0002_reviews.sql", "SELECT 1", "not named like a migration"),
        ("0002_reviews.down.sql", "SELECT 1", "has no way up"),
        ("1_other.up.sql", "SELECT 1", "have one number"),
        ("0002_reviews.up.sql", "CREATE TABLE a (b INT); COMMIT; DROP TABLE books;", "begins or ends a transaction"),
        ("0002_reviews.up.sql", "-- surefoot: no-transaction\nVACUUM", "only PostgreSQL"),
        ("0002_reviews.up.sql", "-- surefoot: faster\nSELECT 1", "says something unknown"),
    ],
)
def test_a_folder_that_is_not_plain_is_refused_before_anything_changes(tmp_path: pathlib.Path, url: str, name: str, text: str, message: str) -> None:
    shop = release(tmp_path / "r", BOOKS, {name: text})
    with pytest.raises(InvalidInput, match=message):
        migrate(shop, url)
    assert not (tmp_path / "shop.db").exists()


def test_a_file_that_is_no_text_is_refused(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS)
    (shop / "migrations/0002_x.up.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match=r"0002_x.up.sql cannot be read"):
        migrate(shop, url)


def test_an_artifact_that_is_not_staged(tmp_path: pathlib.Path, url: str) -> None:
    migrate(release(tmp_path / "1", BOOKS), url)
    missing = tmp_path / "2"
    with pytest.raises(Refused, match="stage it first"):
        migrate(missing, url, to="0002")
    predicted = migrate(missing, url, to="0002", check=True)
    assert (predicted.needed, predicted.before["applied"], predicted.after["applied"]) == (True, ["0001"], ["0001", "0002"])
    assert not migrate(missing, url, to="0001", check=True).needed
    seen = survey(missing, url)
    assert (seen["readable"], seen["applied"], seen["pending"]) == (False, ["0001"], [])
    with pytest.raises(InvalidInput, match="folder of migrations cannot be read"):
        migrate(tmp_path, url)


def test_survey_of_what_is_pending(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    assert survey(shop, url) == {
        "engine": "sql",
        "version": "r",
        "readable": True,
        "reason": "the database is at base; 2 of this artifact not applied",
        "current": [],
        "applied": [],
        "pending": ["0001", "0002"],
        "unknown": [],
        "drift": [],
        "irreversible": [],
    }
    assert not (tmp_path / "shop.db").exists()
    migrate(shop, url)
    assert survey(shop, url)["pending"] == []


def test_survey_of_what_is_pending_and_has_no_way_down(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "releases/2.0.0", BOOKS, {name: text for name, text in REVIEWS.items() if ".down." not in name})
    (tmp_path / "current").symlink_to(shop)
    found = survey(tmp_path / "current", url)
    assert (found["version"], found["pending"], found["irreversible"]) == ("2.0.0", ["0001", "0002"], ["0002"])
    migrate(shop, url)
    assert survey(shop, url)["irreversible"] == []


def test_survey_of_what_is_no_database(tmp_path: pathlib.Path, url: str) -> None:
    (tmp_path / "shop.db").write_text("this is not a database, and long enough to be seen as none" * 20)
    seen = survey(release(tmp_path / "r", BOOKS), url)
    assert not seen["readable"]
    assert "not a database" in seen["reason"]


def test_four_migrators_at_once_apply_it_once(tmp_path: pathlib.Path, url: str) -> None:
    counting = {"0003_count.up.sql": "CREATE TABLE IF NOT EXISTS counter (n INT); INSERT INTO counter VALUES (1);"}
    shop = release(tmp_path / "r", BOOKS, REVIEWS, counting)
    steps = [outcome(process) for process in [start(shop, url) for _ in range(4)]]
    assert sorted(step["before"] != step["after"] for step in steps) == [False, False, False, True]
    assert all(step["after"]["current"] == ["0003"] for step in steps)
    assert ask(tmp_path, "SELECT count(*) FROM counter") == [(1,)]


def test_a_lock_that_is_never_given_back_ends_in_a_clear_error(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS)
    with (tmp_path / "shop.db.surefoot-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("surefoot-lock web1 4711 since yesterday")
        lock.flush()
        with pytest.raises(Refused, match=r"did not end within 1 s; found: .*held by surefoot-lock web1 4711"):
            migrate(shop, url, lock_wait=1)
    assert not (tmp_path / "shop.db").exists()
    assert migrate(shop, url, lock_wait=0).needed


def test_killed_in_the_middle_and_run_again(tmp_path: pathlib.Path, url: str) -> None:
    pace = {"0001_pace.up.sql": "CREATE TABLE pace (rounds INT); INSERT INTO pace VALUES (1000000000000);"}
    shop = release(tmp_path / "r", pace, SLOW)
    migrate(shop, url, to="0001")

    victim = start(shop, url)
    until(lambda: _is_writing(tmp_path / "shop.db"))
    victim.kill()
    victim.communicate()

    assert survey(shop, url)["applied"] == ["0001"]
    ask(tmp_path, "UPDATE pace SET rounds = 1")
    step = migrate(shop, url, lock_wait=0)
    assert (step.before["applied"], step.after["applied"]) == (["0001"], ["0001", "0002"])


def test_a_database_in_use_is_tried_again(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    migrate(shop, url, to="0001")
    other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StepFailed, match="database is locked"):
        migrate(shop, url, lock_wait=0, lock_timeout="10ms")
    process = start(shop, url, lock_timeout="10ms")
    until(lambda: "surefoot-lock" in (tmp_path / "shop.db.surefoot-lock").read_text())
    other.execute("COMMIT")
    other.close()
    assert outcome(process)["after"]["current"] == ["0002"]


def _is_writing(path: pathlib.Path) -> bool:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False
