"""Several units under systemd, and a reload instead of a restart. Needs root; skipped elsewhere."""

from __future__ import annotations

import typing as t

import pytest
from tests.fleet._market import API, PATH
from tests.fleet._shop import WEB, FleetShop

CURRENT = f"{PATH}/current"
MAILER = f"""
[Service]
WorkingDirectory={CURRENT}
ExecStart=/bin/sleep infinity
"""
# It finds the application by way of the link, and so takes over what is live when it is told to reload.
RELOADABLE = f"""
[Service]
WorkingDirectory=/
ExecStart=
ExecStart=/usr/bin/python3 {CURRENT}/serve.py
ExecReload=/bin/kill -HUP $MAINPID
"""
SERVICES = [{"name": "market-mailer.service"}, {"name": "market-web.service"}]


@pytest.fixture
def shop_with_mailer(shop: FleetShop) -> t.Iterator[FleetShop]:
    """The shop with a worker on each application host, and a unit that can be reloaded."""
    write = "cat > {path} <<'END'\n{text}\nEND"
    unit = write.format(path="/etc/systemd/system/market-mailer.service", text=MAILER)
    drop_in = write.format(path="/etc/systemd/system/market-web.service.d/reload.conf", text=RELOADABLE)
    shop.everywhere(
        f"mkdir -p /etc/systemd/system/market-web.service.d\n{unit}\n{drop_in}\nsystemctl daemon-reload && systemctl restart market-web market-mailer"
    )
    shop.until(lambda: set(shop.pool().values()) == {"UP"}, "every member in the pool")
    shop.set(restart_services=SERVICES, restart_method="auto")
    try:
        yield shop
    finally:
        shop.everywhere(
            "systemctl stop market-mailer; rm -r /etc/systemd/system/market-mailer.service /etc/systemd/system/market-web.service.d; systemctl daemon-reload"
        )


def mailers(shop: FleetShop) -> dict[str, str]:
    """The main process of the worker on each host."""
    return {name: shop.on(name, "systemctl show -P MainPID market-mailer").strip() for name in WEB}


def test_workers_are_restarted_and_a_server_that_can_reload_keeps_its_process(shop_with_mailer: FleetShop):
    shop = shop_with_mailer
    shop.feature(API)
    before, workers = shop.hosts(), mailers(shop)
    done = shop.release("runner", API)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "market-mailer.service runs 1.0.0, 2.0.0 is live; reload needed: market-web.service answers version 1.0.0" in done.stdout
    after = shop.hosts()
    assert {name: (host.live, host.runs, host.pool) for name, host in after.items()} == dict.fromkeys(WEB, ("2.0.0", "2.0.0", "UP"))
    assert {name: host.pid for name, host in after.items()} == {name: host.pid for name, host in before.items()}
    renewed = mailers(shop)
    assert all(renewed[name] not in {"0", workers[name]} for name in WEB)
    again = shop.playbook("api")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert (shop.hosts(), mailers(shop)) == (after, renewed)


def test_a_worker_that_is_behind_on_one_host_is_due_there_alone(shop_with_mailer: FleetShop):
    shop = shop_with_mailer
    shop.feature({"release": "again", "restart": {"batches": [1, "100%"]}})
    workers = mailers(shop)
    shop.on("web2", "systemctl stop market-mailer")
    plan = shop.surefoot("plan")
    assert "market-mailer.service does not run" in plan.stdout
    done = shop.playbook("again")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    after = mailers(shop)
    assert after["web2"] not in {"0", workers["web2"]}
    assert {name: after[name] for name in ("web1", "web3")} == {name: workers[name] for name in ("web1", "web3")}
