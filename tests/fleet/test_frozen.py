"""A host that freezes while ssh has a connection to it open answers nothing and refuses nothing. The runner gives it up all the same."""

from __future__ import annotations

import time
import typing as t

import pytest
import yaml
from tests.fleet import _faults, inventory
from tests.fleet._market import API, BOTH
from tests.fleet._shop import WEB, FleetShop


def forget_the_options_of_the_fleet(shop: FleetShop) -> None:
    """Let ssh ask no host whether it is still there, as it does for people who configured nothing, and open connections of its own."""
    told = str(yaml.safe_load(shop.fleet.inventory.read_text())["all"]["vars"]["ansible_ssh_common_args"])
    # Within the directory whose connections are ended with the fleet
    sockets = str(inventory.control_directory(shop.fleet.directory, shop.fleet.name) / "p")
    shop.work_as("root", ansible_ssh_common_args=told.partition(" -o ServerAliveInterval")[0], ansible_control_path_dir=sockets)


@pytest.mark.parametrize(
    ("victim", "release", "hook", "on"),
    [
        # With one of two hosts unreachable, stock limits would let the next batch go on.
        pytest.param("web2", {**BOTH, "restart": {"batches": [2, 1]}}, "after_migrate", "data1", id="in the first batch"),
        pytest.param("web1", API, "before_restart", "web1", id="drained, and the host of the lock"),
    ],
)
def test_a_host_that_freezes_is_given_up_and_named(shop: FleetShop, victim: str, release: dict[str, t.Any], hook: str, on: str):
    forget_the_options_of_the_fleet(shop)
    freeze, thaw = _faults.frozen(shop, victim)
    shop.feature({**release, "hooks": {hook: shop.hook(freeze, on=on)}})
    before, migrations = shop.hosts(), shop.migrations()
    began = time.monotonic()
    failed = shop.apply("--no-rollback")
    assert time.monotonic() - began < 150
    assert failed.returncode not in {0, 1}, failed.stdout[-3000:] + failed.stderr
    assert victim in failed.stdout
    drained = [name for name, state in shop.pool().items() if state == "DRAIN"]
    assert (victim in drained) == (hook == "before_restart")
    named = f"{', '.join(drained)} {'are' if drained[1:] else 'is'} left drained"
    assert not drained or named in failed.stdout
    batch = release["restart"]["batches"][0]
    after = shop.hosts()
    assert {name: after[name] for name in WEB[batch:]} == {name: before[name] for name in WEB[batch:]}

    shop.repair(thaw)
    again = shop.apply()
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.migrations() == migrations + ("migrate" in release)
    assert shop.in_service() == {("2.0.0", "2.0.0", "UP", (release["release"],))}
