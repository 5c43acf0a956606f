"""What a release needs breaks in the middle of it and comes back; the same command again comes to the end of an unbroken run. Needs root; skipped elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import time
import typing as t

import pytest
from tests.fleet import machine
from tests.fleet._shop import APP, FleetShop

from helpers import BIN, ansible_environment

# A step of every kind.
ROAD: t.Mapping[str, t.Any] = {
    "release": "reviews",
    "migrate": {"version": "2.1.0", "to": "0002"},
    "install": {"version": "2.1.0"},
    "restart": {"batches": [1, 1, "100%"]},
    "flush_cache": {"prefix": "page:"},
    "enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}},
    # The page comes out of the database.
    "verify": [{"http": {"url": "{{ book }}", "expect": 200}, "timeout": "10s"}],
}
# How much longer than an unbroken one a run may take whatever breaks, in seconds: what a lost host, a gate and a database are given to answer.
PATIENCE = 60.0

FILES = r"""
cd /opt/bookshop && readlink current
find . ! -path '*/__pycache__*' ! -path '*/.surefoot/*' \( -type f -exec sha256sum {} + -o -type l -printf '%p %l\n' \) | sort
cat /etc/bookshop/flags/flags.json
"""
SCHEMA = "pg_dump -s bookshop | grep -v '^[\\\\]'; psql -Atq -d bookshop -c 'SELECT version_num FROM alembic_version' -c 'SELECT count(*) FROM books'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'surefoot-migrate %' AND wait_event_type = 'Lock'"
# Nobody is kept from reading; the migration, which refers to books, waits.
HOLD_BOOKS = "BEGIN; LOCK TABLE books IN SHARE ROW EXCLUSIVE MODE; SELECT pg_sleep(300)"


def state(shop: FleetShop) -> dict[str, t.Any]:
    """Everything the release is to change. Times, process ids, names of runs and the digest, which tells of the hooks, are left out."""
    told = {}
    for name in APP:
        receipt = json.loads(shop.on(name, "cat /var/lib/surefoot/bookshop.json"))
        told[name] = [{key: value for key, value in entry.items() if key not in {"at", "run", "digest"}} for entry in receipt["releases"]]
    return {
        "hosts": {name: (host.live, host.runs, host.pool) for name, host in shop.hosts().items()},
        "files": {name: shop.on(name, FILES) for name in APP},
        "receipts": told,
        "schema": shop.on("db1", f"runuser -u postgres -- sh -c {sh_quoted(SCHEMA)}"),
        "cache": shop.on("cache1", "redis-cli --scan --pattern '*' | sort; redis-cli get page:__surefoot_fingerprint__"),
        "ledger": standing(shop),
    }


def sh_quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def standing(shop: FleetShop) -> str:
    """The last word of the ledger on the release; its chain is whole."""
    assert shop._run("surefoot", "history", "--check").returncode == 0
    with contextlib.closing(sqlite3.connect(shop.project / ".surefoot/ledger.db")) as ledger:
        return str(ledger.execute("SELECT kind FROM surefoot_ledger WHERE release = 'reviews' ORDER BY seq DESC LIMIT 1").fetchone()[0])


def begin(shop: FleetShop, **changes: t.Any) -> None:
    shop.feature({**ROAD, **changes})
    shop.on("cache1", "redis-cli set page:old stale")


@dataclasses.dataclass(frozen=True)
class Unbroken:
    """A run in which nothing broke: the state it led to, and how many seconds it took."""

    state: dict[str, t.Any]
    took: float

    @property
    def limit(self) -> float:
        return self.took + PATIENCE


@pytest.fixture(scope="module")
def unbroken(fleet_shop: FleetShop) -> Unbroken:
    fleet_shop.reset()
    begin(fleet_shop)
    begun = time.monotonic()
    done = fleet_shop.apply()
    took = time.monotonic() - begun
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return Unbroken(state(fleet_shop), took)


@pytest.fixture(autouse=True)
def mended(shop: FleetShop) -> t.Iterator[None]:
    """Whatever a test broke and did not come to mend."""
    yield
    shop.on("db1", "systemctl reset-failed 'postgresql*'; systemctl start postgresql")
    for name in APP:
        shop.repair(cut(shop, name)[1])
    shop.everywhere("systemctl start ssh")


@contextlib.contextmanager
def applying(shop: FleetShop) -> t.Iterator[subprocess.Popen[str]]:
    """`surefoot apply` that goes on in the background, of which nothing is left afterwards."""
    environment = ansible_environment(ANSIBLE_HOME=str(shop.fleet.directory / "ansible"), ROAD_MARK=shop.fleet.name)
    command = [str(BIN / "surefoot"), "apply", "--yes", "--json"]
    options: dict[str, t.Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=shop.project, env=environment, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            kill_controller(shop)


def kill_controller(shop: FleetShop) -> None:
    """kill -9 for the runner, ansible-playbook and its ssh; what runs on hosts is not reached."""
    mark = f"ROAD_MARK={shop.fleet.name}".encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)


def sql(shop: FleetShop, query: str) -> str:
    return shop.on("db1", f'runuser -u postgres -- psql -Atq -d bookshop -c "{query}"').strip()


@contextlib.contextmanager
def migration_that_waits(shop: FleetShop) -> t.Iterator[None]:
    """Hold what the migration needs."""
    hold = ["podman", "exec", shop.container("db1"), "runuser", "-u", "postgres", "--", "psql", "-q", "-d", "bookshop", "-c", HOLD_BOOKS]
    with subprocess.Popen(hold, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as held:
        try:
            shop.until(lambda: sql(shop, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE books%'") == "1", "the table held")
            yield
        finally:
            shop.on("db1", "systemctl start postgresql")
            sql(shop, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE books%'")
            held.wait(30)


def until_it_waits(shop: FleetShop) -> None:
    shop.until(lambda: sql(shop, WAITING) == "1", "the migration at work", timeout=120)


def cut(shop: FleetShop, host: str) -> tuple[str, str]:
    """Commands on this machine that cut the network of a host, without a word to whoever talks to it, and that mend it."""
    pid = machine.run("podman", "inspect", "--format", "{{.State.Pid}}", shop.container(host)).strip()
    command = f"nsenter --target {pid} --net ip link set eth0"
    return f"{command} down", f"{command} up"


def test_sshd_the_network_and_the_database_lost_one_after_the_other_in_the_middle_of_the_roll(shop: FleetShop, unbroken: Unbroken):
    """Each run comes a host further, and the last one to the end."""
    faults = {
        "app1": (f"podman exec {shop.container('app1')} sh -c 'systemctl stop ssh; pkill sshd'", f"podman exec {shop.container('app1')} systemctl start ssh"),
        "app2": cut(shop, "app2"),
        "app3": (f"podman exec {shop.container('db1')} systemctl stop postgresql", f"podman exec {shop.container('db1')} systemctl start postgresql"),
    }
    begin(shop, hooks={"before_restart": "hooks/break.yml"})
    untouched = shop.hosts()
    for host, (lose, repair) in faults.items():
        (shop.project / "hooks/spent").unlink(missing_ok=True)
        shop.hook(lose, on=host)
        begun = time.monotonic()
        failed = shop.apply("--no-rollback")
        assert time.monotonic() - begun < unbroken.limit
        assert failed.returncode == 6, failed.stdout[-3000:] + failed.stderr
        after = shop.hosts()
        drained = [name for name, seen in after.items() if seen.pool != "UP"]
        # Without the database all hosts are rolled, and the gate finds out.
        assert drained == ([host] if host != "app3" else []), failed.stdout[-3000:]
        assert not drained or f"{host} is left drained" in failed.stdout
        later = APP[APP.index(host) + 1 :]
        assert {name: after[name] for name in later} == {name: untouched[name] for name in later}
        shop.repair(repair)

    again = shop.apply()
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert state(shop) == unbroken.state


def test_a_database_killed_in_the_middle_of_a_migration(shop: FleetShop, unbroken: Unbroken):
    begin(shop)
    before = shop.hosts()
    with migration_that_waits(shop), applying(shop) as running:
        until_it_waits(shop)
        shop.on("db1", "systemctl kill --signal KILL 'postgresql@*'")
        said, _ = running.communicate(timeout=unbroken.limit)
        assert running.returncode in {5, 6}, said[-3000:]
        assert "app1" in said
    assert shop.hosts() == before
    again = shop.apply()
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert state(shop) == unbroken.state


def test_a_migration_that_outlives_its_controller_is_never_joined_by_a_second(shop: FleetShop, unbroken: Unbroken):
    """It is found before anything is begun, whatever became of those who began it."""
    begin(shop)
    shop.set(migrate_lock_timeout="5min")
    before = shop.migrations()
    try:
        with migration_that_waits(shop):
            with applying(shop):
                until_it_waits(shop)
            assert sql(shop, WAITING) == "1", "the migration was to outlive its controller"
            refused = shop.apply("--orphan-wait", "3")
            assert refused.returncode == 4, refused.stdout[-3000:] + refused.stderr
            assert "app1: migrate (0002), process " in refused.stderr
            assert "ReleaseStarted" not in refused.stdout
            alone = shop.playbook("reviews", "-e", "survey_wait=3")
            assert alone.returncode != 0
            assert "waiting for migrate (0002) on app1, process " in alone.stdout
            assert "app1: migrate (0002) is at work here" in alone.stdout
            assert shop.migrations() == before + 1
        shop.until(lambda: sql(shop, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'surefoot-migrate%'") == "0", "the migration ended")
    finally:
        shop.set(migrate_lock_timeout="2s")
    again = shop.apply()
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert shop.migrations() == before + 1
    assert state(shop) == unbroken.state


def test_a_drain_that_outlives_its_controller_is_waited_for_before_anything_is_changed(shop: FleetShop, unbroken: Unbroken):
    """The controller is killed with its ssh while a host is being drained, and the same command comes again at once."""
    begin(shop)
    shop.set(restart_pool_settle=45)
    try:
        with applying(shop) as running:
            assert running.stdout is not None
            assert any('"title": "Roll, batch by batch"' in line for line in running.stdout)
            shop.until(lambda: shop.pool()["app1"] == "DRAIN", "a host being drained", timeout=120)
    finally:
        shop.set(restart_pool_settle=0)
    left = shop.hosts()
    with applying(shop) as again:
        assert again.stdout is not None
        told = []
        for line in again.stdout:
            told.append(json.loads(line))
            if told[-1].get("event") == "WaitingForOrphans":
                assert shop.hosts() == left
        assert again.wait(unbroken.limit) == 0, told[-20:]
    waited = [event for event in told if event.get("event") == "WaitingForOrphans"]
    assert {(one["host"], one["kind"], one["what"]) for event in waited for one in event["at_work"]} == {("app1", "pool_member", "drained")}
    began = next(place for place, event in enumerate(told) if event.get("event") == "ReleaseStarted")
    assert began > max(told.index(event) for event in waited)
    assert state(shop) == unbroken.state
