"""Users while three hosts roll from one version to the next: with the pool nobody notices, and without it somebody does, or the test would prove nothing."""

from __future__ import annotations

import datetime as dt
import json

from tests.fleet._load import Load, users
from tests.fleet._market import API, FRAGILE, LAME, SICK
from tests.fleet._shop import WEB, FleetShop

RATE = 220


def load_while_the_first_batch_is_taken_back(shop: FleetShop) -> Load:
    """What users met during a release that fails on the first host, goes back there, and never comes to the others."""
    before = shop.hosts()
    with users(shop.front, rate=RATE) as load:
        done = shop.apply()
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    assert '"rolled_back": true' in done.stdout
    after = shop.hosts()
    assert {name: after[name] for name in WEB[1:]} == {name: before[name] for name in WEB[1:]}
    assert (after["web1"].live, after["web1"].runs, after["web1"].pool) == ("1.0.0", "1.0.0", "UP")
    return load


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
    with users(shop.front, rate=RATE) as load:
        done = shop.apply()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert load.requests / load.seconds >= 200
    assert load.failed


def test_nobody_notices_a_new_version_that_is_not_healthy_and_is_taken_back(shop: FleetShop):
    shop.feature(FRAGILE)
    shop.set(restart_health_timeout=8)
    shop.everywhere(f"touch {SICK}")
    load = load_while_the_first_batch_is_taken_back(shop)
    assert load.failed == {}
    assert load.requests / load.seconds >= 200


def test_what_only_users_notice_is_taken_back_within_one_probe_and_one_way_back(shop: FleetShop, record_property):
    """P5: the probe feels what neither health checks nor gates see."""
    rate = 20
    shop.configure(probes=[{"name": "front", "http": {"url": f"http://{shop.front}/", "rate": rate}}])
    shop.feature(LAME)
    load = load_while_the_first_batch_is_taken_back(shop)
    entries = json.loads(shop.surefoot("history", "--json").stdout)["entries"]
    moments = {entry["kind"]: dt.datetime.fromisoformat(entry["at"]) for entry in entries}
    way_back = (moments["rolled_back"] - moments["rolling_back"]).total_seconds()
    record_property("trouble and way back in seconds", (load.trouble, way_back))
    assert 0 < load.trouble <= 1 / rate + way_back, (load.trouble, way_back)
