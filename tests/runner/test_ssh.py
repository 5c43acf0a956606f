"""Hosts that freeze are given up, unless people told ssh something else."""

from __future__ import annotations

import pathlib

import pytest

from surefoot.ssh import EXTRA_ARGS, give_up


@pytest.fixture(autouse=True)
def _no_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()


def test_a_host_that_froze_is_given_up(tmp_path: pathlib.Path) -> None:
    assert give_up(tmp_path, {}) == {"ANSIBLE_SSH_EXTRA_ARGS": EXTRA_ARGS}


def test_what_stands_in_the_environment_is_left_alone(tmp_path: pathlib.Path) -> None:
    assert give_up(tmp_path, {"ANSIBLE_SSH_EXTRA_ARGS": ""}) == {}


@pytest.mark.parametrize("place", ["ansible.cfg", "home/.ansible.cfg", "elsewhere.cfg"])
def test_what_stands_in_a_configuration_is_left_alone(tmp_path: pathlib.Path, place: str) -> None:
    (tmp_path / place).write_text("[ssh_connection]\nssh_extra_args = -o ProxyJump=bastion%%h\n")
    assert give_up(tmp_path, {"ANSIBLE_CONFIG": "elsewhere.cfg"} if place == "elsewhere.cfg" else {}) == {}


def test_only_the_configuration_that_ansible_reads_counts(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[ssh_connection]\nssh_args = -C\n")
    (tmp_path / "home/.ansible.cfg").write_text("[ssh_connection]\nssh_extra_args = -4\n")
    assert give_up(tmp_path, {})


def test_a_configuration_that_cannot_be_read_is_for_ansible_to_refuse(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ansible.cfg").write_text("no section\n")
    assert give_up(tmp_path, {})
