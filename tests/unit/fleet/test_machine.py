"""What a machine must offer before it can hold a fleet."""

from __future__ import annotations

import os
import pathlib

import pytest
from tests.fleet import command, machine
from tests.fleet.errors import FleetError, NotPossible
from tests.fleet.hosts import Fleet


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("deb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        (
            "# deb http://old.example/debian bookworm main\ndeb [signed-by=/k.gpg arch=amd64] https://mirror.example/debian/ bookworm main",
            "https://mirror.example/debian",
        ),
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n", "http://mirror.example/debian"),
        ("Types: deb\n# URIs: http://old.example/debian\nURIs: http://mirror.example/debian-security\n", None),
        ("deb https://packages.example/apt stable main", None),
    ],
)
def test_the_mirror_is_the_one_of_the_machine(text: str, mirror: str | None):
    assert machine.find_mirror([text]) == mirror


def test_without_root_it_says_what_was_not_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command.main(["up", "--hosts", "app:1", "--dir", str(tmp_path / "fleet")]) == 3
    assert "The fleet was not started: it needs root" in capsys.readouterr().err
    assert not (tmp_path / "fleet").exists()


def test_what_is_missing_and_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotPossible, match="openssh-client, podman is missing"):
        machine.require_commands({"podman": "podman", "ssh": "openssh-client", "ssh-keygen": "openssh-client"})


def test_more_hosts_than_the_kernel_allows_are_refused():
    with pytest.raises(NotPossible, match=r"fs\.inotify\.max_user_instances="):
        machine.require_inotify(2**31)


def test_a_command_that_fails_or_hangs_says_so():
    with pytest.raises(FleetError, match=r"failed with 3: sh -c echo no >&2; exit 3\nno"):
        machine.run("sh", "-c", "echo no >&2; exit 3")
    with pytest.raises(FleetError, match=r"longer than 0\.1 s: sleep 5"):
        machine.run("sleep", "5", timeout=0.1)


def test_down_never_removes_a_directory_that_is_not_of_this_fleet(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "cp").mkdir()
    (tmp_path / "fleet").write_text("another fleet\n")
    Fleet(tmp_path).down()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cp", "fleet"]
