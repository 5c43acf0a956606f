"""The whole road with nothing faked: three hosts, a front, a database, a cache, flags, and the commands a person types."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

import pytest
from _road import HOSTS, LATER_MIGRATIONS, LIVE_AFTER, MIGRATIONS, ROAD, Shop, a_shop, artifact

from helpers import run_playbook

API = {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, "100%"]}}


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> t.Iterator[Shop]:
    with a_shop(tmp_path / "shop") as found:
        yield found


@pytest.fixture
def calm(tmp_path: pathlib.Path) -> t.Iterator[Shop]:
    """A shop without probes, for tests that are not about what users feel."""
    with a_shop(tmp_path / "shop", probe=False) as found:
        yield found


def events(stdout: str) -> list[dict[str, t.Any]]:
    """What `--json` told, the result last."""
    return [json.loads(line) for line in stdout.splitlines()]


def in_service(shop: Shop, version: str) -> None:
    """Every host is in the pool, runs the version and has it live."""
    assert [(host.name, host.drained, host.runs, host.live) for host in shop.hosts] == [(name, False, version, version) for name in HOSTS]
    assert shop.visit() == 200


def test_the_whole_road_there_and_two_releases_back(shop: Shop) -> None:
    before = shop.snapshot()
    plans = [shop.surefoot("plan") for _ in range(2)]
    assert [plan.returncode for plan in plans] == [2, 2], plans[0].stderr
    assert plans[0].stdout == plans[1].stdout
    assert shop.snapshot() == before

    done = shop.surefoot("apply", "--all", "--yes", "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    told = events(done.stdout)
    ended = [event for event in told if event.get("event") == "ReleaseEnded"]
    assert [(event["release"], event["outcome"]) for event in ended] == [(release["release"], "verified") for release in ROAD]
    assert [(one["verdict"], one["failed"]) for event in ended for one in event["impact"]] == [("kept", 0)] * len(ROAD)
    assert [event["host"] for event in told if event.get("event") == "StepDone" and event["step"]["kind"] == "migrate"] == ["h1"]

    in_service(shop, "2.1.0")
    assert shop.sql("SELECT what FROM done") == [("books",), ("reviews",)]
    for host in shop.hosts:
        assert [(release, outcome) for release, outcome, _version in host.receipts() if host.name == "h1" or release != "table"] == [
            (release["release"], "verified") for release in ROAD if host.name == "h1" or release["release"] != "table"
        ]
        assert {release: version for release, _outcome, version in host.receipts()} == {
            release: version for release, version in LIVE_AFTER.items() if host.name == "h1" or release != "table"
        }
        assert (host.root / "cache/page%3Aindex").read_text() == "books and reviews"
        assert shop.flag(host)["defaultVariant"] == "on"
        assert shop.flag(host, "dark") == {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}

    state, pids, snapshot, ledger = shop.state(), [host.pid for host in shop.hosts], shop.snapshot(), shop.ledger()
    again = shop.surefoot("apply", "--all", "--yes")
    assert again.returncode == 0, again.stderr
    assert (shop.state(), [host.pid for host in shop.hosts], shop.ledger()) == (state, pids, ledger)
    assert shop.surefoot("plan").returncode == 0
    # Locks come and go; nothing else has another content or came anew.
    changed = {name for name, seen in shop.snapshot().items() if snapshot.get(name, (None,))[:2] != seen[:2]}
    assert all(name.endswith("lock") for name in changed), changed

    assert shop.surefoot("rollback", "--yes").returncode == 0
    assert shop.flag(shop.hosts[2])["defaultVariant"] == "off"
    assert shop.surefoot("rollback", "--yes").returncode == 0
    in_service(shop, "2.0.0")
    assert [(host.root / "cache/page%3Aindex").exists() or shop.visit() for host in shop.hosts]
    status = json.loads(shop.surefoot("status", "--json").stdout)["features"][0]["releases"]
    assert [release["environments"]["test"]["state"] for release in status] == ["verified", "verified", "verified", "rolled_back", "rolled_back"]
    check = shop.surefoot("history", "--check")
    assert check.returncode == 0, check.stdout


def test_the_same_road_with_ansible_alone(calm: Shop) -> None:
    shop = calm
    runs = [(release["release"], {}) for release in ROAD[:-1]] + [("everyone", {"surefoot_ramp": 50}), ("everyone", {"surefoot_ramp": 100})]
    for name, ramp in runs:
        extra = json.dumps({"feature": "reviews", "release": name, **ramp})
        done = run_playbook("-i", "inventory", "release.yml", "-e", extra, cwd=shop.project, **shop.environment())
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    in_service(shop, "2.1.0")
    assert shop.sql("SELECT what FROM done") == [("books",), ("reviews",)]
    assert [release for release, _outcome, _version in shop.hosts[0].receipts()] == [release["release"] for release in ROAD]
    assert shop.surefoot("plan").returncode == 0, "the runner does not believe the receipts"
    assert shop.ledger() == []
    refused = run_playbook("-i", "inventory", "release.yml", "-e", "feature=reviews", "-e", "release=everyone", cwd=shop.project, **shop.environment())
    assert refused.returncode != 0
    assert "opens in stages" in refused.stdout


def test_a_version_that_is_not_healthy_is_rolled_back_and_no_second_host_has_it(shop: Shop) -> None:
    shop.feature({**API, "release": "sick", "install": {"version": "2.2.0"}})
    others = [host.pid for host in shop.hosts[1:]]
    done = shop.surefoot("apply", "--yes", "--json")
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    in_service(shop, "1.0.0")
    assert [host.pid for host in shop.hosts[1:]] == others
    told = events(done.stdout)
    touched = {event["host"] for event in told if event.get("event") == "StepDone" and event["step"]["kind"] in {"pool_member", "restart"}}
    assert touched == {"h1"}
    assert [one["failed"] for event in told if event.get("event") == "ReleaseEnded" for one in event["impact"]] == [0, 0]
    assert shop.ledger() == [("started", "sick"), ("failed", "sick"), ("rolling_back", "sick"), ("rolled_back", "sick")]
    assert shop.surefoot("plan").returncode == 2


def test_when_a_later_batch_fails_the_way_back_touches_no_host_that_was_still_as_before(calm: Shop) -> None:
    artifact(calm, "2.3.0", {"page.html": "books", "behavior": "sick h2"})
    calm.feature({"release": "sick", "install": {"version": "2.3.0"}, "restart": {"batches": [1]}})
    before = calm.hosts[2].pid
    done = calm.surefoot("apply", "--yes", "--json")
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    in_service(calm, "1.0.0")
    assert calm.hosts[2].pid == before
    told = events(done.stdout)
    back = next(position for position, event in enumerate(told) if event.get("event") == "ReleaseEnded")
    for part in (told[:back], told[back:]):
        rolled = {event["host"] for event in part if event.get("event") == "StepDone" and event["step"]["kind"] in {"pool_member", "restart"}}
        assert rolled == {"h1", "h2"}


def test_a_gate_between_batches_keeps_the_next_batch_from_being_touched(calm: Shop) -> None:
    asked = calm.project / "asked"
    script = f"echo >> {asked}; test $(wc -l < {asked}) -lt 2"
    calm.feature({**API, "restart": {"batches": [1], "verify": [{"name": "canary", "command": ["sh", "-c", script]}]}})
    last = calm.hosts[2].pid
    done = calm.surefoot("apply", "--yes", "--json")
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    in_service(calm, "1.0.0")
    told = events(done.stdout)
    assert [event["verdict"] for event in told if event.get("event") == "GateAsked" and event["name"] == "canary"] == ["passed", "failed"]
    assert {event["host"] for event in told if event.get("event") == "StepDone" and event["step"]["kind"] == "restart"} == {"h1", "h2"}
    assert calm.hosts[2].pid == last
    asked.unlink()
    calm.feature({**API, "restart": {"batches": [2], "verify": [{"name": "canary", "command": ["sh", "-c", script]}]}})
    done = calm.surefoot("apply", "--yes")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    in_service(calm, "2.0.0")
    assert asked.read_text() == "\n"  # not after the last batch, which the gates of the release follow


def test_an_artifact_that_was_built_again_makes_a_saved_plan_stale(calm: Shop) -> None:
    calm.feature(API)
    assert calm.surefoot("plan", "--out", "plan.json").returncode == 2
    saved = json.loads((calm.project / "plan.json").read_text())
    wanted = (calm.project / "dist/app-2.0.0.tar.gz.sha256").read_text().split()[0]
    assert saved["artifacts"] == {"2.0.0": wanted}
    artifact(calm, "2.0.0", {"page.html": "something else"})
    stale = calm.surefoot("apply", "--plan", "plan.json", "--yes")
    assert stale.returncode == 4, stale.stdout + stale.stderr
    assert f"sha256 of artifact 2.0.0 was {wanted}" in stale.stderr
    # Without a checksum beside it the file itself is what counts; without either nothing is known, and nothing is refused for that.
    calm.set(install_sha256=None)
    assert calm.surefoot("plan", "--out", "plan.json").returncode == 2
    again = (calm.project / "dist/app-2.0.0.tar.gz.sha256").read_text().split()[0]
    assert json.loads((calm.project / "plan.json").read_text())["artifacts"] == {"2.0.0": again}
    calm.set(install_artifact="https://artifacts.invalid/app-{{ install_version }}.tar.gz")
    assert calm.surefoot("plan", "--out", "plan.json").returncode == 2
    assert json.loads((calm.project / "plan.json").read_text())["artifacts"] == {}
    in_service(calm, "1.0.0")


def test_a_release_that_left_its_host_out_of_the_pool_is_named(calm: Shop) -> None:
    calm.feature({**API, "release": "sick", "install": {"version": "2.2.0"}})
    done = calm.surefoot("apply", "--yes", "--no-rollback")
    assert done.returncode == 6, done.stdout + done.stderr
    assert [host.drained for host in calm.hosts] == [True, False, False]
    assert calm.visit() == 200
    plan = calm.surefoot("plan")
    assert "h1" in plan.stdout
    assert calm.surefoot("rollback", "--yes").returncode == 0
    in_service(calm, "1.0.0")


def test_a_member_left_drained_is_put_back_though_the_survey_cannot_tell(calm: Shop) -> None:
    """A pool of commands without a `status` says nothing; and nothing else is left to do on the host."""
    drain = f"{calm.root}/hosts/{{{{ inventory_hostname }}}}/drain"
    calm.set(restart_pool_backend="command", restart_pool_commands={"drain": ["touch", drain], "restore": ["rm", "-f", drain]})
    broken = {"name": "Break", "ansible.builtin.command": {"argv": ["mkdir", f"{calm.root}/broken"]}, "when": "inventory_hostname == 'h1'"}
    calm.write("hooks/break.yml", [{**broken, "register": "made", "failed_when": "made.rc == 0"}])
    calm.feature({**API, "hooks": {"after_restart": "hooks/break.yml"}})
    assert calm.surefoot("apply", "--yes", "--no-rollback").returncode == 6
    assert [(host.runs, host.drained) for host in calm.hosts] == [("2.0.0", True), ("1.0.0", False), ("1.0.0", False)]
    again = calm.surefoot("apply", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    in_service(calm, "2.0.0")


def test_gates_are_asked_without_becoming_anybody(calm: Shop) -> None:
    """What an inventory says of all its hosts, ansible also takes for the machine it runs on, and before what a task says."""
    calm.set(ansible_become=True, ansible_become_user="daemon", ansible_become_exe="/none/sudo")
    calm.write("inventory/group_vars/app.yml", {"ansible_become": False})
    calm.feature({"release": "again", "restart": {}})
    done = calm.surefoot("apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_as_it_was_left_is_refused_and_nothing_is_changed(calm: Shop) -> None:
    """Each of these is put right again, so that one shop is enough for all."""
    shop = calm
    shop.feature(ROAD[2])
    assert shop.surefoot("apply", "--yes").returncode == 0
    shop.feature(ROAD[2], ROAD[4])
    state = shop.state()

    def refused(told: str, code: int = 4) -> None:
        before, ledger = shop.files(), shop.ledger()
        for command in (["plan"], ["apply", "--all", "--yes"]):
            done = shop.surefoot(*command)
            assert done.returncode == code, (command, done.stdout, done.stderr)
            assert told in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
        assert (shop.files(), shop.ledger()) == (before, ledger)

    flags = shop.hosts[1].root / "flags.json"
    written = flags.read_text()
    edited = json.loads(written)
    edited["flags"]["reviews"]["defaultVariant"] = "on"
    flags.write_text(json.dumps(edited))
    refused("Flag reviews was changed by another hand")
    flags.write_text(written)

    receipt = shop.hosts[2].root / "receipts/shop.json"
    written = receipt.read_text()
    receipt.unlink()
    refused("no receipt of it on h3")
    receipt.write_text("{")
    refused("receipt")
    receipt.write_text(written)

    current = shop.hosts[0].root / "app/current"
    (shop.hosts[0].root / "app/releases/0.9.0").mkdir()
    current.unlink()
    current.symlink_to("releases/0.9.0")
    refused("0.9.0 is live")
    current.unlink()
    current.symlink_to("releases/1.0.0")
    (shop.hosts[0].root / "app/releases/0.9.0").rmdir()

    hosts = (shop.project / "inventory/hosts.yml").read_text()
    shop.write("inventory/hosts.yml", {"app": {"hosts": {}}})
    refused("No host")
    unreachable = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=2"}
    named = {host.name: {"port": host.port, **(unreachable if host.name == "h3" else {})} for host in shop.hosts}
    shop.write("inventory/hosts.yml", {"app": {"hosts": named}})
    refused("h3")
    shop.write("inventory/hosts.yml", hosts)

    shop.feature({**ROAD[2], "instal": {"version": "2.0.0"}})
    refused("did you mean install?", code=1)
    shop.feature(ROAD[2], ROAD[4])

    assert shop.state() == state
    assert shop.surefoot("plan").returncode == 2


def test_a_link_that_was_moved_by_hand_is_adopted_and_the_path_goes_on(calm: Shop) -> None:
    shop = calm
    shop.feature(ROAD[2], {**ROAD[4], "enable_feature": {"flag": "reviews", "audience": {"everyone": True}}})
    assert shop.surefoot("apply", "--yes").returncode == 0
    for host in shop.hosts:
        (host.root / "app/releases/1.0.1").mkdir()
    moved = [host.root / "app/current" for host in shop.hosts]
    ledger = shop.ledger()
    for current in moved[:2]:
        current.unlink()
        current.symlink_to("releases/1.0.1")
    arguments = ("adopt", "reviews", "--release", "staff", "--because", "a fix, put there by hand")
    refused = shop.surefoot(*arguments)
    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert "The hosts run different versions; found: 1.0.0 on h3; 1.0.1 on h1, h2" in refused.stderr
    assert shop.ledger() == ledger
    moved[2].unlink()
    moved[2].symlink_to("releases/1.0.1")
    for command in ("survey", "plan"):
        told = shop.surefoot(command)
        assert told.returncode == 4, told.stdout + told.stderr
        assert "h3: 1.0.1 is live, but the last receipt says 1.0.0" in told.stdout
    done = shop.surefoot(*arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert events(done.stdout)[-1]["result"]["staff"]["state"] == "adopted"
    assert shop.ledger()[len(ledger) :] == [("adopted", "staff"), ("caught_up", "staff")]
    assert [(host.receipts()[-1], host.live) for host in shop.hosts] == [(("staff", "adopted", "1.0.1"), "1.0.1")] * 3
    assert shop.surefoot("survey").returncode == 0
    assert shop.surefoot("plan").returncode == 2
    # Without the runner too.
    release = run_playbook("-i", "inventory", "release.yml", "-e", "feature=reviews", "-e", "release=everyone", cwd=shop.project, **shop.environment())
    assert release.returncode == 0, release.stdout[-3000:] + release.stderr
    assert shop.surefoot("plan").returncode == 0


def test_an_artifact_with_another_checksum_is_not_even_staged(calm: Shop) -> None:
    calm.feature(API)
    (calm.project / "dist/app-2.0.0.tar.gz.sha256").write_text("0" * 64)
    before = calm.state()
    done = calm.surefoot("apply", "--yes")
    assert done.returncode in {5, 6}, done.stdout + done.stderr
    assert "sha256" in done.stdout.lower() or "checksum" in done.stdout.lower()
    in_service(calm, "1.0.0")
    assert [(host.root / "app/releases/2.0.0").exists() for host in calm.hosts] == [False] * 3
    for key in ("database", "done", "migrations"):
        assert calm.state()[key] == before[key]


def test_a_restart_that_no_release_declared_stops_the_path(calm: Shop) -> None:
    host = calm.hosts[1]
    restarting = [
        {
            "name": "Somebody restarts it",
            "ansible.builtin.command": {"argv": [sys.executable, str(host.root / name), *arguments]},
            "when": "inventory_hostname == 'h2'",
        }
        for name, arguments in (("stop.py", [str(host.root)]), ("start.py", [str(host.root), str(host.port)]))
    ]
    calm.write("hooks/restart.yml", restarting)
    calm.feature({**ROAD[2], "hooks": {"after_enable_feature": "hooks/restart.yml"}}, API)
    pid = host.pid
    done = calm.surefoot("apply", "--all", "--yes")
    assert host.pid != pid
    assert done.returncode in {5, 6}, done.stdout + done.stderr
    assert "does not declare" in done.stdout
    assert "restart" in done.stdout
    assert ("verified", "staff") not in calm.ledger()
    assert {host.live for host in calm.hosts} == {"1.0.0"}


def test_a_restart_without_a_drain_loses_requests_and_fails_though_every_task_was_green(shop: Shop) -> None:
    """This is what proves that the probe of the other tests would have seen something."""
    shop.set(restart_pool_backend="none")
    shop.configure(probes=[{"name": "h1", "http": {"url": f"{shop.hosts[0].url}/", "rate": 50, "timeout": "2s"}}])
    shop.feature(API)
    done = shop.surefoot("apply", "--yes", "--json")
    told = events(done.stdout)
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr
    assert not [event for event in told if event.get("event") == "HostFailed"]
    failed = next(event for event in told if event.get("event") == "ReleaseEnded" and event["outcome"] == "failed")
    assert failed["impact"][0]["verdict"] == "broken"
    assert failed["impact"][0]["failed"] > 0
    in_service(shop, "1.0.0")


def test_a_migration_without_a_way_down_waits_for_its_own_confirmation_also_where_that_is_only_seen_when_it_is_staged(calm: Shop) -> None:
    files = {name: text for name, text in {**MIGRATIONS, **LATER_MIGRATIONS}.items() if name != "0002_reviews.down.sql"}
    artifact(calm, "2.3.0", {"page.html": "books", **{f"migrations/{name}": text for name, text in files.items()}})
    calm.feature({"release": "table", "migrate": {"version": "2.3.0", "to": "0002"}})
    assert "whether the migration can be taken back is known once 2.3.0 is staged" in calm.surefoot("plan").stdout
    done = calm.surefoot("apply", "--yes")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "no way down from 0002" in done.stdout
    assert calm.sql("SELECT what FROM done") == [("books",)]
    waiting = calm.surefoot("apply", "--yes")
    assert waiting.returncode == 3, waiting.stdout + waiting.stderr
    assert "There is no way back: there is no way down from 0002" in waiting.stdout
    done = calm.surefoot("apply", "--yes", "--no-way-back")
    assert done.returncode == 0, done.stdout + done.stderr
    assert calm.sql("SELECT what FROM done") == [("books",), ("reviews",)]


def test_a_gate_that_cannot_tell_asks_a_person_and_undoes_nothing(calm: Shop) -> None:
    calm.feature({**ROAD[2], "verify": [{"command": ["/nonexistent/gate"]}]})
    done = calm.surefoot("apply", "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert calm.flag(calm.hosts[0]) is not None
    assert not {kind for kind, _release in calm.ledger()} & {"rolling_back", "rolled_back", "verified"}
    calm.feature(ROAD[2])
    assert calm.surefoot("apply", "--yes").returncode == 0
