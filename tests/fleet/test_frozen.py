"""A host that freezes while ssh has a connection to it open answers nothing and refuses nothing. The runner gives it up all the same."""

from __future__ import annotations

import time

import pytest
import yaml
from tests.fleet import inventory
from tests.fleet._shop import API, APP, FleetShop


def forget_the_options_of_the_fleet(shop: FleetShop) -> None:
    """Let ssh ask no host whether it is still there, as it does for people who configured nothing, and open connections of its own."""
    content = yaml.safe_load(shop.fleet.inventory.read_text())
    variables = content["all"]["vars"]
    variables["ansible_ssh_common_args"] = variables["ansible_ssh_common_args"].partition(" -o ServerAliveInterval")[0]
    # Within the directory whose connections are ended with the fleet
    variables["ansible_control_path_dir"] = str(inventory.control_directory(shop.fleet.directory, shop.fleet.name) / "p")
    (shop.fleet.directory / "patient.yml").write_text(yaml.safe_dump(content))
    shop.configure(environments={"fleet": {"inventory": "../patient.yml"}})


@pytest.mark.parametrize("victim", ["app2", "app1"], ids=["a host", "the host of the lock"])
def test_a_host_that_freezes_is_given_up_and_named(shop: FleetShop, victim: str):
    forget_the_options_of_the_fleet(shop)
    shop.feature({**API, "hooks": {"before_restart": shop.hook(f"podman pause {shop.container(victim)}", on=victim)}})
    before = shop.hosts()
    began = time.monotonic()
    failed = shop.apply("--no-rollback")
    assert time.monotonic() - began < 150
    assert failed.returncode not in {0, 1}, failed.stdout[-3000:] + failed.stderr
    assert f"{victim} is left drained" in failed.stdout
    later = APP[APP.index(victim) + 1 :]
    after = shop.hosts()
    assert {name: after[name] for name in later} == {name: before[name] for name in later}

    shop.repair(f"podman unpause {shop.container(victim)}")
    again = shop.apply()
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("2.0.0", "2.0.0", "UP")}
