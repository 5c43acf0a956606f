"""The inventory that script/fleet writes."""

from __future__ import annotations

import pathlib
import tempfile

import yaml
from tests.fleet import inventory
from tests.fleet.spec import Host

HOSTS = (Host("app1", "app", "10.89.3.2"), Host("app2", "app", "10.89.3.3"), Host("db1", "db", "10.89.3.4"))
DIRECTORY = pathlib.Path('/srv/some: "fleet"')


def read(user: str) -> dict:
    return yaml.safe_load(inventory.render("surefoot-x", DIRECTORY, HOSTS, user=user))["all"]


def test_hosts_stand_in_their_groups():
    groups = read("root")["children"]
    assert {group: sorted(content["hosts"]) for group, content in groups.items()} == {"app": ["app1", "app2"], "db": ["db1"]}
    expected = {"ansible_host": "10.89.3.3", "fleet_address": "10.89.3.3", "fleet_container": "surefoot-x-app2"}
    assert groups["app"]["hosts"]["app2"] == expected


def test_ssh_uses_the_keys_of_the_fleet_alone():
    variables = read("root")["vars"]
    assert variables["ansible_ssh_private_key_file"] == f"{DIRECTORY}/client_key"
    assert f"UserKnownHostsFile={DIRECTORY}/known_hosts" in variables["ansible_ssh_common_args"]
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]
    assert variables["ansible_pipelining"] is True


def test_only_an_ordinary_user_becomes_root():
    assert read("root")["vars"]["ansible_become"] is False
    assert read("deploy")["vars"]["ansible_become"] is True


def test_known_hosts_hold_the_key_of_the_run():
    text = inventory.render_known_hosts(HOSTS[:2], "ssh-ed25519 AAAA comment\n")
    assert text == "10.89.3.2 ssh-ed25519 AAAA\n10.89.3.3 ssh-ed25519 AAAA\n"


def test_sockets_of_ssh_never_get_a_path_that_is_too_long():
    assert inventory.control_directory(pathlib.Path("/srv/fleet"), "surefoot-x") == pathlib.Path("/srv/fleet/cp")
    deep = pathlib.Path("/srv") / ("d" * 90)
    assert inventory.control_directory(deep, "surefoot-x") == pathlib.Path(tempfile.gettempdir()) / "surefoot-x"
