"""The project the benchmark releases: a small web service under systemd, artifacts of about 1.2 MB, and a path of as many releases as are measured."""

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
RELEASES = 60
SERVER = pathlib.Path(__file__).parent / "app" / "server.py"

UNIT = """[Unit]
Description=What the benchmark releases
[Service]
Environment=BENCH_START={start}
WorkingDirectory=/opt/bench/current
ExecStart=/usr/bin/python3 server.py
"""

# Facts about the service; a project that is used for real writes them in the same place.
VARIABLES: t.Mapping[str, t.Any] = {
    "install_path": "/opt/bench",
    "install_artifact": "dist/bench-{{ install_version }}.tar.gz",
    "restart_manager": "systemd",
    "restart_service": "bench.service",
    "restart_health_url": "http://127.0.0.1:8000/health",
    "restart_version_key": "version",
}


def write(directory: pathlib.Path, inventory: pathlib.Path, *, start: float) -> None:
    """Write the project, with a feature `bench` of which release `install-N` installs version N and restarts. `start` is how long the service takes to answer,
    in seconds. `prepare.yml` brings the hosts to where nothing was released yet.
    """
    releases = [{"release": release(str(number)), "install": {"version": str(number)}, "restart": {}} for number in range(1, RELEASES + 1)]
    _write_json(directory / "features" / "bench.yml", {"feature": "bench", "releases": releases})
    _write_json(directory / "surefoot.yml", {"app": "bench", "environments": {"bench": {"inventory": str(inventory)}}})
    # Beside the inventory, where Ansible looks for them whatever runs.
    _write_json(inventory.parent / "group_vars" / "all.json", VARIABLES)
    clean = "systemctl stop bench; rm -rf /opt/bench /opt/plain /opt/pyinfra /opt/ansistrano /var/lib/surefoot"
    _write_play(directory / "prepare.yml", {"/etc/systemd/system/bench.service": UNIT.format(start=start)}, clean)


def write_long_path(directory: pathlib.Path, count: int) -> None:
    """Add a feature `long` with `count` releases and `short` with one, and `receipts.yml`, after which every one of them is done."""
    for feature, releases in {"long": count, "short": 1}.items():
        written = [{"release": f"step-{number}", "why": "One of many", "install": {"version": "1"}} for number in range(1, releases + 1)]
        _write_json(directory / "features" / f"{feature}.yml", {"feature": feature, "releases": written})
    entry = {"digest": "0" * 64, "outcome": "verified", "version": "1", "at": "2026-01-01T00:00:00+00:00", "run": ""}
    entries = [{"feature": "long", "release": f"step-{number}", **entry} for number in range(1, count + 1)]
    receipt = {"receipt": 1, "app": "bench", "environment": "bench", "live_version": "1", "verified_versions": ["1"], "releases": entries}
    live = "mkdir -p /opt/bench/releases/1 && ln -sfn releases/1 /opt/bench/current"
    _write_play(directory / "receipts.yml", {"/var/lib/surefoot/bench.json": json.dumps(receipt)}, live)


def release(version: str) -> str:
    """The release that installs `version`."""
    return f"install-{version}"


def artifact(directory: pathlib.Path, version: str) -> pathlib.Path:
    """Where the artifact of a version is."""
    return directory / "dist" / f"bench-{version}.tar.gz"


def write_artifact(directory: pathlib.Path, version: str) -> None:
    """Make the artifact of a version: about 1.2 MB that do not compress, with the service, its version, and files to make up the size."""
    artifact(directory, version).parent.mkdir(exist_ok=True)
    noise = random.Random(version)
    with tarfile.open(artifact(directory, version), "w:gz", compresslevel=1) as archive:
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


def _write_play(path: pathlib.Path, files: t.Mapping[str, str], command: str) -> None:
    """A playbook that runs a command on every host and then writes files there."""
    quoted = "; ".join(f"mkdir -p {pathlib.PurePosixPath(name).parent}" for name in files)
    tasks: list[dict[str, t.Any]] = [{"ansible.builtin.copy": {"content": content, "dest": name, "mode": "0644"}} for name, content in files.items()]
    shell = {"ansible.builtin.shell": f"{command}; {quoted}"}
    _write_json(path, [{"hosts": "app", "gather_facts": False, "tasks": [shell, *tasks, {"ansible.builtin.command": "systemctl daemon-reload"}]}])


def _write_json(path: pathlib.Path, content: t.Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
