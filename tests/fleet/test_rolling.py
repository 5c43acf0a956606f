"""Rolling over real hosts of which some fail at the worst moment, by the runner and by ansible-playbook alone. Needs root; skipped elsewhere."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.fleet._load import users
from tests.fleet._shop import API, APP, FRAGILE, SICK, TABLE, UI, FleetShop

WAYS = pytest.mark.parametrize("way", ["runner", "playbook"])
BOTH = {"release": "both", "migrate": {"version": "2.0.0", "to": "0002"}, "install": {"version": "2.0.0"}}


def named_as_drained(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The hosts that the last word about it says are left drained, with what to do about them."""
    found = re.findall(
        r"(app\d(?:, app\d)*) (?:is|are) left drained, so no user is sent there; next: see to .* run the same command again", done.stdout + done.stderr
    )
    return set(found[-1].split(", ")) if found else set()


def test_a_migration_runs_once_however_many_batches_there_are(shop: FleetShop):
    for way in ("runner", "playbook"):
        shop.reset()
        shop.feature({**BOTH, "restart": {"batches": [1, 1, 1]}})
        before = shop.migrations()
        done = shop.release(way, BOTH)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        assert shop.migrations() == before + 1
        assert {(host.live, host.runs, host.pool, host.receipts) for host in shop.hosts().values()} == {("2.0.0", "2.0.0", "UP", ("both",))}


@WAYS
@pytest.mark.parametrize(
    ("victim", "batches", "loss", "repair"),
    [
        ("app2", [2, 1], "podman pause {container}", "podman unpause {container}"),
        ("app1", [1, 1, 1], "podman exec {container} sh -c 'systemctl stop ssh; pkill sshd'", "podman exec {container} systemctl start ssh"),
    ],
    ids=["frozen", "without sshd"],
)
def test_a_host_lost_in_the_first_batch_stops_the_batches_after_it(shop: FleetShop, way: str, victim: str, batches: list[int], loss: str, repair: str):
    """Stock limits do not count it: with one of two hosts unreachable, the next batch would go on."""
    lose = shop.hook(loss.format(container=shop.container(victim)), on="app1")
    release = {**BOTH, "restart": {"batches": batches}, "hooks": {"after_migrate": lose}}
    shop.feature(release)
    before = shop.hosts()
    failed = shop.release(way, release)
    assert failed.returncode != 0
    assert victim in failed.stdout + failed.stderr
    later = APP[batches[0] :]
    assert named_as_drained(failed) == {name for name, state in shop.pool().items() if state == "DRAIN"}
    after = shop.hosts()
    assert {name: after[name] for name in later} == {name: before[name] for name in later}

    shop.repair(repair.format(container=shop.container(victim)))
    migrations = shop.migrations()
    again = shop.release(way, release)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.migrations() == migrations
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("2.0.0", "2.0.0", "UP")}


@WAYS
def test_a_host_lost_between_drain_and_restart_is_named_and_comes_back(shop: FleetShop, way: str):
    container = shop.container("app1")
    release = {**API, "hooks": {"before_restart": shop.hook(f"podman exec {container} sh -c 'systemctl stop ssh; pkill sshd'", on="app1")}}
    shop.feature(release)
    before = shop.hosts()
    failed = shop.release(way, release)
    assert failed.returncode != 0
    assert named_as_drained(failed) == {"app1"}
    after = shop.hosts()
    assert after["app1"].pool == "DRAIN"
    assert {name: after[name] for name in APP[1:]} == {name: before[name] for name in APP[1:]}

    shop.repair(f"podman exec {container} systemctl start ssh")
    again = shop.release(way, release)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert {(host.live, host.runs, host.pool, host.receipts) for host in shop.hosts().values()} == {("2.0.0", "2.0.0", "UP", ("api",))}


@WAYS
def test_half_a_batch_failing_stops_the_release(shop: FleetShop, way: str):
    release = {**FRAGILE, "restart": {"batches": [2, 1]}}
    shop.feature(release)
    shop.on("app2", f"touch {SICK}")
    before = shop.hosts()
    failed = shop.release(way, release)
    assert failed.returncode != 0
    assert "app2" in failed.stdout + failed.stderr
    after = shop.hosts()
    assert after["app3"] == before["app3"]
    assert after["app2"].pool == "DRAIN"
    assert named_as_drained(failed) == {name for name, host in after.items() if host.pool == "DRAIN"}

    shop.on("app2", f"rm {SICK}")
    again = shop.release(way, release)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("2.0.9", "2.0.9", "UP")}


def test_a_first_host_that_fails_is_taken_back_by_the_runner_and_users_do_not_notice(shop: FleetShop):
    shop.feature(FRAGILE)
    shop.everywhere(f"touch {SICK}")
    before = shop.hosts()
    with users(shop.front, rate=100) as load:
        failed = shop.apply()
    assert failed.returncode == 5, failed.stdout[-3000:] + failed.stderr
    assert '"rolled_back": true' in failed.stdout
    after = shop.hosts()
    assert {name: after[name] for name in APP[1:]} == {name: before[name] for name in APP[1:]}
    assert (after["app1"].live, after["app1"].runs, after["app1"].pool) == ("1.0.0", "1.0.0", "UP")
    assert load.requests > 100
    assert load.failed == {}


def test_a_second_batch_that_fails_is_taken_back_and_users_do_not_notice(shop: FleetShop):
    """What is left of the pool is the host of the first batch; it must not leave it before others are back."""
    shop.feature(FRAGILE)
    shop.everywhere(f"touch {SICK}", "app2", "app3")
    with users(shop.front, rate=100) as load:
        failed = shop.apply()
    assert failed.returncode == 5, failed.stdout[-3000:] + failed.stderr
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("1.0.0", "1.0.0", "UP")}
    assert load.requests > 100
    assert load.failed == {}


@WAYS
def test_the_last_member_is_not_taken_for_two_in_maintenance(shop: FleetShop, way: str):
    shop.feature(API)
    shop.haproxy(*(f"set server bookshop/{name} state maint" for name in ("app2", "app3")))
    before = shop.hosts()
    with users(shop.front, rate=100) as load:
        refused = shop.release(way, API)
    assert refused.returncode == 4 if way == "runner" else refused.returncode != 0
    assert "app2, app3 are, by another hand, and the batches allow 1; next: put them back in the pool" in refused.stdout + refused.stderr
    assert shop.hosts() == before
    assert load.failed == {}


@WAYS
def test_members_that_are_down_go_first_and_come_back(shop: FleetShop, way: str):
    shop.feature(API)
    shop.haproxy("set server bookshop/app2 state drain")
    shop.on("app3", "systemctl stop bookshop")
    shop.until(lambda: shop.pool() == {"app1": "UP", "app2": "DRAIN", "app3": "DOWN"}, "one drained and one down")
    with users(shop.front, rate=100) as load:
        done = shop.release(way, API)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert {(host.live, host.runs, host.pool) for host in shop.hosts().values()} == {("2.0.0", "2.0.0", "UP")}
    assert load.failed == {}


def test_a_first_host_that_fails_stays_drained_under_ansible_playbook(shop: FleetShop):
    shop.feature(FRAGILE)
    shop.everywhere(f"touch {SICK}")
    before = shop.hosts()
    with users(shop.front, rate=100) as load:
        failed = shop.playbook("fragile")
    assert failed.returncode != 0
    assert "it is left drained, so no user is sent to it" in failed.stdout + failed.stderr
    after = shop.hosts()
    assert {name: after[name] for name in APP[1:]} == {name: before[name] for name in APP[1:]}
    assert after["app1"].pool == "DRAIN"
    assert load.failed == {}


@WAYS
@pytest.mark.parametrize("group", ["nobody", "app:!app"], ids=["no such group", "empty"])
def test_a_release_for_which_no_host_is_there_is_refused(shop: FleetShop, way: str, group: str):
    shop.feature(API)
    shop.configure(hosts={"install": group, "restart": group, "flush_cache": "app"})
    before = shop.hosts()
    refused = shop.release(way, API)
    assert refused.returncode != 0
    assert f"No host matches {group}" in refused.stdout + refused.stderr
    assert shop.hosts() == before


def test_hosts_that_come_later_or_back_from_an_old_image_are_brought_up_alone(shop: FleetShop):
    shop.feature(TABLE, API, UI)
    done = shop.apply("--all")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    before, migrations = shop.hosts(), shop.migrations()
    shop.on("cache1", "redis-cli set page:marker kept")

    shop.on("app2", "rm -rf /var/lib/surefoot; ln -sfn releases/1.0.0 /opt/bookshop/current; systemctl restart bookshop")
    shop.fleet.remove(["app3"])
    shop.start_again("app3")

    plan = shop._run("surefoot", "plan")
    assert plan.returncode not in {0, 2}
    assert "app2" in plan.stdout + plan.stderr
    assert "app3" in plan.stdout + plan.stderr
    for host in ("app2", "app3"):
        caught_up = shop.apply("--all", "--limit", host)
        assert caught_up.returncode == 0, caught_up.stdout[-3000:] + caught_up.stderr
    after = shop.hosts()
    assert after["app1"] == before["app1"]
    assert {(host.live, host.runs, host.pool) for host in after.values()} == {("2.1.0", "2.1.0", "UP")}
    assert {after[name].receipts for name in APP[1:]} == {("api", "ui")}
    assert shop.migrations() == migrations
    assert shop.on("cache1", "redis-cli get page:marker").strip() == "kept"
    assert shop._run("surefoot", "plan").returncode == 0
