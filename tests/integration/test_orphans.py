"""What a killed controller left at work on a host is found before anything else begins there: waited for, then refused with its name."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import typing as t

import pytest
from _restart import await_true
from _road import Shop, a_shop

from helpers import BIN, run_module

API = {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, "100%"]}}
BARE = ("release.yml", "-i", "inventory", "-e", "feature=reviews", "-e", "release=api")

# Like STOP of the shop, once somebody lets it go on.
SLOW_STOP = """
import os, pathlib, signal, sys, time
root = pathlib.Path(sys.argv[1])
(root / "stopping").touch()
while not (root / "go on").exists():
    time.sleep(0.02)
os.kill(int((root / "pid").read_text()), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    with a_shop(tmp_path_factory.mktemp("orphans") / "shop", probe=False) as shop:
        shop.feature(API)
        yield shop
        for host in shop.hosts:
            (host.root / "go on").touch()


def processes(shop: Shop, program: str) -> list[int]:
    """Those that run a program, or a module, for the run of this test that is to be killed."""
    found, mark = [], f"ROAD_MARK={shop.root}".encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")[:2]
            if any(word.rpartition(b"/")[2].decode().startswith(program) for word in words) and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def orphan(shop: Shop) -> int:
    """The restart of h1 that nobody waits for any more: its ansible-playbook was killed in the middle of it."""
    (shop.hosts[0].root / "stop.py").write_text(SLOW_STOP)
    command = [str(BIN / "ansible-playbook"), *BARE]
    environment = shop.environment(ROAD_MARK=str(shop.root))
    with subprocess.Popen(command, cwd=shop.project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as first:
        await_true(lambda: (shop.hosts[0].root / "stopping").exists(), timeout=120)
        (orphan,) = processes(shop, "AnsiballZ_restart")
        for pid in processes(shop, "ansible-playbook"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        first.wait(20)
    assert processes(shop, "AnsiballZ") == [orphan]
    return orphan


def bare(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "ansible-playbook"), *BARE, *arguments]
    return subprocess.run(command, cwd=shop.project, env=shop.environment(), text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=300)


def held(shop: Shop) -> dict[str, t.Any]:
    """What hosts and project hold, but for what is this machine's own."""
    return {name: content for name, content in shop.files().items() if not name.startswith("project/.surefoot")}


def test_nothing_begins_while_what_a_killed_run_left_is_at_work(shop: Shop, orphan: int) -> None:
    before = held(shop)
    refused = shop.surefoot("apply", "--yes", "--orphan-wait", "1")
    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert f"h1: restart (shop), process {orphan}" in refused.stderr
    refused = bare(shop, "-e", "survey_wait=1")
    assert refused.returncode != 0
    assert f"waiting for restart (shop) on h1, process {orphan}" in refused.stdout
    assert f"restart (shop) is at work here; found: process {orphan}" in refused.stdout
    assert "h2: restart" not in refused.stdout
    assert held(shop) == before
    assert shop.ledger() == []


def test_survey_and_plan_name_what_is_at_work(shop: Shop, orphan: int) -> None:
    assert f"h1: restart (shop), process {orphan}" in shop.surefoot("survey").stdout
    planned = shop.surefoot("plan")
    assert planned.returncode == 2, planned.stdout + planned.stderr
    assert f"h1: restart (shop) is at work here; found: process {orphan}" in planned.stdout
    (told,) = json.loads(shop.surefoot("plan", "--json").stdout)["in_the_way"]
    assert (told["kind"], told["host"]) == ("at_work", "h1")


def test_a_host_sees_its_own_steps_and_no_others(shop: Shop, orphan: int) -> None:
    """All three are this machine; what tells them apart is where each keeps its receipt."""

    def at_work(receipt: pathlib.Path) -> list[tuple[str, str, int]]:
        return [(one["kind"], one["what"], one["pid"]) for one in run_module("release_info", {"receipt": str(receipt)})["at_work"]]

    first, second, _third = shop.hosts
    assert at_work(first.root / "receipts/shop.json") == [("restart", "shop", orphan)]
    assert at_work(second.root / "receipts/shop.json") == []
    assert at_work(first.root / "receipts/other.json") == []


def test_what_ends_in_time_is_waited_for_and_the_release_goes_on_from_there(shop: Shop, orphan: int) -> None:
    """The last of these, since the orphan ends here."""
    told = []
    command = [str(BIN / "surefoot"), "apply", "--yes", "--json"]
    with subprocess.Popen(command, cwd=shop.project, env=shop.environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as applying:
        assert applying.stdout is not None
        for line in applying.stdout:
            told.append(json.loads(line))
            if told[-1].get("event") == "WaitingForOrphans":
                (shop.hosts[0].root / "go on").touch()
    assert applying.returncode == 0, told
    (waited, *_later) = [one for one in told if one.get("event") == "WaitingForOrphans"]
    assert [(one["host"], one["kind"], one["what"], one["pid"]) for one in waited["at_work"]] == [("h1", "restart", "shop", orphan)]
    assert {(host.live, host.runs, host.drained) for host in shop.hosts} == {("2.0.0", "2.0.0", False)}
    names = [one.get("event") for one in told]
    assert names.index("ReleaseStarted") > len(names) - names[::-1].index("WaitingForOrphans") - 1


def test_a_lock_that_is_not_free_ends_with_4_as_long_as_nothing_was_changed(tmp_path: pathlib.Path) -> None:
    """What holds it bears no mark: it is no step of ours, or one that was told no receipt."""
    with a_shop(tmp_path / "shop", probe=False) as shop, pathlib.Path(f"{shop.database}.surefoot-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shop.set(migrate_lock_wait=1)
        failed = shop.surefoot("apply", "--yes")
        assert "Another migration of this database is under way" in failed.stdout
        # The artifact has been staged on the way.
        assert (failed.returncode, [kind for kind, _release in shop.ledger()]) == (5, ["started", "failed", "rolling_back", "rolled_back"])
        refused = shop.surefoot("apply", "--yes")
        assert "Another migration of this database is under way" in refused.stdout
        assert (refused.returncode, [kind for kind, _release in shop.ledger()][4:]) == (4, ["started", "refused"])
        fcntl.flock(lock, fcntl.LOCK_UN)
        done = shop.surefoot("apply", "--yes")
        assert (done.returncode, [kind for kind, _release in shop.ledger()][6:]) == (0, ["started", "released", "verified"])
