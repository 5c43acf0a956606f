"""What must be true on each host after 1.0.0 and then 2.0.0 went out."""

from __future__ import annotations

import json
import os
import pathlib
import sqlite3
import urllib.request

import pytest
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

testinfra_hosts = ["ansible://app"]


@pytest.fixture
def home(host) -> pathlib.Path:
    name = host.backend.get_pytest_id().split("/")[-1]
    return pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "hosts", name)


@pytest.fixture
def ask(home):
    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{(home / 'port').read_text()}{path}", timeout=5) as answer:
            return answer.read().decode()

    return get


def test_the_new_version_is_live_and_the_old_one_is_kept(host, home) -> None:
    current = host.file(str(home / "shop/current"))
    assert current.is_symlink
    assert (home / "shop/current").readlink() == pathlib.Path("releases/2.0.0")
    assert sorted(host.file(str(home / "shop/releases")).listdir()) == ["1.0.0", "2.0.0"]


def test_the_process_runs_what_is_live(host, home, ask) -> None:
    assert json.loads(ask("/health")) == {"version": "2.0.0", "drained": False}
    pid = host.file(str(home / "shop.pid")).content_string
    assert pathlib.Path("/proc", pid, "cwd").resolve() == home / "shop/releases/2.0.0"


def test_shared_files_are_the_same_in_both_versions(home) -> None:
    (home / "shop/shared/log/shop.txt").write_text("one")
    assert [(home / "shop/releases" / version / "log/shop.txt").read_text() for version in ("1.0.0", "2.0.0")] == ["one", "one"]


def test_both_migrations_are_in_the_database(home) -> None:
    with sqlite3.connect(f"file:{home / 'shop.db'}?mode=ro", uri=True) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        titles = [title for (title,) in database.execute("SELECT title FROM books ORDER BY id")]
    assert {"books", "reviews"} <= tables
    assert titles == ["Emma", "Ulysses"]


def test_no_page_of_the_old_shape_is_left(host, home, ask) -> None:
    assert "reviews" in ask("/")
    assert host.file(str(home / "cache/session%3Aanna")).content_string == "kept"


def test_staff_see_the_feature_and_others_do_not(home) -> None:
    api.set_provider_and_wait(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(home / "flags.json")))
    try:
        client = api.get_client()
        staff = EvaluationContext("anna", {"groups": ["staff"]})
        customer = EvaluationContext("bert", {"groups": ["customers"]})
        assert client.get_boolean_value("reviews", False, staff)
        assert not client.get_boolean_value("reviews", True, customer)
        assert client.get_boolean_value("dark-mode", False, customer)
    finally:
        api.shutdown()


def test_the_receipt_says_so(home) -> None:
    receipt = json.loads((home / "receipt.json").read_text())
    assert receipt["live_version"] == "2.0.0"
    assert [entry["release"] for entry in receipt["releases"]] == ["reviews-internal"]
