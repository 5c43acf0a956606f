"""One look at everything a host holds, over real files."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils import receipt as receipts
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.module_utils.survey import take
from ansible_collections.surefoot.release.plugins.module_utils.survey_options import ARGUMENT_SPEC, checked, secret_values
from ansible_collections.surefoot.release.plugins.module_utils.validation import validate

KINDS = ("receipt", "receipt_problem", "artifacts", "service", "pool", "migrations", "cache", "flag")


def nobody(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
    raise AssertionError("no command is needed")


def look(**params: t.Any) -> dict[str, t.Any]:
    """The survey for these options, which has to be plain data."""
    found = take(checked({**dict.fromkeys(ARGUMENT_SPEC), **params}, validate), nobody)
    return t.cast("dict[str, t.Any]", json.loads(json.dumps(found)))


def snapshot(root: pathlib.Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))}


@pytest.fixture(name="shop")
def shop_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    """An install path on which 1.0.0, with one migration, is live."""
    (tmp_path / "shop/releases/1.0.0/migrations").mkdir(parents=True)
    (tmp_path / "shop/releases/1.0.0/migrations/0001_books.up.sql").write_text("CREATE TABLE books (id INTEGER);\n")
    (tmp_path / "shop/current").symlink_to("releases/1.0.0")
    return tmp_path / "shop"


def test_what_was_not_asked_for_is_not_looked_at() -> None:
    assert look() == dict.fromkeys(KINDS)


def test_everything_at_once_and_nothing_is_changed(shop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "turned-away").touch()
    receipts.write(str(tmp_path / "shop.json"), {"receipt": 1, "verified_versions": ["1.0.0"], "live_version": "1.0.0", "releases": []})
    before = snapshot(tmp_path)
    found = look(
        receipt=str(tmp_path / "shop.json"),
        install={"path": str(shop)},
        pool_member={"backend": "file", "path": str(tmp_path / "turned-away")},
        migrate={"engine": "sql", "path": str(shop / "current")},
        flush_cache={"backend": "files", "path": str(tmp_path / "cache"), "prefix": "page:", "version": "2.0.0"},
        enable_feature={"path": str(tmp_path / "flags.json"), "flag": "reviews"},
        secrets=json.dumps({"migrate": {"url": f"sqlite:///{tmp_path}/shop.db"}}),
    )
    assert (found["receipt"]["live_version"], found["artifacts"]["live"]["version"]) == ("1.0.0", "1.0.0")
    assert found["pool"]["state"] == "drained"
    assert found["migrations"]["pending"] == ["0001"]
    assert (found["cache"]["stored"], found["flag"]["audience"]) == (None, None)
    assert snapshot(tmp_path) == before


def test_every_flag_of_a_path_is_looked_at(tmp_path: pathlib.Path) -> None:
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    (tmp_path / "flags.json").write_text(json.dumps({"flags": {"reviews": flag}}))
    asked = {"path": str(tmp_path / "flags.json"), "flag": "stars"}
    found = look(enable_feature={**asked, "others": ["reviews", "search"]})["flag"]
    assert (found["flag"], found["audience"]) == ("stars", None)
    assert [(one["flag"], one["audience"]) for one in found["others"]] == [("reviews", {"everyone": True}), ("search", None)]
    assert "others" not in look(enable_feature=asked)["flag"]


def test_migrations_of_an_artifact_that_is_not_staged_yet_are_those_of_the_live_one(shop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    given = {"engine": "sql", "path": str(shop / "releases/2.0.0")}
    secrets = json.dumps({"migrate": {"url": f"sqlite:///{tmp_path}/shop.db"}})
    assert look(install={"path": str(shop)}, migrate=given, secrets=secrets)["migrations"]["pending"] == ["0001"]
    (shop / "releases/2.0.0/migrations").mkdir(parents=True)
    assert look(install={"path": str(shop)}, migrate=given, secrets=secrets)["migrations"]["pending"] == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"install": {"paht": "/opt/shop"}}, "The options of install cannot be used; .*missing required arguments: path; .*next: set the install_… variables"),
        ({"restart": {"manager": "systemd"}}, "The options of restart cannot be used; found: missing required arguments: service"),
        ({"restart": {"manager": "upstart", "service": "shop"}}, "value of manager must be one of"),
        ({"pool_member": {"backend": "file", "state": "drained"}}, "state"),
        ({"migrate": {"engine": "sql", "path": "/none"}}, "missing required arguments: url"),
        (
            {"migrate": {"engine": "sql", "path": "/none", "url": "sqlite:///x"}},
            "A secret would be shown; found: url under migrate; next: give it under secrets.migrate",
        ),
        ({"flush_cache": {"backend": "redis", "prefix": "p:", "url": "redis://:hush@shop"}}, "A secret would be shown; found: url under flush_cache"),
    ],
)
def test_options_that_cannot_be_used(params: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        look(**params)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("secrets", ["{", "[]", '"text"', '{"migrate": "sqlite:///x"}'])
def test_secrets_that_cannot_be_read_are_not_told(secrets: str) -> None:
    for use in (lambda: secret_values({"secrets": secrets}), lambda: look(secrets=secrets, migrate={"engine": "sql", "path": "/none"})):
        with pytest.raises(InvalidInput, match="The secrets cannot be read; next: give them by kind") as caught:
            use()
        assert "sqlite" not in str(caught.value)


def test_secrets_are_known_for_masking() -> None:
    secrets = {"migrate": {"url": "postgresql://u:p@h/d", "environment": {}}, "flush_cache": {"url": "redis://:p@h", "path": ""}}
    assert secret_values({"secrets": json.dumps(secrets)}) == {"postgresql://u:p@h/d", "redis://:p@h"}
    nested = {"migrate": {"url": "sqlite:///x", "environment": {"TOKEN": "hush-hush", "STAGE": "prod", "KEY": 123456789}}}
    assert secret_values({"secrets": json.dumps(nested)}) == {"sqlite:///x", "hush-hush", "123456789"}, "words as short as prod are no secrets"
    assert secret_values({"secrets": None}) == set()
    assert secret_values({}) == set()


def test_a_damaged_receipt_stops_the_survey(tmp_path: pathlib.Path) -> None:
    (tmp_path / "shop.json").write_text("{}")
    with pytest.raises(Refused, match="The receipt is damaged"):
        look(receipt=str(tmp_path / "shop.json"))
