"""The variables of roles as options of modules."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.survey import take
from ansible_collections.surefoot.release.plugins.module_utils.survey_options import checked
from ansible_collections.surefoot.release.plugins.module_utils.validation import validate
from ansible_collections.surefoot.release.plugins.plugin_utils.role_variables import survey_options

EVERYWHERE = {kind: ["a1"] for kind in ("install", "restart", "migrate", "flush_cache", "enable_feature")}
VARIABLES: dict[str, t.Any] = {
    "install_path": "/opt/shop",
    "restart_manager": "systemd",
    "restart_service": "shop",
    "restart_health_url": "http://127.0.0.1/livez",
    "restart_pool_backend": "file",
    "restart_pool_path": "/run/shop/drained",
    "migrate_engine": "sql",
    "migrate_url": "postgresql://shop:hush@db/shop",
    "flush_cache_backend": "redis",
    "flush_cache_url": "redis://:hush@cache",
    "enable_feature_path": "/etc/shop/flags.json",
}
RELEASES: list[dict[str, t.Any]] = [
    {"release": "table", "migrate": {"version": "2.0.0", "to": "0002"}},
    {"release": "api", "install": {"version": "2.0.0"}, "restart": {}},
    {"release": "pages", "flush_cache": {"prefix": "page:"}},
    {"release": "open", "enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}, "ramp": ["100%"]}},
]


def options(upto: int = 4, host: str = "a1", hosts: t.Mapping[str, t.Sequence[str]] = EVERYWHERE, **changes: t.Any) -> dict[str, t.Any]:
    """The survey options in the scope of the first `upto` releases; `changes` to the variables, None for one that is not set."""
    scope = {"release": RELEASES[upto - 1], "earlier": RELEASES[: upto - 1], "hosts": hosts}
    return survey_options(scope, host, {**VARIABLES, **changes}.get)


def test_every_kind_of_step() -> None:
    found = options()
    secrets = json.loads(found.pop("secrets"))
    assert found == {
        "install": {"path": "/opt/shop"},
        "restart": {"manager": "systemd", "service": "shop", "health_url": "http://127.0.0.1/livez", "path": "/opt/shop"},
        "pool_member": {"backend": "file", "path": "/run/shop/drained"},
        "migrate": {"engine": "sql", "path": "/opt/shop/releases/2.0.0", "to": "0002"},
        "flush_cache": {"backend": "redis", "root": "/opt/shop/current", "prefix": "page:", "version": "pages"},
        "enable_feature": {"path": "/etc/shop/flags.json", "flag": "reviews"},
    }
    assert secrets == {"migrate": {"url": VARIABLES["migrate_url"]}, "flush_cache": {"url": VARIABLES["flush_cache_url"]}}


def test_no_secret_is_among_what_is_shown() -> None:
    found = options()
    del found["secrets"]
    assert "hush" not in json.dumps(found)


def test_without_secrets_there_is_no_text_of_them() -> None:
    assert "secrets" not in options(migrate_engine=None, flush_cache_backend=None)


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        ("install", "install_path"),
        ("restart", "restart_manager"),
        ("pool_member", "restart_pool_backend"),
        ("migrate", "migrate_engine"),
        ("flush_cache", "flush_cache_backend"),
        ("enable_feature", "enable_feature_path"),
    ],
)
def test_a_host_without_the_telling_variable_is_not_looked_at(kind: str, variable: str) -> None:
    assert kind in options()
    assert kind not in options(**{variable: None})


@pytest.mark.parametrize(
    ("hosts", "kinds"),
    [
        ({"install": ["a1"]}, {"install"}),
        ({"restart": ["a1"]}, {"restart", "pool_member"}),
        ({"migrate": ["a1"]}, {"install", "migrate", "secrets"}),
        ({"install": ["a2"]}, set()),
    ],
)
def test_a_host_is_looked_at_for_the_steps_it_is_for(hosts: dict[str, list[str]], kinds: set[str]) -> None:
    assert set(options(hosts=hosts)) == kinds


def test_what_no_release_has_named_yet_is_not_looked_at() -> None:
    assert set(options(upto=2)) == {"install", "restart", "pool_member", "migrate", "secrets"}
    assert set(json.loads(options(upto=2)["secrets"])) == {"migrate"}


def test_a_flag_that_the_host_itself_names_is_looked_at_at_once() -> None:
    assert options(upto=1, enable_feature_flag="reviews")["enable_feature"]["flag"] == "reviews"


def test_what_a_host_says_goes_before_what_follows_from_others() -> None:
    found = options(migrate_path="/srv/sql", restart_path="/srv/shop", flush_cache_root="/srv/pages", flush_cache_version="7")
    assert (found["migrate"]["path"], found["restart"]["path"]) == ("/srv/sql", "/srv/shop")
    assert (found["flush_cache"]["root"], found["flush_cache"]["version"]) == ("/srv/pages", "7")


def test_with_shapes_no_version_is_made_up() -> None:
    assert "version" not in options(flush_cache_shapes=["templates/**"])["flush_cache"]


def test_the_last_release_that_says_it_counts() -> None:
    scope = {"hosts": EVERYWHERE, "earlier": RELEASES, "release": {"release": "all", "enable_feature": {"flag": "all", "audience": {"everyone": True}}}}
    assert survey_options(scope, "a1", VARIABLES.get)["enable_feature"] == {"path": "/etc/shop/flags.json", "flag": "all", "others": ["reviews"]}


def test_the_options_are_ones_that_the_survey_takes() -> None:
    found = options(
        install_path="/none/shop", restart_manager=None, restart_pool_path="/none/drained", flush_cache_backend=None, enable_feature_path="/none/flags.json"
    )
    survey = take(checked(found, validate), lambda *_arguments, **_options: (0, "", ""))
    assert {kind for kind, found in survey.items() if found} == {"artifacts", "pool", "migrations", "flag"}
