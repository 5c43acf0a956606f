"""Rolling over real hosts of which some fail at the worst moment, by the runner and by ansible-playbook alone. Needs root; skipped elsewhere."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.fleet import _faults
from tests.fleet._load import users
from tests.fleet._market import API, BOTH, FRAGILE, SICK, UI
from tests.fleet._shop import WEB, FleetShop

BY_PLAYBOOK = pytest.mark.parametrize("way", ["playbook"], indirect=True)


def named_as_drained(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The hosts that the last word about it says are left drained, with what to do about them."""
    found = re.findall(
        r"(web\d(?:, web\d)*) (?:is|are) left drained, so no user is sent there; next: see to .* run the same command again", done.stdout + done.stderr
    )
    return set(found[-1].split(", ")) if found else set()


def lost_in_the_first_batch(shop: FleetShop, way: str, victim: str, batches: list[int], fault: _faults.Fault) -> None:
    """Lost before its batch begins: no later batch does, and after the repair the migration is not made once more, however many batches there are."""
    lose, repair = fault(shop, victim)
    release = {**BOTH, "restart": {"batches": batches}, "hooks": {"after_migrate": shop.hook(lose, on="data1")}}
    shop.feature(release)
    before, migrations = shop.hosts(), shop.migrations()
    failed = shop.release(way, release)
    assert failed.returncode not in {0, 1} or way == "playbook", failed.stdout[-3000:] + failed.stderr
    assert failed.returncode != 0
    assert victim in failed.stdout + failed.stderr
    later = WEB[batches[0] :]
    assert named_as_drained(failed) == {name for name, state in shop.pool().items() if state == "DRAIN"}
    after = shop.hosts()
    assert {name: after[name] for name in later} == {name: before[name] for name in later}

    shop.repair(repair)
    again = shop.release(way, release)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.migrations() == migrations + 1
    assert shop.in_service() == {("2.0.0", "2.0.0", "UP", ("both",))}


@BY_PLAYBOOK
def test_a_frozen_host_in_the_first_batch_stops_the_batches_after_it(shop: FleetShop, way: str):
    """Stock limits do not count it: with one of two hosts unreachable, the next batch would go on. By the runner: test_frozen.py."""
    lost_in_the_first_batch(shop, way, "web2", [2, 1], _faults.frozen)


def test_a_first_host_that_is_lost_stops_the_batches_after_it(shop: FleetShop, way: str):
    lost_in_the_first_batch(shop, way, "web1", [1, 1, 1], _faults.without_sshd)


@BY_PLAYBOOK
def test_a_host_lost_between_drain_and_restart_is_named_and_comes_back(shop: FleetShop, way: str):
    """By the runner: test_faults.py."""
    lose, repair = _faults.without_sshd(shop, "web1")
    release = {**API, "hooks": {"before_restart": shop.hook(lose, on="web1")}}
    shop.feature(release)
    before = shop.hosts()
    failed = shop.release(way, release)
    assert failed.returncode != 0
    assert named_as_drained(failed) == {"web1"}
    after = shop.hosts()
    assert after["web1"].pool == "DRAIN"
    assert {name: after[name] for name in WEB[1:]} == {name: before[name] for name in WEB[1:]}

    shop.repair(repair)
    again = shop.release(way, release)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.in_service() == {("2.0.0", "2.0.0", "UP", ("api",))}


def test_half_a_batch_failing_stops_the_release(shop: FleetShop, way: str):
    release = {**FRAGILE, "restart": {"batches": [2, 1]}}
    shop.feature(release)
    shop.set(restart_health_timeout=8)
    shop.on("web2", f"touch {SICK}")
    before = shop.hosts()
    failed = shop.release(way, release)
    assert failed.returncode != 0
    assert "web2" in failed.stdout + failed.stderr
    after = shop.hosts()
    assert after["web3"] == before["web3"]
    assert after["web2"].pool == "DRAIN"
    assert named_as_drained(failed) == {name for name, host in after.items() if host.pool == "DRAIN"}

    shop.on("web2", f"rm {SICK}")
    again = shop.release(way, release)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.in_service() == {("2.0.9", "2.0.9", "UP", ("fragile",))}


@BY_PLAYBOOK
def test_a_first_host_that_fails_stays_drained_and_users_do_not_notice(shop: FleetShop, way: str):
    """The runner takes it back: test_load.py."""
    shop.feature(FRAGILE)
    shop.set(restart_health_timeout=8)
    shop.everywhere(f"touch {SICK}")
    before = shop.hosts()
    with users(shop.front, rate=100) as load:
        failed = shop.release(way, FRAGILE)
    assert failed.returncode != 0
    assert "it is left drained, so no user is sent to it" in failed.stdout + failed.stderr
    after = shop.hosts()
    assert {name: after[name] for name in WEB[1:]} == {name: before[name] for name in WEB[1:]}
    assert after["web1"].pool == "DRAIN"
    assert load.requests > 100
    assert load.failed == {}


def test_a_second_batch_that_fails_is_taken_back_and_users_do_not_notice(shop: FleetShop):
    """What is left of the pool is the host of the first batch; it must not leave it before others are back."""
    shop.feature(FRAGILE)
    shop.set(restart_health_timeout=8)
    shop.everywhere(f"touch {SICK}", *WEB[1:])
    with users(shop.front, rate=100) as load:
        failed = shop.apply()
    assert failed.returncode == 5, failed.stdout[-3000:] + failed.stderr
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("1.0.0", "1.0.0", "UP")}
    assert load.requests > 100
    assert load.failed == {}


def test_the_last_member_is_not_taken_for_two_in_maintenance(shop: FleetShop, way: str):
    shop.feature(API)
    shop.haproxy(*(f"set server stalls/{name} state maint" for name in WEB[1:]))
    before = shop.hosts()
    with users(shop.front, rate=100) as load:
        refused = shop.release(way, API)
    assert refused.returncode == 4 if way == "runner" else refused.returncode != 0
    assert "web2, web3 are, by another hand, and the batches allow 1; next: put them back in the pool" in refused.stdout + refused.stderr
    assert shop.hosts() == before
    assert load.failed == {}


def test_members_that_are_down_go_first_and_come_back(shop: FleetShop, way: str):
    shop.feature(API)
    shop.haproxy("set server stalls/web2 state drain")
    shop.on("web3", "systemctl stop market-web")
    shop.until(lambda: shop.pool() == {"web1": "UP", "web2": "DRAIN", "web3": "DOWN"}, "one drained and one down")
    with users(shop.front, rate=100) as load:
        done = shop.release(way, API)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("2.0.0", "2.0.0", "UP")}
    assert load.failed == {}


def test_a_release_for_which_no_host_is_there_is_refused(shop: FleetShop, way: str):
    shop.feature(API)
    before = shop.hosts()
    for group in ("nobody", "web:!web"):
        shop.configure(hosts={"install": group, "restart": group, "flush_cache": "web"})
        refused = shop.release(way, API)
        assert refused.returncode != 0
        assert f"No host matches {group}" in refused.stdout + refused.stderr
    assert shop.hosts() == before


def test_hosts_that_come_later_or_back_from_an_old_image_are_brought_up_alone(shop: FleetShop):
    shop.feature({**BOTH, "restart": {}}, UI)
    done = shop.apply("--all")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    before, migrations = shop.hosts(), shop.migrations()
    shop.on("data1", "redis-cli set page:marker kept")

    shop.on("web2", "rm -rf /srv/market/state; ln -sfn releases/1.0.0 /srv/market/app/current; systemctl restart market-web")
    shop.fleet.remove(["web3"])
    shop.start_again("web3")

    plan = shop.surefoot("plan")
    assert plan.returncode not in {0, 2}
    assert "web2" in plan.stdout + plan.stderr
    assert "web3" in plan.stdout + plan.stderr
    caught_up = shop.apply("--all", "--limit", "web2,web3")
    assert caught_up.returncode == 0, caught_up.stdout[-3000:] + caught_up.stderr
    assert shop.hosts()["web1"] == before["web1"]
    assert shop.in_service() == {("2.1.0", "2.1.0", "UP", ("both", "ui"))}
    assert shop.migrations() == migrations
    assert shop.on("data1", "redis-cli get page:marker").strip() == "kept"
    assert shop.surefoot("plan").returncode == 0
