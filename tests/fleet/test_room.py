"""Hosts that run out of room, or may not be written to, where artifacts and receipts lie. Needs root; skipped elsewhere."""

from __future__ import annotations

import re
import urllib.request

from tests.fleet import _faults
from tests.fleet._market import API, FAT, HOME, PATH
from tests.fleet._shop import FleetShop

FULL = "No space left on device"


def test_an_artifact_that_does_not_fit_leaves_everything_as_it_was_until_there_is_room(shop: FleetShop):
    shop.feature(FAT)
    before, releases = shop.hosts(), shop.on("web2", f"ls {PATH}/releases")
    with _faults.little_room(shop, "web2", PATH, "4m") as (shrink, grow):
        shop.repair(shrink)
        failed = shop.apply()
        assert failed.returncode == 5, failed.stdout[-3000:] + failed.stderr
        found = rf"{PATH}/\S+: \[Errno 28\] {FULL}"
        assert re.search(rf"web2: The artifact cannot be unpacked on this host; found: {found}; next: make room there", failed.stdout)
        assert shop.hosts() == before
        assert shop.on("web2", f"ls {PATH}/releases") == releases
        assert shop.on("web2", f"ls -A {PATH}/.surefoot").split() == ["artifacts", "lock"]
        with urllib.request.urlopen(f"http://{shop.front}/goods", timeout=5) as answer:
            assert answer.status == 200
        shop.repair(grow)
        again = shop.apply()
        assert again.returncode == 0, again.stdout[-3000:] + again.stderr
        assert shop.in_service() == {("2.3.0", "2.3.0", "UP", ("fat",))}


def test_where_nothing_can_be_noted_nothing_is_begun(shop: FleetShop, way: str):
    shop.feature(API)
    before = shop.hosts()
    read_only = _faults.little_room(shop, "web2", f"{HOME}/state", "1m", read_only=True)
    full = _faults.little_room(shop, "web3", f"{HOME}/state", "100k")
    with read_only as (lock, _unlock), full as (shrink, _grow):
        shop.repair(lock)
        shop.repair(shrink)
        refused = shop.release(way, API)
        assert refused.returncode == (4 if way == "runner" else 2), refused.stdout[-3000:] + refused.stderr
        said = refused.stdout + refused.stderr
        assert f"web2: The receipt could not be written here; found: {HOME}/state: Read-only file system; next: make room" in said
        assert f"web3: The receipt could not be written here; found: {HOME}/state: {FULL}" in said
        assert shop.hosts() == before


def test_a_release_that_could_not_be_noted_everywhere_is_not_done(shop: FleetShop):
    """The folder of receipts is lost to one host in the middle of the roll. The release is taken back, which cannot be noted there either."""
    with _faults.little_room(shop, "web2", f"{HOME}/state", "1m", read_only=True) as (lock, unlock):
        shop.feature({**API, "hooks": {"after_restart": shop.hook(lock, on="web3")}})
        failed = shop.apply()
        assert failed.returncode == 6, failed.stdout[-3000:] + failed.stderr
        assert "web2: The receipt cannot be written, so the release does not count as done here; found: " in failed.stdout
        assert shop.in_service() == {("1.0.0", "1.0.0", "UP", ())}
        shop.repair(unlock)
        again = shop.apply()
        assert again.returncode == 0, again.stdout[-3000:] + again.stderr
        assert shop.in_service() == {("2.0.0", "2.0.0", "UP", ("api",))}
