"""The end of a release on a host: survey once more, refuse what was not declared, write it down."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from helpers import run_module


@pytest.fixture(name="host")
def host_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory in which 2.0.0 is live."""
    (tmp_path / "shop/releases/1.0.0").mkdir(parents=True)
    (tmp_path / "shop/releases/2.0.0").mkdir()
    (tmp_path / "shop/current").symlink_to("releases/2.0.0")
    return tmp_path


def record(host: pathlib.Path, *, check: bool = False, **args: t.Any) -> dict[str, t.Any]:
    given = {
        "receipt": str(host / "notes/shop.json"),
        "app": "shop",
        "feature": "reviews",
        "release": "api",
        "digest": "d1",
        "install": {"path": str(host / "shop")},
    }
    return run_module("receipt", {**given, **args}, check=check)


def survey(host: pathlib.Path) -> t.Any:
    return run_module("release_info", {"install": {"path": str(host / "shop")}})["survey"]


def test_a_release_is_noted_once(host: pathlib.Path) -> None:
    path = host / "notes/shop.json"
    predicted = record(host, check=True)
    assert (predicted["changed"], path.exists()) == (True, False)
    noted = record(host)
    assert (noted["changed"], noted["step"]["reason"]) == (True, "api is verified here")
    assert json.loads(path.read_text()) == noted["survey"]["receipt"]
    assert noted["step"]["after"] == {"live_version": "2.0.0", "verified_versions": ["2.0.0"], "last": noted["survey"]["receipt"]["releases"][0]}
    assert predicted["step"]["after"]["live_version"] == "2.0.0"
    written = path.read_bytes()
    again = record(host)
    assert (again["changed"], again["step"]["needed"], again["step"]["reason"]) == (False, False, "api is in the receipt already")
    assert path.read_bytes() == written


def test_several_releases_are_noted_in_one_write(host: pathlib.Path) -> None:
    record(host, release="ui")
    also = [{"release": "ui", "digest": "d2", "outcome": "rolled_back"}, {"release": "never", "digest": "d3", "outcome": "rolled_back"}]
    also += [{"release": "table", "digest": "d0", "outcome": "adopted"}]
    (host / "shop/current").unlink()
    (host / "shop/current").symlink_to("releases/1.0.0")
    noted = record(host, outcome="adopted", also=also, run="r2")
    assert noted["step"]["reason"] == "api is adopted here"
    receipt = json.loads((host / "notes/shop.json").read_text())
    assert receipt == noted["survey"]["receipt"]
    told = [(one["release"], one["outcome"], one["digest"], one["version"], one["run"]) for one in receipt["releases"]]
    assert told == [
        ("ui", "verified", "d1", "2.0.0", ""),
        ("ui", "rolled_back", "d2", "1.0.0", "r2"),
        ("table", "adopted", "d0", "1.0.0", "r2"),
        ("api", "adopted", "d1", "1.0.0", "r2"),
    ]
    assert (receipt["live_version"], receipt["verified_versions"][-1]) == ("1.0.0", "1.0.0")
    assert not record(host, outcome="adopted", also=also, run="r3")["changed"]


def test_what_was_not_declared_is_not_noted(host: pathlib.Path) -> None:
    before = survey(host)
    (host / "shop/current").unlink()
    (host / "shop/current").symlink_to("releases/1.0.0")
    refused = record(host, before=before, declared=["release", "restart"])
    assert refused["failed"]
    assert refused["undeclared"] == [{"kind": "install", "reason": "the live version was 2.0.0 and is 1.0.0"}]
    assert "release api does not declare" in refused["msg"]
    assert not (host / "notes").exists()
    assert record(host, before=before, declared=["install"])["survey"]["receipt"]["verified_versions"] == ["2.0.0", "1.0.0"]


def test_a_damaged_receipt_stays_as_it_is(host: pathlib.Path) -> None:
    (host / "notes").mkdir()
    (host / "notes/shop.json").write_text('{"receipt": 1, "releases": [')
    refused = record(host)
    assert (refused["failed"], refused["error"]["kind"]) == (True, "Refused")
    assert refused["msg"].startswith("The receipt is damaged; found: ")
    assert (host / "notes/shop.json").read_text() == '{"receipt": 1, "releases": ['
