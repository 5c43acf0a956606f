"""Hosts that are down before, during and after a release, under the traffic of users who must not notice."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import typing as t

import pytest
from _restart import await_true
from _road import HOSTS, Shop, a_shop, artifact

from ansible_collections.surefoot.release.plugins.plugin_utils.impact import Measured
from helpers import run_playbook
from surefoot.models import HttpProbe
from surefoot.probe import Probe

API = {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, "100%"]}}
WAYS = pytest.mark.parametrize("way", ["runner", "playbook"])


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> t.Iterator[Shop]:
    """A shop of which the project has no probe: the traffic is that of the test."""
    with a_shop(tmp_path / "shop", probe=False) as found:
        yield found


class Users:
    """Steady traffic, and what it felt."""

    felt: Measured


@contextlib.contextmanager
def users(shop: Shop) -> t.Iterator[Users]:
    seen = Users()
    with Probe("users", HttpProbe.model_validate({"url": f"{shop.front}/", "rate": 50, "timeout": "10s"})) as probe:
        await_true(lambda: len(probe.samples()) > 5)
        yield seen
        probe.stop()
    seen.felt = probe.measured()
    assert seen.felt.requests > 50


def release(shop: Shop, way: str, name: str = "api") -> subprocess.CompletedProcess[str]:
    if way == "runner":
        return shop.surefoot("apply", "--yes", "--json")
    return run_playbook("-i", "inventory", "release.yml", "-e", "feature=reviews", "-e", f"release={name}", cwd=shop.project, **shop.environment())


def events(stdout: str) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def in_service(shop: Shop, version: str, hosts: t.Sequence[str] = HOSTS) -> None:
    there = [host for host in shop.hosts if host.name in hosts]
    assert [(host.name, host.drained, host.runs, host.live) for host in there] == [(name, False, version, version) for name in hosts]


def moves(told: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """How members left their pool and came back, in order."""
    found = [event for event in told if event.get("event") == "StepDone" and event["step"]["kind"] == "pool_member" and event["changed"]]
    return [f"{event['host']} {event['step']['after']['state']}" for event in found]


def test_the_batch_that_failed_goes_back_before_the_only_host_that_serves(shop: Shop) -> None:
    artifact(shop, "2.3.0", {"page.html": "books", "behavior": "sick h2 h3"})
    shop.feature({**API, "release": "sick", "install": {"version": "2.3.0"}})
    with users(shop) as seen:
        done = shop.surefoot("apply", "--yes", "--json")
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    in_service(shop, "1.0.0")
    assert seen.felt.errors == {}
    moved = moves(events(done.stdout))
    assert sorted(moved[2:4]) == ["h2 drained", "h3 drained"]
    assert (sorted(moved[4:6]), moved[6:]) == (["h2 in_pool", "h3 in_pool"], ["h1 drained", "h1 in_pool"])


@WAYS
def test_the_last_host_that_serves_is_not_taken_for_those_that_others_keep_out(shop: Shop, way: str) -> None:
    shop.feature(API)
    for host in shop.hosts[1:]:
        (host.root / "drain").write_text("the disk is being changed")
    before = _application(shop)
    with users(shop) as seen:
        refused = release(shop, way)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 4 if way == "runner" else refused.returncode != 0, said
    assert "h2, h3 are, by another hand, and the batches allow 2; next: put them back in the pool" in said
    assert (_application(shop), shop.ledger()) == (before, [])
    assert seen.felt.errors == {}

    (shop.hosts[1].root / "drain").unlink()
    with users(shop) as seen:
        done = release(shop, way)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert seen.felt.errors == {}
    in_service(shop, "2.0.0", ["h1", "h2"])
    assert (shop.hosts[2].drained, shop.hosts[2].runs) == (True, "2.0.0")


@WAYS
def test_hosts_that_are_down_go_first_and_come_back(shop: Shop, way: str) -> None:
    shop.feature(API)
    (shop.hosts[1].root / "drain").write_text(json.dumps({"drained_by": "surefoot", "at": "2026-01-01T00:00:00Z"}))
    shop.hosts[2].kill()
    await_true(lambda: [shop.in_pool(host) for host in shop.hosts] == [True, False, False])
    with users(shop) as seen:
        done = release(shop, way)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    in_service(shop, "2.0.0")
    assert seen.felt.errors == {}


def test_a_host_that_is_lost_keeps_no_other_one_of_its_batch_out_of_the_pool(shop: Shop) -> None:
    inventory = (shop.project / "inventory/hosts.yml").read_text()
    lost = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=2"}
    shop.write("lost.yml", {"app": {"hosts": {host.name: {"port": host.port, **(lost if host.name == "h2" else {})} for host in shop.hosts}}})
    losing = [
        {
            "name": "For the runs to come",
            "ansible.builtin.command": {"argv": ["cp", str(shop.project / "lost.yml"), str(shop.project / "inventory/hosts.yml")]},
        },
        {"name": "For this run", "ansible.builtin.set_fact": lost},
    ]
    shop.write("hooks/lose.yml", [{**task, "when": "inventory_hostname == 'h2'"} for task in losing])
    shop.feature({**API, "hooks": {"before_restart": "hooks/lose.yml"}})
    with users(shop) as seen:
        done = shop.surefoot("apply", "--yes", "--json")
    assert done.returncode == 6, done.stdout[-3000:] + done.stderr
    told = events(done.stdout)
    assert "h2" in str([event["reasons"] for event in told if event.get("event") == "ReleaseEnded"][-1])
    assert (told[-1]["drained"], told[-1]["rolled_back"]) == (["h2"], False)
    in_service(shop, "1.0.0", ["h1", "h3"])
    assert shop.hosts[1].drained
    assert seen.felt.errors == {}
    assert [kind for kind, _release in shop.ledger()] == ["started", "failed", "rolling_back", "rollback_failed"]

    shop.write("inventory/hosts.yml", inventory)
    again = shop.surefoot("rollback", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    in_service(shop, "1.0.0")


def test_users_that_feel_too_much_end_a_roll_in_the_middle_and_what_they_feel_until_it_is_back_is_told(shop: Shop) -> None:
    artifact(shop, "2.4.0", {"page.html": "books", "behavior": "rotten"})
    shop.configure(probes=[{"name": "front", "http": {"url": f"{shop.front}/", "rate": 20, "timeout": "10s"}}])
    shop.feature({**API, "release": "rotten", "install": {"version": "2.4.0"}, "soak": "10m"})
    with users(shop) as seen:
        done = shop.surefoot("apply", "--yes", "--json")
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    in_service(shop, "1.0.0")
    told = events(done.stdout)
    assert not [event for event in told if event.get("event") == "HostFailed"]
    assert moves(told)[0] == "h1 drained"
    failed, back = (event for event in told if event.get("event") == "ReleaseEnded")
    assert (failed["outcome"], back["outcome"]) == ("failed", "rolled_back")
    assert all(reason.startswith("front: ") and reason.endswith("it was stopped for that") for reason in failed["reasons"])
    assert "status 500" in failed["reasons"][-1]
    assert 0 < failed["impact"][0]["failed"] <= back["impact"][0]["failed"]
    assert ("released", "rotten") not in shop.ledger()
    assert seen.felt.first_failure is not None
    assert seen.felt.last_failure is not None
    print(f"from the first failed request to the last: {seen.felt.last_failure - seen.felt.first_failure:.1f} s")


def _application(shop: Shop) -> dict[str, t.Any]:
    """What of the application is on hosts, and which processes serve it."""
    return {name: found for name, found in shop.files().items() if "/app/" in name} | {host.name: host.pid for host in shop.hosts}
