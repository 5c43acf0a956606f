"""Two controllers that share nothing but the hosts, through the real playbook."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils import environment_lock as locks
from helpers import ROOT, run_module
from surefoot.environment_lock import EnvironmentLock, Waiting
from surefoot.ledger import Ledger
from surefoot.lock import LockHeld, LockLost, hold
from surefoot.playbooks import Ansible, HostAnswered, RunEnded

TTL = 30.0
"""A beat is one run of ansible-playbook, which has a quarter of this for it, on a machine that is busy with other tests."""

HOLDER = """
import pathlib, sys
from surefoot.environment_lock import EnvironmentLock
from surefoot.playbooks import Ansible

with EnvironmentLock(Ansible(root=pathlib.Path(sys.argv[1]), inventory=("hosts",)), ["app"], "shop", command="surefoot apply reviews", ttl=float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(name="controllers")
def controllers_fixture(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Two projects with a ledger each, for the same three hosts, each of which has a directory of its own."""
    lines = [f"app{number} surefoot_state_path={tmp_path}/hosts/app{number}" for number in (1, 2, 3)]
    inventory = "\n".join(["[app]", *lines, "[app:vars]", "ansible_connection=local", f"ansible_python_interpreter={sys.executable}", ""])
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hosts").write_text(inventory)
        with Ledger("sqlite:///.surefoot/ledger.db", root=tmp_path / name) as ledger:
            assert ledger.entries() == []
    return tmp_path / "ann", tmp_path / "bob"


def ansible(root: pathlib.Path, *arguments: str) -> Ansible:
    return Ansible(root=root, inventory=("hosts",), arguments=arguments)


def lock(root: pathlib.Path, *arguments: str, **options: t.Any) -> EnvironmentLock:
    return EnvironmentLock(ansible(root, *arguments), ["app"], "shop", **{"ttl": TTL, "command": f"surefoot apply from {root.name}", **options})


def lock_file(root: pathlib.Path) -> pathlib.Path:
    return root.parent / "hosts/app1/shop.lock"


@contextlib.contextmanager
def holder(root: pathlib.Path, ttl: float) -> t.Iterator[subprocess.Popen[str]]:
    """A runner in a process of its own that holds the lock."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / ".collections"), str(ROOT / "src")])}
    command = [sys.executable, "-c", HOLDER, str(root), str(ttl)]
    process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_controllers_with_ledgers_of_their_own_never_hold_it_at_once(controllers: tuple[pathlib.Path, pathlib.Path]) -> None:
    ann, bob = controllers
    told: list[Waiting] = []
    with hold(ann / ".surefoot", "production", "ann", "t1"), lock(ann) as held:
        # The locks of the two machines do not know of each other; the one of the environment does, from whichever host bob may begin.
        with (
            hold(bob / ".surefoot", "production", "bob", "t2"),
            pytest.raises(LockHeld, match=r"found: .*surefoot apply from ann"),
            lock(bob, "--limit", "app3"),
        ):
            pytest.fail("two at once")
        # The heartbeat keeps it beyond its time to live, which bob's waiting outlasts.
        with pytest.raises(LockHeld), lock(bob, "--tags", "install", wait=TTL * 1.2, waiting=told.append):
            pytest.fail(f"two at once: {held._why_lost}")
        assert not held.lost.is_set(), held._why_lost
    assert told[-1].waited > TTL
    assert not lock_file(ann).exists()
    with lock(bob):
        assert json.loads(lock_file(ann).read_text())["command"] == "surefoot apply from bob"


def test_the_dead_runner_of_another_machine_is_taken_over_after_its_time_to_live(controllers: tuple[pathlib.Path, pathlib.Path]) -> None:
    ann, bob = controllers
    with holder(ann, ttl=12) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # As if it had run on another machine, where nobody here can see that it is dead.
    entry = json.loads(lock_file(ann).read_text())
    lock_file(ann).write_text(json.dumps({**entry, "process": {}}))
    with pytest.raises(LockHeld, match=r"surefoot apply reviews"), lock(bob):
        pytest.fail("its time was not over")
    last = json.loads(lock_file(ann).read_text())["uptime"]
    with lock(bob, wait=60):
        assert locks.now().uptime - last > 12


def test_the_dead_runner_of_this_machine_is_taken_over_at_once(controllers: tuple[pathlib.Path, pathlib.Path]) -> None:
    ann, bob = controllers
    with holder(ann, ttl=3600) as process:
        with pytest.raises(LockHeld, match=rf"process {process.pid}, .*surefoot apply reviews"), lock(bob):
            pytest.fail("two at once")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with lock(bob):
        assert json.loads(lock_file(ann).read_text())["command"] == "surefoot apply from bob"


@pytest.mark.parametrize("patterns", [["app", "app:!app1"], ["app1:!app2", "app2:!app1"], ["app1", "all:!app"]])
def test_what_one_pattern_excludes_may_hold_the_lock_by_another(controllers: tuple[pathlib.Path, pathlib.Path], patterns: list[str]) -> None:
    """It stands where ansible-playbook alone looks for it, which knows the hosts one by one."""
    ann, _bob = controllers
    with EnvironmentLock(ansible(ann), patterns, "shop", command="surefoot apply from ann", ttl=TTL):
        assert lock_file(ann).exists()


def test_a_lock_that_was_lost_stops_the_work(controllers: tuple[pathlib.Path, pathlib.Path]) -> None:
    ann, _bob = controllers
    held = lock(ann)
    for _waiting in held.acquire():
        pytest.fail("nobody else is there")
    lock_file(ann).unlink()
    assert held.lost.wait(60)
    held.release()
    with pytest.raises(LockLost, match="nobody holds it"):
        held.check()
    assert not lock_file(ann).exists()


def test_the_role_serves_a_playbook_of_its_own_in_batches(controllers: tuple[pathlib.Path, pathlib.Path]) -> None:
    """Without the runner: taken in the first play, refreshed at the head of each batch, and given back in the last play."""
    ann, _bob = controllers
    (ann / "release.yml").write_text(PLAYBOOK)
    answers = [event for event in ansible(ann).run("release.yml", {}) if isinstance(event, HostAnswered) and "lock" in event.result]
    assert [(answer.task.split(" ")[0], answer.state) for answer in answers] == [("Take", "ok"), ("Make", "ok"), ("Make", "ok"), ("Give", "ok")]
    assert len({(answer.result["lock"] or {"token": None})["token"] for answer in answers[:3]}) == 1
    assert not lock_file(ann).exists()
    # Ended before its last play, as one that failed does, it does not stand in the way of the next run.
    refused = list(ansible(ann, "--extra-vars", "fail=true").run("release.yml", {}))
    assert lock_file(ann).exists()
    assert refused[-1].rc == 2
    assert list(ansible(ann).run("release.yml", {}))[-1].rc == 0
    assert not lock_file(ann).exists()


PLAYBOOK = """
- hosts: app
  gather_facts: false
  vars: &lock {lock_app: shop, lock_hosts: [app]}
  tasks:
    - ansible.builtin.import_role: {name: surefoot.release.lock, tasks_from: acquire}
- hosts: app:!app1
  gather_facts: false
  serial: 1
  vars: *lock
  tasks:
    - ansible.builtin.import_role: {name: surefoot.release.lock, tasks_from: refresh}
    - ansible.builtin.fail:
      when: fail | default(false) | bool
- hosts: app
  gather_facts: false
  vars: *lock
  tasks:
    - ansible.builtin.import_role: {name: surefoot.release.lock, tasks_from: release}
"""


def test_a_refresh_asks_the_host_again_only_after_a_share_of_the_time_to_live(controllers: tuple[pathlib.Path, pathlib.Path]) -> None:
    ann, _bob = controllers
    removed = """
    - ansible.builtin.file: {path: "{{ surefoot_state_path }}/shop.lock", state: absent}
      run_once: true
"""
    acquire, refresh = PLAYBOOK.split("- hosts: app:!app1", maxsplit=1)
    (ann / "release.yml").write_text(f"{acquire}{removed}- hosts: app:!app1{refresh}")
    *answers, ended = (event for event in ansible(ann, "-e", "lock_ttl=3600").run("release.yml", {}) if isinstance(event, (HostAnswered, RunEnded)))
    refreshed = [answer.result for answer in answers if answer.task.startswith("Make")]
    assert [(result["changed"], result["reason"].startswith("it was refreshed")) for result in refreshed] == [(False, True)] * 2
    assert ended.rc == 0
    *answers, ended = (event for event in ansible(ann, "-e", "lock_ttl=0.001").run("release.yml", {}) if isinstance(event, (HostAnswered, RunEnded)))
    assert [answer.result["lost"] for answer in answers if answer.task.startswith("Make")] == [True]
    assert ended.rc == 2


def test_the_module_says_who_holds_it_and_hides_values_of_variables(tmp_path: pathlib.Path) -> None:
    options = {"app": "shop", "path": str(tmp_path)}
    assert run_module("environment_lock", {**options, "state": "read"})["lock"] is None
    taken = run_module("environment_lock", options)
    assert taken["changed"]
    assert taken["taken_over"] is None
    assert "ansible_python_interpreter" not in taken["lock"]["command"]
    assert " -e … " in taken["lock"]["command"]
    token = taken["lock"]["token"]
    read = run_module("environment_lock", {**options, "state": "read"})
    assert (read["changed"], read["lock"]["token"], read["lock"]["expired"]) == (False, token, False)
    assert not run_module("environment_lock", {**options, "state": "refreshed", "token": token})["changed"]
    assert "token" in run_module("environment_lock", {**options, "state": "released"})["msg"]
    lost = run_module("environment_lock", {**options, "state": "refreshed", "token": "another"})
    assert (lost["failed"], lost["lost"], lost["error"]["kind"]) == (True, True, "Lost")
    assert run_module("environment_lock", {**options, "state": "released", "token": token}, check=True)["changed"]
    assert (tmp_path / "shop.lock").exists()
    assert run_module("environment_lock", {**options, "state": "released", "token": token})["changed"]
    assert not (tmp_path / "shop.lock").exists()
