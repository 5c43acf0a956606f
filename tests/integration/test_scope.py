"""The playbooks before they touch a host: what a linter may ask of them, and what they say to somebody who mistyped."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from helpers import ROOT, run_playbook

PROJECT = "app: shop\ngates: {smoke: {command: [pytest]}}\nverify: [smoke]\n"
FEATURE = 'feature: reviews\nreleases: [{release: api, install: {version: "2.0.0"}, restart: {}}]\n'


@pytest.fixture(name="project")
def project_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "features").mkdir()
    (tmp_path / "surefoot.yml").write_text(PROJECT)
    (tmp_path / "features/reviews.yml").write_text(FEATURE)
    (tmp_path / "hosts").write_text("[app]\na1 ansible_connection=local\n[cache]\na1\n")
    return tmp_path


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_a_syntax_check_needs_no_inventory_no_project_and_no_release(tmp_path: pathlib.Path, playbook: str) -> None:
    done = run_playbook("--syntax-check", f"surefoot.release.{playbook}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def play(project: pathlib.Path, playbook: str, *variables: str) -> subprocess.CompletedProcess[str]:
    return run_playbook("-i", "hosts", f"surefoot.release.{playbook}", *(word for variable in variables for word in ("-e", variable)), cwd=project)


@pytest.mark.parametrize(
    ("playbook", "variables", "message"),
    [
        ("release", ["release=api"], "Which feature?; next: name it with -e feature=NAME"),
        ("release", ["feature=reviews"], "Which release?; next: name it with -e release=NAME"),
        ("release", ["feature=review", "release=api"], "A file is missing"),
        ("release", ["feature=reviews", "release=apis"], "Feature reviews has no release apis; found: api; next: did you mean api?"),
        ("verify", ["feature=reviews", "release=apis"], "Feature reviews has no release apis"),
        ("survey", ["feature=review"], "A file is missing"),
        ("rollback", ["release=api"], "Which feature?"),
    ],
)
def test_a_mistyped_name_stops_before_anything_is_done(project: pathlib.Path, playbook: str, variables: list[str], message: str) -> None:
    done = play(project, playbook, *variables)
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert message in told
    assert "TASK" not in told


def test_an_unknown_gate_stops_before_anything_is_done(project: pathlib.Path) -> None:
    (project / "surefoot.yml").write_text(PROJECT.replace("verify: [smoke]", "verify: [smok]"))
    done = play(project, "release", "feature=reviews", "release=api")
    assert done.returncode != 0
    assert "Gate smok is not defined; next: did you mean smoke?" in " ".join((done.stdout + done.stderr).split())
    assert "TASK" not in done.stdout


def test_a_release_for_which_no_host_is_there_is_no_success(project: pathlib.Path) -> None:
    (project / "hosts").write_text("[web]\na1 ansible_connection=local\n")
    done = play(project, "release", "feature=reviews", "release=api")
    assert done.returncode != 0
    assert "No host matches app, where install is to be done" in " ".join((done.stdout + done.stderr).split())
