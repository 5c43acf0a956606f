"""Names, hosts and addresses of a test fleet."""

from __future__ import annotations

import pathlib
import re

import pytest
from tests.fleet.errors import FleetError
from tests.fleet.spec import Host, fleet_name, give_addresses, missing, parse_hosts


def test_hosts_are_numbered_in_their_group():
    assert parse_hosts("app:2, db:1") == (Host("app1", "app"), Host("app2", "app"), Host("db1", "db"))


@pytest.mark.parametrize("text", ["", "app", "app:0", "app:x", "app:-1", "App:1", "app:1;db:1", "../x:1", "app:1,app:2"])
def test_hosts_that_cannot_be_read_are_refused(text: str):
    with pytest.raises(FleetError, match=r"GROUP:COUNT|named twice"):
        parse_hosts(text)


def test_a_fleet_is_named_by_its_directory():
    here, there = pathlib.Path("/a/My Fleet!"), pathlib.Path("/b/My Fleet!")
    assert fleet_name(here) == fleet_name(here)
    assert fleet_name(here) != fleet_name(there)
    assert re.fullmatch(r"surefoot-my-fleet-[0-9a-f]{6}", fleet_name(here))
    assert fleet_name(pathlib.Path("demo")) == fleet_name(pathlib.Path.cwd() / "demo")


def test_addresses_are_the_lowest_free_ones_and_never_the_controllers():
    placed = give_addresses(parse_hosts("app:3"), ["10.89.3.3"], "10.89.3.0/24")
    assert [host.address for host in placed] == ["10.89.3.2", "10.89.3.4", "10.89.3.5"]


def test_a_network_that_is_full_is_said():
    with pytest.raises(FleetError, match="no address left for app2"):
        give_addresses(parse_hosts("app:2"), [], "10.89.3.0/30")


def test_only_hosts_that_are_not_there_are_missing():
    assert missing(parse_hosts("app:2"), [Host("app1", "app", "10.89.3.2")]) == (Host("app2", "app"),)
