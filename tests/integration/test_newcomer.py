"""What somebody who has only read the guide would do: the files that `surefoot init` writes, a few variables, the first release."""

from __future__ import annotations

import io
import pathlib
import subprocess
import sys
import tarfile
import typing as t

import pytest
import yaml

from helpers import BIN, ansible_environment, run_playbook

SERVICE = """\
import os, subprocess, sys
where, home = sys.argv[1:]
if where == "stop":
    os.kill(int(open(home + "/pid").read()), 9)
else:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd=os.path.realpath(home + "/app/current"), start_new_session=True)
    open(home + "/pid", "w").write(str(started.pid))
"""
HERE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "surefoot_state_path": "{{ surefoot_root }}/run/receipts",
    "install_path": "{{ surefoot_root }}/run/app",
    "restart_manager": "command",
    "restart_commands": {
        "start": [sys.executable, "{{ surefoot_root }}/service.py", "start", "{{ surefoot_root }}/run"],
        "stop": [sys.executable, "{{ surefoot_root }}/service.py", "stop", "{{ surefoot_root }}/run"],
        "pid_file": "{{ surefoot_root }}/run/pid",
    },
    "restart_health_url": "",
}


@pytest.fixture(name="shop")
def shop_fixture(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A project as `surefoot init` wrote it, with one host that is this machine, and an artifact."""
    subprocess.run([str(BIN / "surefoot"), "init", "shop"], cwd=tmp_path, check=True, capture_output=True)
    shop = tmp_path / "shop"
    (shop / "inventories/staging/hosts.yml").write_text(yaml.safe_dump({"app": {"hosts": {"app1.example": HERE}}}))
    (shop / "surefoot.yml").write_text((shop / "surefoot.yml").read_text().replace("verify: [front]", "verify: []"))
    (shop / "service.py").write_text(SERVICE)
    (shop / "dist").mkdir()
    (shop / "run").mkdir()
    with tarfile.open(shop / "dist/shop-1.0.0.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("hello.txt"), io.BytesIO())
    yield shop
    if (shop / "run/pid").exists():
        subprocess.run([sys.executable, "service.py", "stop", str(shop / "run")], cwd=shop, check=False, capture_output=True)


def surefoot(shop: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / "surefoot"), *arguments], cwd=shop, env=ansible_environment(), text=True, capture_output=True, timeout=180)


def test_the_first_release_of_a_new_project_needs_no_more_than_hosts_and_an_artifact(shop: pathlib.Path) -> None:
    done = surefoot(shop, "apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (shop / "run/app/current/hello.txt").exists()
    assert (shop / "run/receipts/shop.json").exists()


def test_the_directory_of_the_project_can_be_named_in_the_inventory_without_the_runner_too(shop: pathlib.Path) -> None:
    done = run_playbook("-i", "inventories/staging", "release.yml", "-e", "feature=first", "-e", "release=first-version", cwd=shop)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (shop / "run/receipts/shop.json").exists()
    surveyed = run_playbook("-i", "inventories/staging", "surefoot.release.survey", "-e", "feature=first", "-v", cwd=shop)
    assert surveyed.returncode == 0, surveyed.stdout + surveyed.stderr
    assert '"release": "first-version"' in surveyed.stdout


@pytest.mark.parametrize("variable", ["surefoot_state_path", "install_sha256"])
def test_a_variable_that_cannot_be_resolved_does_not_count_as_not_set(shop: pathlib.Path, variable: str) -> None:
    hosts = yaml.safe_load((shop / "inventories/staging/hosts.yml").read_text())
    hosts["app"]["hosts"]["app1.example"][variable] = "{{ misspelt }}"
    (shop / "inventories/staging/hosts.yml").write_text(yaml.safe_dump(hosts))
    done = surefoot(shop, "apply", "--yes")
    assert done.returncode in {1, 4, 6}
    assert "'misspelt' is undefined" in done.stdout + done.stderr
    assert not (shop / "run/app/releases").exists()
