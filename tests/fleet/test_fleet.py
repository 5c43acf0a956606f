"""A real fleet: it boots, hosts fail in the ways releases must survive, and nothing is left of it. Needs root; skipped elsewhere."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from tests.fleet import command, machine, spec
from tests.fleet.errors import FleetError, NotPossible
from tests.fleet.hosts import Fleet

from helpers import BIN, ansible_environment


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    try:
        machine.require_root()
        machine.require_commands(machine.NEEDED)
    except NotPossible as error:
        pytest.skip(str(error))


@pytest.fixture
def fleet(tmp_path: pathlib.Path) -> t.Iterator[Fleet]:
    fleet = Fleet(tmp_path / "fleet")
    yield fleet
    fleet.down()


def up(fleet: Fleet, hosts: str, *, user: str = "root", deadline: float = 120) -> None:
    fleet.up(spec.parse_hosts(hosts), user=user, volumes=(), deadline=deadline)


def podman(*words: str) -> str:
    return machine.run("podman", *words)


def answering(fleet: Fleet) -> set[str]:
    """The hosts that answer Ansible's ping."""
    words = [str(BIN / "ansible"), "all", "-i", str(fleet.inventory), "-m", "ansible.builtin.ping", "--one-line"]
    done = subprocess.run(words, env=ansible_environment(ANSIBLE_DEPRECATION_WARNINGS="false"), text=True, capture_output=True, timeout=120)
    return {line.split()[0] for line in done.stdout.splitlines() if "SUCCESS" in line}


def left_of(fleet: Fleet) -> str:
    """Whatever of the fleet is still on this machine: containers, networks, processes."""
    label = f"label=surefoot.fleet={fleet.name}"
    containers = podman("ps", "--all", "--quiet", "--filter", label)
    networks = podman("network", "ls", "--quiet", "--filter", label)
    processes = machine.run("pgrep", "--full", "--list-full", f"{fleet.name}|{fleet.directory}/", check=False)
    return containers + networks + processes


@pytest.mark.parametrize("user", ["root", "deploy"])
def test_a_fleet_answers_and_nothing_is_left_of_it(fleet: Fleet, user: str):
    up(fleet, "app:2,db:1", user=user)
    assert answering(fleet) == {"app1", "app2", "db1"}
    fleet.down()
    assert left_of(fleet) == ""
    assert not fleet.directory.exists()


def test_hosts_that_froze_stopped_or_lost_their_network_do_not_answer_until_up_again(fleet: Fleet):
    up(fleet, "app:4")
    assert answering(fleet) == {"app1", "app2", "app3", "app4"}
    podman("pause", f"{fleet.name}-app1")
    podman("stop", "--time=0", f"{fleet.name}-app2")
    podman("network", "disconnect", fleet.name, f"{fleet.name}-app3")
    assert answering(fleet) == {"app4"}
    up(fleet, "app:4")
    assert answering(fleet) == {"app1", "app2", "app3", "app4"}


def test_a_host_can_be_lost_rebuilt_and_joined(fleet: Fleet):
    up(fleet, "app:2")
    podman("exec", f"{fleet.name}-app1", "touch", "/opt/kept")
    fleet.remove(["app1"])
    assert answering(fleet) == {"app2"}
    up(fleet, "app:3")
    assert answering(fleet) == {"app1", "app2", "app3"}
    with pytest.raises(FleetError):
        podman("exec", f"{fleet.name}-app1", "test", "-e", "/opt/kept")


def test_a_start_that_fails_takes_back_what_it_made_and_says_why(fleet: Fleet):
    with pytest.raises(FleetError, match=r"app\d at .* did not answer on SSH in time"):
        up(fleet, "app:2", deadline=0)
    assert left_of(fleet) == ""
    assert not fleet.directory.exists()


def test_a_start_that_fails_leaves_the_hosts_that_were_there(fleet: Fleet):
    up(fleet, "app:1")
    with pytest.raises(FleetError):
        up(fleet, "app:3", deadline=0)
    assert [host.name for host in fleet.states()] == ["app1"]
    assert answering(fleet) == {"app1"}


def test_a_fleet_is_removed_even_when_its_directory_is_gone_and_hosts_are_frozen(fleet: Fleet):
    up(fleet, "app:2")
    podman("pause", f"{fleet.name}-app1")
    machine.run("rm", "-r", str(fleet.directory))
    assert command.main(["down", "--dir", str(fleet.directory)]) == 0
    assert left_of(fleet) == ""


def test_what_a_killed_run_left_is_found_and_removed(fleet: Fleet, capsys: pytest.CaptureFixture[str]):
    up(fleet, "app:1")
    elsewhere, here = str(fleet.directory / "elsewhere"), str(fleet.directory.parent)
    assert command.main(["sweep", "--dir", elsewhere]) == 0
    assert answering(fleet) == {"app1"}
    assert command.main(["sweep", "--dir", here]) == 1
    assert f"Left of {fleet.name}: container {fleet.name}-app1, network {fleet.name}, " in capsys.readouterr().out
    assert left_of(fleet) == ""
    assert command.main(["sweep", "--dir", here]) == 0


def test_a_directory_with_something_else_in_it_is_refused(fleet: Fleet):
    fleet.directory.mkdir()
    (fleet.directory / "mine").touch()
    with pytest.raises(FleetError, match="holds something that is not of a fleet"):
        up(fleet, "app:1")
    fleet.down()
    assert (fleet.directory / "mine").exists()
