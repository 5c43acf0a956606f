"""The migrate step on a real PostgreSQL, with the real Alembic, and through the real ansible."""

from __future__ import annotations

import pathlib
import sys
import threading
import typing as t

import psycopg
import pytest
import yaml
from _migrate import BOOKS, REVIEWS, alembic_options, alembic_release, migrate, outcome, release, start, survey, until
from _postgres import PASSWORD, Server, postgres

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.migrate.postgresql import LOCK_KEY
from helpers import run_module, run_playbook

__all__ = ["postgres"]


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.database()


def ask(url: str, sql: str, *parameters: t.Any) -> list[t.Any]:
    with psycopg.connect(url, autocommit=True, application_name="test") as connection:
        cursor = connection.execute(sql, parameters or None)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def tables(url: str) -> set[str]:
    return {row[0] for row in ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


@pytest.fixture(params=["psycopg", "psycopg2"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either driver, whatever else is installed."""
    if request.param == "psycopg2":
        pytest.importorskip("psycopg2")
        monkeypatch.setitem(sys.modules, "psycopg", None)
    return t.cast("str", request.param)


@pytest.mark.usefixtures("driver")
def test_migrates_verifies_and_goes_back(tmp_path: pathlib.Path, url: str) -> None:
    percent = {"0003_percent.up.sql": "CREATE TABLE percent (a TEXT DEFAULT '100%s');\nDO $$ BEGIN INSERT INTO percent VALUES ('%'); END $$;"}
    shop = release(
        tmp_path / "r", BOOKS, REVIEWS, {**percent, "0003_percent.verify.sql": "SELECT a = '%' FROM percent", "0003_percent.down.sql": "DROP TABLE percent"}
    )
    step = migrate(shop, url)
    assert (step.after["current"], step.undo, step.reversible) == (["0003"], {"to": "base"}, True)
    assert not migrate(shop, url).needed
    older = release(tmp_path / "1", BOOKS)
    assert survey(older, url)["unknown"] == ["0002", "0003"]
    assert migrate(older, url, to="0001", state="reverted").after["applied"] == ["0001"]
    assert tables(url) == {"books", "surefoot_migrations"}
    assert ask(
        url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ) == [(0,)]


@pytest.mark.usefixtures("driver")
def test_failing_sql_in_the_middle_leaves_nothing_behind(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(
        tmp_path / "r", BOOKS, {"0002_reviews.up.sql": "CREATE TABLE reviews (id INT);\nALTER TABLE books ADD stars INT;\n\nINSERT INTO nowhere VALUES (1);"}
    )
    with pytest.raises(StepFailed, match=r"failed at line 4 and was rolled back; found: relation .nowhere. does not exist; the database is at 0001"):
        migrate(shop, url)
    assert tables(url) == {"books", "surefoot_migrations"}
    assert ask(url, "SELECT column_name FROM information_schema.columns WHERE column_name = 'stars'") == []
    release(shop, REVIEWS, {"0002_reviews.verify.sql": "SELECT false"})
    with pytest.raises(StepFailed, match=r"not what its verification asks for and was rolled back; found: line 1 .* answered False"):
        migrate(shop, url)
    assert tables(url) == {"books", "surefoot_migrations"}


def test_an_edited_migration_is_refused(tmp_path: pathlib.Path, url: str) -> None:
    shop = release(tmp_path / "r", BOOKS)
    migrate(shop, url)
    release(shop, {"0001_books.up.sql": "/* a /* nested */ comment */ " + BOOKS["0001_books.up.sql"]})
    assert not migrate(shop, url).needed
    release(shop, {"0001_books.up.sql": "CREATE TABLE books (id INT)"})
    with pytest.raises(Refused, match="0001 was edited"):
        migrate(shop, url)


def test_a_migration_that_empties_the_search_path_is_still_recorded_where_it_belongs(tmp_path: pathlib.Path, url: str) -> None:
    dump = {"0001_dump.up.sql": "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.dumped (a INT);"}
    assert migrate(release(tmp_path / "r", dump, REVIEWS), url).after["applied"] == ["0001", "0002"]
    assert tables(url) == {"dumped", "reviews", "surefoot_migrations"}


def test_check_mode_takes_no_lock_and_creates_no_table(tmp_path: pathlib.Path, url: str, postgres: Server) -> None:
    shop = release(tmp_path / "r", BOOKS)
    with postgres.connect(url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        other.execute("CREATE TABLE books (id INT)")
        other.execute("BEGIN; LOCK TABLE books IN ACCESS EXCLUSIVE MODE")
        assert migrate(shop, url, check=True, lock_wait=0).after["current"] == ["0001"]
        assert survey(shop, url)["pending"] == ["0001"]
        assert tables(url) == {"books"}


def test_a_lock_that_is_never_given_back_ends_in_an_error_that_names_its_holder(tmp_path: pathlib.Path, url: str, postgres: Server) -> None:
    shop = release(tmp_path / "r", BOOKS)
    with postgres.connect(url, "somebody at work") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        with pytest.raises(Refused, match=rf"did not end within 1 s; found: held by pid {other.info.backend_pid}, somebody at work, from 127\.0\.0\.1"):
            migrate(shop, url, lock_wait=1)
    assert tables(url) == set()
    assert migrate(shop, url).needed


def test_a_lock_lost_meanwhile_is_noticed(tmp_path: pathlib.Path, url: str) -> None:
    rob = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'surefoot-lock%' AND datname = current_database();"
    with pytest.raises(StepFailed, match="its lock was lost meanwhile"):
        migrate(release(tmp_path / "r", {"0001_rob.up.sql": rob}), url)


def test_several_at_once_apply_it_once_even_without_a_transaction(tmp_path: pathlib.Path, url: str) -> None:
    """A migrator that waited inside the server would hold up CREATE INDEX CONCURRENTLY for ever, and without a lock the counter would be above one."""
    index = "-- surefoot: no-transaction\nSELECT pg_sleep(0.3);\nCREATE INDEX CONCURRENTLY by_title ON books (title);\nINSERT INTO counter VALUES (1);"
    shop = release(tmp_path / "r", BOOKS, {"0002_counter.up.sql": "CREATE TABLE counter (n INT)", "0003_index.up.sql": index})
    steps = [outcome(process) for process in [start(shop, url) for _ in range(3)]]
    assert sorted(step["before"] != step["after"] for step in steps) == [False, False, True]
    assert ask(url, "SELECT count(*) FROM counter") == [(1,)]
    assert ask(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_title'::regclass") == [(True,)]


def test_an_index_left_invalid_fails_the_step_until_the_file_can_be_run_again(tmp_path: pathlib.Path, url: str) -> None:
    index = "-- surefoot: no-transaction\n{}CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_title ON books (title);"
    shop = release(tmp_path / "r", BOOKS, {"0002_index.up.sql": index.format("")})
    migrate(shop, url, to="0001")
    ask(url, "INSERT INTO books VALUES (1, 'same'), (2, 'same')")
    with pytest.raises(StepFailed, match=r"failed at line 2, outside of a transaction; found: could not create unique index"):
        migrate(shop, url)
    ask(url, "DELETE FROM books WHERE id = 2")
    with pytest.raises(StepFailed, match="left an index that PostgreSQL does not use; found: invalid: one_title"):
        migrate(shop, url)
    assert survey(shop, url)["applied"] == ["0001"]
    release(shop, {"0002_index.up.sql": index.format("DROP INDEX CONCURRENTLY IF EXISTS one_title;\n")})
    assert migrate(shop, url).after["current"] == ["0002"]


def test_killed_in_the_middle_and_run_again(tmp_path: pathlib.Path, url: str) -> None:
    pace = {"0001_pace.up.sql": "CREATE TABLE pace (seconds INT); INSERT INTO pace VALUES (3600);"}
    slow = {"0002_slow.up.sql": "CREATE TABLE reviews (id INT); SELECT pg_sleep(seconds) FROM pace;"}
    shop = release(tmp_path / "r", pace, slow)
    migrate(shop, url, to="0001")
    asleep = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'surefoot-migrate %' AND wait_event = 'PgSleep' AND datname = current_database()"

    victim = start(shop, url)
    until(lambda: bool(ask(url, asleep)))
    victim.kill()
    victim.communicate()

    # The server has not noticed yet: the statement is still at work, though the lock is free.
    with pytest.raises(Refused, match=r"did not end within 1 s; found: still at work for a migrator that is gone: pid \d+, surefoot-migrate"):
        migrate(shop, url, lock_wait=1)
    ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'surefoot-migrate %'")
    ask(url, "UPDATE pace SET seconds = 0")
    step = migrate(shop, url)
    assert (step.before["applied"], step.after["applied"]) == (["0001"], ["0001", "0002"])


def test_a_table_in_use_is_given_way_to_and_tried_again(tmp_path: pathlib.Path, url: str, postgres: Server) -> None:
    shop = release(tmp_path / "r", BOOKS, {"0002_stars.up.sql": "ALTER TABLE books ADD COLUMN stars INT;"})
    migrate(shop, url, to="0001")
    waiting = "SELECT 1 FROM pg_locks WHERE relation = 'books'::regclass AND NOT granted"
    with postgres.connect(url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM books")
        with pytest.raises(StepFailed, match=r"failed and was rolled back; found: canceling statement due to lock timeout"):
            migrate(shop, url, lock_timeout="50ms", lock_wait=0)

        process = start(shop, url, lock_timeout="300ms")
        until(lambda: bool(ask(url, waiting)))
        # A user's query queues behind the migration, and gets through because that one gives way.
        with postgres.connect(url) as user:
            user.execute("SET statement_timeout = '20s'")
            user.execute("SELECT * FROM books")
        reader.execute("COMMIT")
    assert outcome(process)["after"]["current"] == ["0002"]


def test_a_statement_that_takes_too_long_is_stopped(tmp_path: pathlib.Path, url: str) -> None:
    with pytest.raises(StepFailed, match="statement timeout"):
        migrate(release(tmp_path / "r", {"0001_slow.up.sql": "SELECT pg_sleep(60)"}), url, statement_timeout="100ms")


def test_a_server_that_cannot_be_reached(tmp_path: pathlib.Path, postgres: Server) -> None:
    shop = release(tmp_path / "r", BOOKS)
    seen = survey(shop, "postgresql://shop:geheim123@127.0.0.1:1/shop")
    assert not seen["readable"]
    with pytest.raises(Refused, match="cannot be reached") as caught:
        migrate(shop, postgres.url("postgres", password="geheim123"))
    assert "geheim123" not in f"{caught.value}{seen}"


def test_no_driver_at_all(tmp_path: pathlib.Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(Refused, match="neither psycopg nor psycopg2 for /"):
        migrate(release(tmp_path / "r", BOOKS), url)


def test_alembic_under_the_lock_and_with_its_time_limits(tmp_path: pathlib.Path, url: str) -> None:
    up = "op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement, "
    up += "current_setting('application_name') AS name, (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted) AS held\")"
    shop = alembic_release(tmp_path / "r", ("a1", up, "op.execute('DROP TABLE seen')"))
    options = alembic_options(url, lock_timeout="3s", statement_timeout="1min")
    assert migrate(shop, url, check=True, **options).needed
    assert tables(url) == set()
    step = migrate(shop, url, **options)
    assert (step.after["current"], step.undo) == (["a1"], {"to": "base"})
    ((lock, statement, name, held),) = ask(url, "SELECT * FROM seen")
    assert (lock, statement, held) == ("3s", "1min", 1)
    assert name.startswith("surefoot-migrate ")
    assert survey(alembic_release(tmp_path / "0"), url, **options)["unknown"] == ["a1"]


def test_alembic_gives_way_to_a_table_in_use_and_tries_again(tmp_path: pathlib.Path, url: str, postgres: Server) -> None:
    ask(url, "CREATE TABLE books (id INT)")
    shop = alembic_release(tmp_path / "r", ("a1", "op.add_column('books', sa.Column('stars', sa.Integer))", "op.drop_column('books', 'stars')"))
    with postgres.connect(url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM books")
        with pytest.raises(StepFailed, match="lock timeout"):
            migrate(shop, url, **alembic_options(url, lock_timeout="50ms", lock_wait=0))
        release_it = threading.Timer(0.5, lambda: reader.execute("COMMIT"))
        release_it.start()
        assert migrate(shop, url, **alembic_options(url, lock_timeout="50ms")).after["current"] == ["a1"]
        release_it.join()


def test_alembic_in_another_database_is_refused(tmp_path: pathlib.Path, url: str, postgres: Server) -> None:
    shop = alembic_release(tmp_path / "r", ("a1", "pass", "pass"))
    with pytest.raises(Refused, match="another database than the url option names"):
        migrate(shop, url, **alembic_options(postgres.database()))


def test_through_ansible_without_secrets_and_with_whole_ids(tmp_path: pathlib.Path, url: str) -> None:
    """A short value of the environment must not blank the ids, and the password must appear nowhere."""
    shop = release(tmp_path / "r", BOOKS, REVIEWS)
    args = {"engine": "sql", "path": str(shop), "url": url, "environment": {"DEBUG": "1", "PORT": "0001", "TOKEN": "abcdefghij"}}
    predicted = run_module("migrate", args, check=True)
    done = run_module("migrate", args)
    again = run_module("migrate", args)
    assert done["step"]["after"] == predicted["step"]["after"] == {"current": ["0002"], "applied": ["0001", "0002"]}
    assert [result["changed"] for result in (predicted, done, again)] == [True, True, False]

    release(shop, {"0003_leak.up.sql": f"SELECT '{PASSWORD}'::int"})
    failed = run_module("migrate", args)
    assert failed["failed"]
    assert "0003_leak.up.sql failed at line 1 and was rolled back" in failed["msg"]
    for result in (predicted, done, again, failed):
        assert not any(secret in str(result) for secret in (PASSWORD, "hunter2", "abcdefghij"))


def test_alembic_through_ansible(tmp_path: pathlib.Path) -> None:
    url = f"sqlite://{tmp_path}/shop.db"
    shop = alembic_release(tmp_path / "r", ("a1", "op.create_table('books', sa.Column('id', sa.Integer))", "op.drop_table('books')"))
    done = run_module("migrate", {"path": str(shop), "url": url, **alembic_options(url)})
    assert done["step"]["after"] == {"current": ["a1"], "applied": ["a1"]}, done


def test_the_role_takes_what_the_release_says(tmp_path: pathlib.Path) -> None:
    release(tmp_path / "shop/releases/2.0.0", BOOKS, REVIEWS)
    variables = {
        "ansible_python_interpreter": sys.executable,
        "install_path": str(tmp_path / "shop"),
        "migrate_engine": "sql",
        "migrate_url": f"sqlite://{tmp_path}/shop.db",
        "surefoot_release": {"release": "reviews-table", "migrate": {"version": "2.0.0", "to": "0001"}},
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": variables,
        "roles": ["surefoot.release.migrate"],
        "post_tasks": [{"ansible.builtin.assert": {"that": ["migrate_result.step.after.current == ['0001']", "migrate_result.changed == expected"]}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    for expected in ("true", "false"):
        done = run_playbook("play.yml", "-e", f'{{"expected": {expected}}}', cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_unusable_options_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidInput, match="URL cannot be used"):
        migrate(release(tmp_path / "r", BOOKS), "oracle://x")
