"""The project the benchmark releases: a small web service under systemd, artifacts of about 1.2 MB, and a path of as many releases as wanted."""

from __future__ import annotations

import io
import json
import pathlib
import random
import tarfile
import typing as t

from tests.fleet.spec import Host

ARTIFACT_BYTES = 1_200_000
FILES = 60
SERVER = pathlib.Path(__file__).parent / "app" / "server.py"

UNIT = """[Unit]
Description=What the benchmark releases
[Service]
Environment=BENCH_START={start}
WorkingDirectory=/opt/bench/current
ExecStart=/usr/bin/python3 server.py
"""

VARIABLES: t.Mapping[str, t.Any] = {
    "install_path": "/opt/bench",
    "install_artifact": "dist/bench-{{ install_version }}.tar.gz",
    "restart_manager": "systemd",
    "restart_service": "bench.service",
    "restart_health_url": "http://127.0.0.1:8000/health",
    "restart_version_key": "version",
}

PREPARE = """---
- name: The service, with nothing to run yet
  hosts: app
  gather_facts: false
  tasks:
    - name: Its unit
      ansible.builtin.copy:
        content: {unit}
        dest: /etc/systemd/system/bench.service
        mode: "0644"
"""


def write(directory: pathlib.Path, inventory: pathlib.Path, *, batches: t.Sequence[t.Any], start: float, versions: t.Sequence[str]) -> None:
    """Write the project, one artifact and one release (`install-VERSION`) for each of `versions`. `start` is how long the service takes to answer, in seconds."""
    for sub in ("features", "dist", "group_vars"):
        (directory / sub).mkdir(parents=True, exist_ok=True)
    releases = [{"release": release(version), "install": {"version": version}, "restart": {"batches": list(batches)}} for version in versions]
    _write_json(directory / "features" / "bench.yml", {"feature": "bench", "releases": releases})
    _write_json(directory / "surefoot.yml", {"app": "bench", "environments": {"bench": {"inventory": str(inventory)}}})
    # Beside the inventory, where Ansible looks for them whatever runs.
    (inventory.parent / "group_vars").mkdir(exist_ok=True)
    _write_json(inventory.parent / "group_vars" / "all.json", VARIABLES)
    (directory / "prepare.yml").write_text(PREPARE.format(unit=json.dumps(UNIT.format(start=start))), encoding="utf-8")
    for version in versions:
        write_artifact(artifact(directory, version), version)


def release(version: str) -> str:
    """The release that installs `version`."""
    return f"install-{version}"


def artifact(directory: pathlib.Path, version: str) -> pathlib.Path:
    """Where the artifact of `version` is."""
    return directory / "dist" / f"bench-{version}.tar.gz"


def write_artifact(path: pathlib.Path, version: str) -> None:
    """An archive of about 1.2 MB that does not compress: the service, its version, and files to make up the size."""
    noise = random.Random(version)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        _add(archive, "server.py", SERVER.read_bytes())
        _add(archive, "VERSION", version.encode())
        for number in range(FILES):
            _add(archive, f"files/{number}.bin", noise.randbytes(ARTIFACT_BYTES // FILES))


def write_pyinfra_inventory(path: pathlib.Path, hosts: t.Iterable[Host], fleet: pathlib.Path) -> None:
    """The fleet for pyinfra, over SSH with the same key."""
    options = {"ssh_user": "root", "ssh_key": str(fleet / "client_key"), "ssh_known_hosts_file": str(fleet / "known_hosts")}
    path.write_text(f"app = ({[host.address for host in hosts]!r}, {options!r})\n", encoding="utf-8")


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def _write_json(path: pathlib.Path, content: t.Any) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
