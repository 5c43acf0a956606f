"""Hosts that let nobody in as root: an ordinary user with sudo, a balancer with a socket for root alone, an application with a user of its own."""

from __future__ import annotations

import json

from tests.fleet import _faults
from tests.fleet._market import EVERYONE, FAT, HOME, STAFF
from tests.fleet._shop import WEB, FleetShop

FIRST = {"release": "first", "install": {"version": "2.0.0"}, "restart": {"batches": [2, "100%"]}}
ROAD = (
    {"release": "table", "migrate": {"version": "2.1.0", "to": "0002"}},
    {"release": "api", "install": {"version": "2.1.0"}, "restart": {"batches": [1, 1, "100%"]}},
    STAFF,
    {"release": "ui", "install": {"version": "2.2.0"}, "restart": {"batches": [2, "100%"]}, "flush_cache": {"prefix": "page:"}},
    EVERYONE,
)
LOCK = f"{HOME}/state/market.lock"


def test_a_road_killed_between_restart_and_pool_comes_to_its_end(shop: FleetShop):
    """The first release by ansible-playbook, five by the runner; on workers as well, and with a balancer that nobody but itself can ask."""
    shop.work_as("deploy")
    shop.set(restart_pool_delegate_to="edge1", restart_pool_haproxy_sockets=["/run/haproxy/admin.sock"])
    shop.configure(hosts={"install": "web:worker", "migrate": "data", "restart": "web:worker", "flush_cache": "web", "enable_feature": "web"})
    shop.feature(FIRST, *ROAD)
    done = shop.playbook("first")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert shop.in_service() == {("2.0.0", "2.0.0", "UP", ("first",))}

    api = {**ROAD[1], "hooks": {"after_restart": shop.hook("sleep 300", on="web2")}}
    shop.feature(FIRST, ROAD[0], api, *ROAD[2:])
    before, migrations, worker = shop.hosts(), shop.migrations(), shop.on("worker1", "systemctl show -P MainPID market-worker")
    with _faults.applying(shop, "--all"):
        shop.until(shop.spent.exists, "the second host restarted", timeout=240)
        assert json.loads(shop.on("data1", f"cat {LOCK}"))["command"].endswith("surefoot apply --yes --json --all")
        assert shop.on("data1", f"stat -c %U {LOCK}").strip() == "root"
        refused = shop.playbook("api")
        assert refused.returncode != 0
        assert "Somebody is releasing market here" in refused.stdout + refused.stderr
    after = shop.hosts()
    assert {name: (host.live, host.runs, host.pool) for name, host in after.items()} == {
        "web1": ("2.1.0", "2.1.0", "UP"),
        "web2": ("2.1.0", "2.1.0", "DRAIN"),
        "web3": ("2.0.0", "2.0.0", "UP"),
    }
    assert after["web3"] == before["web3"]
    assert shop.on("worker1", "systemctl show -P MainPID market-worker") == worker

    again = shop.apply("--all")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.in_service() == {("2.2.0", "2.2.0", "UP", ("first", "api", "staff", "ui", "everyone"))}
    assert shop.migrations() == migrations + 1
    assert shop.on("worker1", "readlink /proc/$(systemctl show -P MainPID market-worker)/cwd").strip().endswith("/2.2.0")
    assert {shop.on(name, f"ls {HOME}/state").strip() for name in WEB} == {"market.json"}


def test_an_application_that_only_its_own_user_touches(shop: FleetShop):
    """Ansible works as the user of the application, by way of files that both may read, and root only starts and stops its unit."""
    shop.work_as("deploy", ansible_become_user="market", ansible_pipelining=False)
    everything = f"chown -hR market {HOME} && echo 'market ALL=(root) NOPASSWD: /usr/bin/systemctl' > /etc/sudoers.d/market"
    shop.everywhere(everything, *WEB, "data1")
    control = {verb: ["sudo", "systemctl", verb, "market-web"] for verb in ("start", "stop")}
    shop.set(restart_manager="command", restart_commands={**control, "status": ["systemctl", "is-active", "--quiet", "market-web"]})
    shop.feature({**FAT, "migrate": {"version": "2.3.0", "to": "0002"}})
    done = shop.apply()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert shop.in_service() == {("2.3.0", "2.3.0", "UP", ("fat",))}
    assert {shop.on(name, f"find {HOME} ! -user market").strip() for name in WEB} == {""}
