from __future__ import annotations

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.migrate import sql_text
from ansible_collections.surefoot.release.plugins.module_utils.migrate.sql_text import POSTGRESQL, SQLITE

DIALECTS = [SQLITE, POSTGRESQL]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "other",
    [
        "-- Licence: changed\nCREATE TABLE a (b TEXT DEFAULT 'x -- y', c INT);",
        "CREATE TABLE a(b TEXT DEFAULT 'x -- y',c INT) ;",
        "CREATE /* why */ TABLE a (\n\tb TEXT DEFAULT 'x -- y',\r\n\tc INT\n);\n\n",
    ],
)
def test_comments_and_white_space_are_no_edit(dialect: str, other: str) -> None:
    text = "CREATE TABLE a (b TEXT DEFAULT 'x -- y', c INT);"
    assert sql_text.checksum(text, dialect) == sql_text.checksum(other, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE a (b TEXT DEFAULT 'x  -- y', c INT);",
        "CREATE TABLE a (b TEXT DEFAULT 'x -- z', c INT);",
        "CREATE TABLE a (b TEXT DEFAULT 'x', c INT);",
        "CREATE TABLE ab (TEXT DEFAULT 'x -- y', c INT);",
        "CREATE TABLE a (b TEXT DEFAULT 'x -- y') -- , c INT);",
    ],
)
def test_anything_else_is_an_edit(dialect: str, other: str) -> None:
    text = "CREATE TABLE a (b TEXT DEFAULT 'x -- y', c INT);"
    assert sql_text.checksum(text, dialect) != sql_text.checksum(other, dialect)


def test_nested_comments_are_one_comment_in_postgresql_and_not_in_sqlite() -> None:
    text = "/* a /* b */ SELECT 1; */ SELECT 2"
    assert [statement.text for statement in sql_text.statements(text, POSTGRESQL)] == ["SELECT 2"]
    assert [statement.text for statement in sql_text.statements(text, SQLITE)] == ["SELECT 1", "*/ SELECT 2"]


def test_comments_inside_a_function_body_are_part_of_it() -> None:
    assert sql_text.checksum("DO $x$ BEGIN -- a\n END $x$", POSTGRESQL) != sql_text.checksum("DO $x$ BEGIN -- b\n END $x$", POSTGRESQL)


def test_operators_are_not_pulled_apart() -> None:
    assert sql_text.checksum("SELECT a <= b", SQLITE) != sql_text.checksum("SELECT a < = b", SQLITE)
    assert sql_text.checksum("SELECT a<=b", SQLITE) == sql_text.checksum("SELECT a <= b", SQLITE)


def test_cuts_sqlite_at_statements_and_not_inside_a_trigger() -> None:
    text = "-- first\nCREATE TABLE a (b);\n\nCREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 'x;y'; SELECT 1; END;\n;\nSELECT [a;b], `c;d` FROM a"
    found = sql_text.statements(text, SQLITE)
    assert [(statement.line, statement.first_word) for statement in found] == [(2, "create"), (4, "create"), (6, "select")]
    assert found[1].text.endswith("END")


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO $body$ BEGIN PERFORM '$$;'; END $body$",
        r"SELECT E'it\'s; fine', 'back\', 1",
        """SELECT 'it''s; fine', "a;""b" """.strip(),
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
    ],
)
def test_cuts_postgresql_only_between_statements(statement: str) -> None:
    assert [found.text for found in sql_text.statements(f"{statement};\nSELECT $1", POSTGRESQL)] == [statement, "SELECT $1"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", ["", " \n", "-- nothing", "/* open", ";;", "-- a\n;"])
def test_nothing_is_said_by_comments(dialect: str, text: str) -> None:
    assert not sql_text.says_something(text, dialect)
    assert sql_text.statements(text, dialect) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", ["SELECT 1; commit;", "BEGIN;", "/* x */ Rollback", "SAVEPOINT a", "START TRANSACTION", "PREPARE TRANSACTION 'x'", "END"])
def test_finds_transaction_control(dialect: str, text: str) -> None:
    assert sql_text.transaction_control(text, dialect) is not None


@pytest.mark.parametrize(
    "text", ["SELECT 'COMMIT'", "CREATE TABLE commit_log (a INT)", "-- COMMIT;\nSELECT 1", "DO $$ BEGIN NULL; END $$", 'SELECT 1 AS "commit"']
)
def test_sees_no_transaction_control_where_there_is_none(text: str) -> None:
    assert sql_text.transaction_control(text, POSTGRESQL) is None


def test_a_directive_is_understood_or_refused() -> None:
    assert not sql_text.runs_in_transaction("-- why\n  -- surefoot:  no-transaction  \nSELECT 1")
    assert sql_text.runs_in_transaction("-- no-transaction\nSELECT 1")
    with pytest.raises(InvalidInput, match="notransaction"):
        sql_text.runs_in_transaction("-- surefoot: notransaction")


def test_an_open_string_runs_to_the_end() -> None:
    assert [statement.text for statement in sql_text.statements("SELECT 'a; b", SQLITE)] == ["SELECT 'a; b"]
    assert [statement.text for statement in sql_text.statements("SELECT $$a; b", POSTGRESQL)] == ["SELECT $$a; b"]
