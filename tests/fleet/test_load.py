"""Users while three hosts roll from one version to the next: with the pool nobody notices, and without it somebody does, or the test would prove nothing."""

from __future__ import annotations

from tests.fleet._load import users
from tests.fleet._shop import API, APP, FRAGILE, SICK, FleetShop

RATE = 220


def test_nobody_notices_a_rolling_restart(shop: FleetShop):
    shop.feature(API)
    with users(shop.front, rate=RATE) as load:
        done = shop.apply()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert {(host.runs, host.pool) for host in shop.hosts().values()} == {("2.0.0", "UP")}
    assert load.failed == {}
    assert load.requests / load.seconds >= 200


def test_the_same_roll_without_drain_loses_requests(shop: FleetShop):
    shop.feature(API)
    shop.set(restart_pool_backend="none")
    try:
        with users(shop.front, rate=RATE) as load:
            done = shop.apply()
    finally:
        shop.set(restart_pool_backend="haproxy")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert load.requests / load.seconds >= 200
    assert load.failed


def test_nobody_notices_a_new_version_that_is_not_healthy_and_is_taken_back(shop: FleetShop):
    shop.feature(FRAGILE)
    shop.everywhere(f"touch {SICK}")
    before = shop.hosts()
    with users(shop.front, rate=RATE) as load:
        done = shop.apply()
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    after = shop.hosts()
    assert {name: after[name] for name in APP[1:]} == {name: before[name] for name in APP[1:]}
    assert (after["app1"].live, after["app1"].runs, after["app1"].pool) == ("1.0.0", "1.0.0", "UP")
    assert load.failed == {}
    assert load.requests / load.seconds >= 200
