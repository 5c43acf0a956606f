"""What each of several units is told."""

from __future__ import annotations

import typing as t

import pytest
from _restart import with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.service.options import ARGUMENT_SPEC, units_of

SHOP: dict[str, t.Any] = {
    "manager": "systemd",
    "service": "shop",
    "path": "/srv/shop",
    "method": "auto",
    "reload_signal": "HUP",
    "health_url": "http://127.0.0.1/live",
    "version_key": "version",
    "stop_timeout": 20,
    "stable_for": 3,
    "member_drained": True,
}


def units(*services: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return units_of(with_defaults(ARGUMENT_SPEC, {**SHOP, "services": list(services)} if services else SHOP))


def test_one_service_is_the_only_unit() -> None:
    assert units() == [with_defaults(ARGUMENT_SPEC, SHOP)]


def test_units_come_in_the_declared_order_and_share_only_what_concerns_all() -> None:
    mailer, shop, clock = units(
        {"name": "mailer"}, {"name": "shop"}, {"name": "clock", "stop_timeout": 120, "version_url": "http://127.0.0.1:9/", "method": "reload"}
    )
    assert [unit["service"] for unit in (mailer, shop, clock)] == ["mailer", "shop", "clock"]
    assert shop == with_defaults(ARGUMENT_SPEC, SHOP)
    own = ("method", "reload_signal", "commands", "health_url", "version_url", "version_key", "version_header")
    assert {name: mailer[name] for name in own} == {**dict.fromkeys(own), "method": "restart"}
    assert all(mailer[name] == value for name, value in shop.items() if name not in (*own, "service"))
    assert (clock["stop_timeout"], clock["version_url"], clock["method"], clock["stable_for"]) == (120, "http://127.0.0.1:9/", "reload", 3)


def test_a_unit_says_for_itself_what_the_service_would_otherwise_be_told() -> None:
    (shop,) = units({"name": "shop", "method": "restart", "stable_for": 0})
    assert (shop["method"], shop["stable_for"], shop["version_key"]) == ("restart", 0, "version")


@pytest.mark.parametrize("names", [["mailer"], ["shop", "mailer", "mailer"]])
def test_each_unit_is_named_once_and_the_service_among_them(names: list[str]) -> None:
    with pytest.raises(InvalidInput, match=f"named once each, shop among them; found: {', '.join(names)}"):
        units(*({"name": name} for name in names))
