"""The install module and its action plugin, and the role, run the way a user runs them."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
import yaml
from _artifacts import artifact, found, names, sha256, snapshot

from helpers import ROOT, run_module, run_playbook

PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    surefoot_root: "{{ playbook_dir }}/project"
    install_path: "{{ playbook_dir }}/app"
    install_artifact: "dist/app-{{ install_version }}.tar.gz"
    install_shared: [media/]
    secret: s3same
    install_prepare: [[sh, -c, 'printf %s "$TOKEN" > token']]
    install_prepare_environment: {TOKEN: "{{ secret }}", VERSION: "{{ install_version }}"}
  tasks:
    - name: Install
      ansible.builtin.import_role: {name: surefoot.release.install, tasks_from: "{{ entry | default('main') }}"}
"""


@pytest.fixture(autouse=True)
def shown_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_VERBOSITY", "1")


@pytest.fixture
def app(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "app"


@pytest.fixture
def large(tmp_path: pathlib.Path) -> pathlib.Path:
    return artifact(tmp_path, "2.0.0", {"blob": os.urandom(5 * 1024 * 1024)})


def test_a_small_artifact_from_check_to_live_and_again(app: pathlib.Path, tmp_path: pathlib.Path) -> None:
    packed = artifact(tmp_path, "1.0.0")
    args = dict(path=str(app), version="1.0.0", src=str(packed))
    planned = run_module("install", args, check=True)
    assert not app.exists()
    done = run_module("install", args)
    assert (planned["changed"], done["changed"]) == (True, True)
    assert planned["step"]["after"] == done["step"]["after"] == {"live": "1.0.0", "staged": {"1.0.0": sha256(packed)}}
    assert done["step"]["kind"] == "install"
    before = snapshot(app, times=True)
    again = run_module("install", args)
    assert (again["changed"], again["step"]["needed"]) == (False, False)
    assert snapshot(app, times=True) == before


@pytest.mark.parametrize("check_first", [True, False])
def test_a_large_artifact_is_uploaded_where_it_is_needed(
    app: pathlib.Path, large: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, check_first: bool
) -> None:
    monkeypatch.setenv("ANSIBLE_REMOTE_TMP", str(tmp_path / "remote"))
    args = dict(path=str(app), version="2.0.0", src=str(large), state="staged", check_first=check_first)
    assert run_module("install", args)["changed"]
    assert found(app) == (None, ["2.0.0"])
    again = run_module("install", args)
    assert not again["changed"]
    assert "upload_needed" not in again
    assert names(tmp_path / "remote") == []


def test_a_wrong_checksum_reaches_no_host(app: pathlib.Path, tmp_path: pathlib.Path) -> None:
    packed = artifact(tmp_path, "1.0.0")
    for check in (True, False):
        failed = run_module("install", dict(path=str(app), version="1.0.0", src=str(packed), sha256="0" * 64), check=check)
        assert failed["failed"]
        assert "no host was touched" in failed["msg"]
    assert not app.exists()


def test_the_way_back_needs_no_artifact_on_the_controller(app: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        run_module("install", dict(path=str(app), version=version, src=str(artifact(tmp_path, version))))
    (tmp_path / "app-1.0.0.tar.gz").unlink()
    assert run_module("install", dict(path=str(app), version="1.0.0", src=str(tmp_path / "app-1.0.0.tar.gz")))["step"]["after"]["live"] == "1.0.0"
    for check in (True, False):
        failed = run_module("install", dict(path=str(app), version="3.0.0", src="dist/app-3.0.0.tar.gz"), check=check)
        assert failed["failed"]
        assert "the controller has no artifact dist/app-3.0.0.tar.gz" in failed["msg"]


def test_a_failure_is_one_clear_sentence(app: pathlib.Path, tmp_path: pathlib.Path) -> None:
    failed = run_module("install", dict(path=str(app), version="../../etc", src=str(artifact(tmp_path, "1.0.0"))))
    assert failed["failed"]
    assert failed["error"]["kind"] == "InvalidInput"
    assert failed["msg"].startswith("A version begins with")
    assert not app.exists()


@pytest.fixture
def play(tmp_path: pathlib.Path) -> t.Callable[..., str]:
    (tmp_path / "project/dist").mkdir(parents=True)
    for version in ("1.0.0", "2.0.0"):
        artifact(tmp_path / "project/dist", version)
    (tmp_path / "play.yml").write_text(PLAY)

    def play(version: str, *arguments: str, expect: int = 0) -> str:
        done = run_playbook("play.yml", "-e", f"install_version={version}", *arguments, cwd=tmp_path, ANSIBLE_VERBOSITY="3")
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    return play


def test_the_role_stages_activates_and_goes_back(app: pathlib.Path, play: t.Callable[..., str]) -> None:
    play("1.0.0")
    play("2.0.0", "-e", "entry=stage")
    assert found(app) == ("1.0.0", ["1.0.0", "2.0.0"])
    play("2.0.0", "-e", "entry=activate")
    play("1.0.0", "-e", "entry=activate")
    assert found(app) == ("1.0.0", ["1.0.0", "2.0.0"])
    again = play("1.0.0")
    assert "changed=0" in again
    assert (app / "current/token").read_text() == "s3same"
    assert names(app / "shared") == ["media"]


def test_activating_what_is_not_staged_is_refused(app: pathlib.Path, play: t.Callable[..., str]) -> None:
    assert "is not staged on this host" in play("1.0.0", "-e", "entry=activate", expect=2)
    assert not app.exists()


def test_no_secret_and_no_artifact_in_the_output(play: t.Callable[..., str]) -> None:
    output = play("1.0.0")
    assert "s3same" not in output
    assert "H4sI" not in output
    assert '"live": "1.0.0"' in output


def test_only_what_the_receipt_calls_verified_counts_for_what_is_kept(app: pathlib.Path, play: t.Callable[..., str]) -> None:
    play("1.0.0")
    play("2.0.0")
    receipt = '{"survey_result": {"survey": {"receipt": {"verified_versions": []}}}}'
    artifact(app.parent / "project/dist", "3.0.0")
    play("3.0.0", "-e", receipt)
    assert found(app) == ("3.0.0", ["2.0.0", "3.0.0"])


def test_every_variable_of_the_role_is_in_its_readme() -> None:
    role = ROOT / "roles/install"
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert set(specs) == {path.stem for path in (role / "tasks").iterdir()}
    readme = (role / "README.md").read_text()
    assert all(f"| `{name}` |" in readme for spec in specs.values() for name in spec["options"])
