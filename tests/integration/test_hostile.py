"""What a host says is data. It comes to the controller and back in names of releases, in flags and in receipts, and is never followed as a template there."""

from __future__ import annotations

import io
import json
import pathlib
import subprocess
import sys
import tarfile

import pytest
import yaml

from helpers import BIN, ansible_environment

FEATURE = {"feature": "greeting", "releases": [{"release": "two", "install": {"version": "2.0.0"}}]}
HERE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "surefoot_state_path": "{{ surefoot_root }}/receipts",
    "install_path": "{{ surefoot_root }}/live",
    "install_artifact": "app-{{ install_version }}.tar.gz",
}


@pytest.fixture(name="trap")
def trap_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "followed"


@pytest.fixture(name="bait")
def bait_fixture(trap: pathlib.Path) -> str:
    """A template that leaves a file behind wherever it is followed; without a slash, so that it can be the name of a release."""
    return "{{ lookup('pipe', 'touch $(printf " + str(trap).replace("/", "\\\\057") + "); echo 1.0.0') }}"


@pytest.fixture(name="project")
def project_fixture(tmp_path: pathlib.Path, bait: str) -> pathlib.Path:
    """An application in a directory of an odd name, on one host, on which something of an odd name is live."""
    project = tmp_path / 'a {{ pro }}ject\'s {% "own" %} {# é'
    (project / "features").mkdir(parents=True)
    (project / "surefoot.yml").write_text(yaml.safe_dump({"app": "hello", "environments": {"here": {"inventory": "hosts.yml"}}}))
    (project / "features/greeting.yml").write_text(yaml.safe_dump(FEATURE))
    (project / "hosts.yml").write_text(yaml.safe_dump({"app": {"hosts": {"here": HERE}}}))
    with tarfile.open(project / "app-2.0.0.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("hello.txt"), io.BytesIO())
    (project / "live/releases" / bait).mkdir(parents=True)
    (project / "live/current").symlink_to(f"releases/{bait}")
    return project


def surefoot(project: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / "surefoot"), *arguments], cwd=project, env=ansible_environment(), text=True, capture_output=True, timeout=180)


def test_the_bait_is_followed_where_templates_are(project: pathlib.Path, bait: str, trap: pathlib.Path) -> None:
    """Otherwise the other tests prove nothing."""
    done = subprocess.run(
        [str(BIN / "ansible"), "localhost", "-m", "debug", "-a", "msg={{ bait }}", "-e", json.dumps({"bait": bait})],
        cwd=project,
        env=ansible_environment(),
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert trap.exists(), done.stdout


def test_the_name_of_what_is_live_is_not_followed_there_and_back(project: pathlib.Path, bait: str, trap: pathlib.Path) -> None:
    waiting = surefoot(project, "apply", "--yes")
    assert (waiting.returncode, "what was there before is nothing to go back to" in waiting.stdout) == (3, True), waiting.stdout + waiting.stderr
    done = surefoot(project, "apply", "--yes", "--no-way-back")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((project / "receipts/hello.json").read_text())["verified_versions"] == [bait, "2.0.0"]
    back = surefoot(project, "rollback", "--yes")
    assert back.returncode == 6, back.stdout + back.stderr
    assert "install.version holds a template" in back.stdout
    assert not trap.exists()
