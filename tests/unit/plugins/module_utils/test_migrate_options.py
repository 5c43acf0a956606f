from __future__ import annotations

import pathlib
import typing as t

import pytest
from _migrate import checked

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.migrate.database import open_database
from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import milliseconds, redact, redacted, settings

PATH = pathlib.Path("/srv/shop/releases/2.0.0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "reverted"}, "how far"),
        ({"path": "releases/2.0.0"}, "must be absolute"),
        ({"directory": "../other"}, "inside the release"),
        ({"directory": "/etc"}, "inside the release"),
        ({"config": "a/../../b.ini"}, "inside the release"),
        ({"lock_wait": -1}, "cannot be negative"),
        ({"lock_timeout": "2"}, "not a duration"),
        ({"lock_timeout": "2s -c role=postgres"}, "not a duration"),
        ({"statement_timeout": "soon"}, "not a duration"),
        ({"engine": "alembic"}, "own Python"),
        ({"engine": "alembic", "virtualenv": ".venv", "python": "/usr/bin/python3"}, "own Python"),
    ],
)
def test_refuses_options(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        settings({**checked(PATH, "sqlite:///db"), **options})


@pytest.mark.parametrize(("text", "expected"), [("500ms", 500), ("2s", 2000), ("1min", 60_000), ("1h", 3_600_000), ("0s", 0)])
def test_durations(text: str, expected: int) -> None:
    assert milliseconds("lock_timeout", text) == expected


def test_the_python_of_the_application_may_lie_inside_the_release() -> None:
    assert settings(checked(PATH, "sqlite:///db", engine="alembic", virtualenv=".venv")).python == "/srv/shop/releases/2.0.0/.venv/bin/python"
    assert settings(checked(PATH, "sqlite:///db", engine="alembic", virtualenv="/opt/venv")).python == "/opt/venv/bin/python"
    assert settings(checked(PATH, "sqlite:///db", engine="alembic", python="/usr/bin/python3")).python == "/usr/bin/python3"


@pytest.mark.parametrize("url", ["mysql://a:geheim1@h/d", "sqlite://", "sqlite:///", "sqlite://host/db", "geheim1", "postgres:/geheim1"])
def test_refuses_urls_without_showing_them(url: str) -> None:
    with pytest.raises(InvalidInput, match="URL cannot be used") as caught:
        open_database(settings(checked(PATH, url)))
    assert "geheim1" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:///srv/a b.db", "sqlite:////srv/a b.db", "sqlite:///srv/a%20b.db", "sqlite:///srv/a b.db?timeout=3"])
def test_a_relative_path_means_nothing_on_a_host(url: str) -> None:
    assert open_database(settings(checked(PATH, url))).identity() == "sqlite /srv/a b.db"


def test_redacts_passwords_in_every_spelling() -> None:
    secrets = settings(checked(PATH, "postgresql://shop:p%40ss@h/shop", environment={"TOKEN": "abcdefgh", "DEBUG": "1"})).secrets
    shown = redact("p%40ss p@ss postgresql://shop:p%40ss@h/shop abcdefgh redis://u:other@h 0001", secrets)
    assert shown == "******** ******** ******** ******** redis://u:********@h 0001"


def test_redacts_every_part_of_an_error() -> None:
    error = redacted(Refused("a hush", seen=["hush", "b"], todo="hush c"), ["hush"])
    assert isinstance(error, Refused)
    assert (error.message, error.seen, error.todo) == ("a ********", ["********", "b"], "******** c")
