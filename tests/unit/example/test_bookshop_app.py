"""The example application itself: its three versions, behind their own cache, database and flags."""

import collections.abc
import dataclasses
import importlib
import json
import os
import pathlib
import sys
import time
import typing as t

import pytest
from alembic import command
from alembic.config import Config
from examples.bookshop import build

ON_FOR_STAFF = {"if": [{"in": ["staff", {"var": "groups"}]}, "on", "off"]}


@dataclasses.dataclass
class Opened:
    """A shop of one version, its database migrated and filled."""

    client: t.Any
    root: pathlib.Path

    def get(self, path: str, user: str | None = None) -> t.Any:
        return self.client.get(path, headers={"X-User": user} if user else {})

    def post(self, path: str, body: object, user: str) -> t.Any:
        return self.client.post(path, json=body, headers={"X-User": user})

    def let_in(self, targeting: object, user: str, status: int) -> None:
        """Replace the flag file and wait until the shop has seen it."""
        write_flag(self.root / "flags.json", targeting)
        deadline = time.monotonic() + 5
        while self.get("/api/books/1/reviews", user).status_code != status:
            assert time.monotonic() < deadline, "the flag file was not read again"
            time.sleep(0.02)


def write_flag(path: pathlib.Path, targeting: object) -> None:
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "targeting": targeting}
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps({"flags": {"reviews": flag}}))
    # Some file systems keep times coarser than a test is fast, and the provider looks for a greater one.
    modified = max(time.time(), path.stat().st_mtime + 1 if path.exists() else 0)
    os.utime(unfinished, (modified, modified))
    unfinished.replace(path)


@pytest.fixture
def open_shop(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[t.Callable[[str], Opened]]:
    """Opens a version of the shop; all versions share database, cache and flags, as releases of one instance do."""
    environment = {
        "BOOKSHOP_DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}",
        "BOOKSHOP_CACHE_URL": f"files://{tmp_path / 'cache'}",
        "BOOKSHOP_FLAGS": str(tmp_path / "flags.json"),
        "BOOKSHOP_DRAIN_FILE": str(tmp_path / "drain"),
    }

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "bookshop"]:
            del sys.modules[name]

    def opened(version: str) -> Opened:
        release = tmp_path / version
        for name, content in build.tree(version).items():
            (release / name).parent.mkdir(parents=True, exist_ok=True)
            (release / name).write_bytes(content)
        forget()
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(release))
            for name, value in environment.items():
                patch.setenv(name, value)
            command.upgrade(Config(str(release / "alembic.ini")), "head")
            importlib.import_module("bookshop.seed").seed(environment["BOOKSHOP_DATABASE_URL"])
            app = importlib.import_module("bookshop.app").create_app(environment)
            if version != "1.0.0":
                importlib.import_module("bookshop.features").connect(environment["BOOKSHOP_FLAGS"])
        return Opened(app.test_client(), tmp_path)

    yield opened
    from openfeature import api

    api.shutdown()
    forget()


def test_pages_are_cached_under_their_percent_encoded_key(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("1.0.0")
    assert "Middlemarch" in shop.get("/").text
    assert "George Eliot, £8.50" in shop.get("/books/2").text
    assert {path.name for path in (shop.root / "cache").iterdir()} == {"page%3Aindex", "page%3Abook%3A2"}
    (shop.root / "cache" / "page%3Aindex").write_text("out of the cache")
    assert shop.get("/").text == "out of the cache"


def test_a_page_that_does_not_exist_is_not_cached(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("2.1.0")
    assert shop.get("/books/99").status_code == 404
    assert list((shop.root / "cache").iterdir()) == []


@pytest.mark.parametrize("version", build.VERSIONS)
def test_health_tells_the_version_and_503_while_drained(open_shop: t.Callable[[str], Opened], version: str):
    shop = open_shop(version)
    answer = shop.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "version": version})
    (shop.root / "drain").touch()
    answer = shop.get("/healthz")
    assert (answer.status_code, answer.json["version"]) == (503, version)
    assert shop.get("/livez").status_code == 200
    assert shop.get("/").status_code == 200, "late requests are still answered"


def test_there_are_no_reviews_before_2_0_0(open_shop: t.Callable[[str], Opened]):
    assert open_shop("1.0.0").get("/api/books/1/reviews", "staff").status_code == 404


def test_reviews_are_closed_to_everybody_without_a_flag_file_and_open_when_one_appears(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("2.0.0")
    assert shop.get("/api/books/1/reviews", "staff").status_code == 403
    shop.let_in(ON_FOR_STAFF, "staff", 200)


def test_both_sides_of_the_access_rule(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("2.0.0")
    shop.let_in(ON_FOR_STAFF, "staff", 200)
    assert shop.get("/api/books/1/reviews", "customer").status_code == 403
    assert shop.get("/api/books/1/reviews").status_code == 403
    assert shop.post("/api/books/1/reviews", {"rating": 5, "text": "Good"}, "customer").status_code == 403
    shop.let_in(None, "staff", 403)


def test_the_customer_whom_the_gates_of_the_last_release_ask_as_is_among_the_first_five_percent(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("2.0.0")
    bucket = {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}
    shop.let_in({"fractional": [bucket, ["on", 5], ["off", 95]]}, "customer145", 200)
    assert shop.get("/api/books/1/reviews", "customer").status_code == 403


def test_a_review_is_kept_with_its_author(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("2.0.0")
    shop.let_in(ON_FOR_STAFF, "staff", 200)
    assert shop.post("/api/books/1/reviews", {"rating": 5, "text": " Good "}, "ada").status_code == 201
    assert shop.get("/api/books/1/reviews", "staff").json == [{"id": 1, "author": "ada", "rating": 5, "text": "Good"}]
    assert shop.get("/api/books/99/reviews", "staff").status_code == 404


@pytest.mark.parametrize(
    "body", [None, [], {}, {"rating": 6, "text": "x"}, {"rating": True, "text": "x"}, {"rating": 3, "text": " "}, {"rating": "3", "text": "x"}]
)
def test_a_review_that_is_none_is_refused(open_shop: t.Callable[[str], Opened], body: object):
    shop = open_shop("2.0.0")
    shop.let_in(ON_FOR_STAFF, "staff", 200)
    assert shop.post("/api/books/1/reviews", body, "ada").status_code == 400
    assert shop.get("/api/books/1/reviews", "staff").json == []


def test_pages_cached_by_2_0_0_stay_without_reviews_until_they_are_flushed(open_shop: t.Callable[[str], Opened]):
    older = open_shop("2.0.0")
    older.let_in(ON_FOR_STAFF, "staff", 200)
    older.get("/books/1")
    newer = open_shop("2.1.0")
    newer.let_in(ON_FOR_STAFF, "staff", 200)
    assert "Reviews" not in newer.get("/books/1", "staff").text
    (newer.root / "cache" / "page%3Abook%3A1").unlink()
    assert "Reviews" in newer.get("/books/1", "staff").text
    assert "Reviews" not in newer.get("/books/1", "customer").text, "what one reader may see is not cached for another"
    assert "slot" not in newer.get("/books/1", "customer").text


def test_a_review_is_shown_as_text(open_shop: t.Callable[[str], Opened]):
    shop = open_shop("2.1.0")
    shop.let_in(ON_FOR_STAFF, "staff", 200)
    shop.post("/api/books/1/reviews", {"rating": 1, "text": "<script>alert(1)</script>"}, "ada")
    assert "&lt;script&gt;alert(1)" in shop.get("/books/1", "staff").text
