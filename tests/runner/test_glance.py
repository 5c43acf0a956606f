"""A glance at a ledger tells what the ledger itself tells, or nothing at all."""

from __future__ import annotations

import pathlib
import sqlite3
import subprocess
import sys

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.application import Application
from surefoot.ledger import Ledger
from surefoot.ledger.glance import Glance, glance
from surefoot.states import STATES
from surefoot.status import status

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
    return Glance(latest=(ledger.latest(STATES), ledger.latest({"held"})), older_copy=tuple(ledger.older_copy()))


def test_it_tells_what_the_ledger_tells(tmp_path: pathlib.Path) -> None:
    ledger = filled(tmp_path)
    found = glance(URL, tmp_path, tmp_path / "head", STATES, {"held"})
    assert found == of(ledger)
    assert found is not None
    assert found.latest[0]["staging", "reviews", "api"][0] == "failed"
    assert [len(known) for known in found.latest] == [4, 1]


def test_an_older_copy_is_found(tmp_path: pathlib.Path) -> None:
    ledger = filled(tmp_path)
    path = tmp_path / "kept/the ledger.db"
    yesterday = path.read_bytes()
    ledger.append("staging", "resumed", {"because": "x"})
    path.write_bytes(yesterday)
    found = glance(URL, tmp_path, tmp_path / "head", STATES, {"held"})
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


PROJECT = '{"app": "shop", "ledger": "sqlite:///kept/the ledger.db", "environments": {"staging": {"inventory": "hosts"}, "production": {"inventory": "hosts"}}}'
FEATURE = '{"feature": "reviews", "releases": [{"release": "table", "install": {"version": "1"}}, {"release": "ui", "install": {"version": "2"}}]}'


def written(root: pathlib.Path, project: str = PROJECT, feature: str = FEATURE) -> pathlib.Path:
    """The project file, beside the ledger and a feature."""
    filled(root)
    (root / "features").mkdir()
    (root / "features/reviews.yml").write_text(feature)
    (root / "surefoot.yml").write_text(project)
    return root / "surefoot.yml"


def test_status_does_without_what_takes_long_to_import(tmp_path: pathlib.Path) -> None:
    """It is what makes status instant."""
    path = written(tmp_path)
    code = "import pathlib, sys; from surefoot.status import status; status(pathlib.Path('surefoot.yml')); print({'sqlalchemy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=path.parent, text=True, capture_output=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("environment", [None, "staging"])
def test_status_by_names_is_status_by_models(tmp_path: pathlib.Path, environment: str | None) -> None:
    path = written(tmp_path)
    found, application = status(path, environment), Application.load(path)
    assert (found.features, found.unsettled, found.findings) == (application.status(environment), application.unsettled(environment), [])
    assert found.features[0]["releases"][0]["environments"]["staging"]["state"] == "verified"
    assert found.features[0]["releases"][1]["environments"]["staging"] == {"state": "none", "since": ""}
    assert [one["environment"] for one in found.unsettled] == ["staging", "production"][: 1 if environment else 2]


@pytest.mark.parametrize(
    ("kinds", "state", "message", "todo"),
    [
        (["started"], "started", "was begun and has not come to its end", "surefoot apply reviews -E staging"),
        (["started", "released"], "released", "is in place, and has not been verified", "surefoot apply reviews -E staging"),
        (["started", "failed"], "failed", "failed and was not taken back", "surefoot rollback reviews -E staging"),
        (["started", "failed", "rolling_back"], "rolling_back", "was being taken back", "surefoot rollback reviews -E staging"),
        (["started", "failed", "rolling_back", "rollback_failed"], "rollback_failed", "could not be taken back", "surefoot rollback reviews -E staging"),
        (["verified", "catching_up"], "catching_up", "was being brought to hosts that lack it", "surefoot survey reviews -E staging"),
        (["verified", "catching_up", "catch_up_failed"], "catch_up_failed", "could not be brought", "surefoot survey reviews -E staging"),
        (["verified"], None, "", ""),
        (["adopted"], None, "", ""),
        (["verified", "catching_up", "caught_up"], None, "", ""),
        (["started", "failed", "rolling_back", "rolled_back"], None, "", ""),
        (["verified", "catching_up", "catch_up_failed", "rolling_back", "rolled_back"], None, "", ""),
    ],
)
def test_status_names_what_is_not_settled_and_what_to_do(tmp_path: pathlib.Path, kinds: list[str], state: str | None, message: str, todo: str) -> None:
    path = written(tmp_path)
    with Ledger(URL, root=tmp_path) as ledger:
        for kind in kinds:
            ledger.append("staging", kind, {}, feature="reviews", release="ui")
        ledger.append("staging", "rolled_back", {}, feature="reviews", release="api")
    found = status(path, "staging").unsettled
    assert [(one["release"], one["state"]) for one in found] == ([("ui", state)] if state else [])
    if found:
        assert found[0]["message"].startswith(f"ui of reviews {message}")
        assert todo in found[0]["todo"]


def test_status_names_what_is_not_settled_and_in_no_file_any_more(tmp_path: pathlib.Path) -> None:
    (found,) = status(written(tmp_path), "production").unsettled
    assert (found["release"], found["todo"]) == ("api", "it is in no feature file any more; bring it back there, then survey")


@pytest.mark.parametrize(
    ("project", "feature", "environment", "message"),
    [
        (PROJECT, FEATURE, "prodction", "prodction"),
        ("[]", FEATURE, None, "surefoot.yml"),
        (PROJECT.replace("{", "", 1), FEATURE, None, "surefoot.yml:1:"),
        (PROJECT.replace('"environments"', '"environment"'), FEATURE, None, "did you mean environments"),
        (PROJECT.replace('"sqlite:///kept/the ledger.db"', "7"), FEATURE, None, "ledger is text"),
        (PROJECT, '{"feature": "reviews", "releases": [{"name": "table"}]}', None, "reviews.yml:1:"),
        (PROJECT, '{"feature": "reviews", "releases": [{"release": 7, "install": {"version": "1"}}]}', None, "release is text"),
    ],
)
def test_status_says_of_files_without_names_what_is_wrong(tmp_path: pathlib.Path, project: str, feature: str, environment: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        status(written(tmp_path, project, feature), environment)
