"""The bookshop on real hosts, for tests that break things: three application hosts, a database, a cache and a balancer, all at 1.0.0."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import shutil
import subprocess
import time
import typing as t

import yaml
from examples.bookshop import build
from tests.fleet import machine, spec, wheels
from tests.fleet.hosts import Fleet

from helpers import BIN, ROOT, ansible_environment

APP = ("app1", "app2", "app3")
SCENARIO = ROOT / "molecule/fleet"
VERSIONS = ROOT / "examples/bookshop/versions"

# One virtualenv for every version, which tests that release again and again need not build each time.
VENV = "/opt/venv"
SICK = "/etc/bookshop/sick"
HEALTH = f'''
import pathlib
import flask
from bookshop.shop import shop

blueprint = flask.Blueprint("health", __name__)


@blueprint.get("/livez")
@blueprint.get("/healthz")
def health() -> tuple[flask.Response, int]:
    """Sick where the file says so."""
    return flask.jsonify(version=shop().settings.version), 500 if pathlib.Path("{SICK}").exists() else 200
'''

TABLE = {"release": "table", "migrate": {"version": "2.0.0", "to": "0002"}}
API = {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, 1, 1]}}
UI = {"release": "ui", "install": {"version": "2.1.0"}, "restart": {}, "flush_cache": {"prefix": "page:"}}
FRAGILE = {"release": "fragile", "install": {"version": "2.0.9"}, "restart": {"batches": [1, "100%"]}}

LOOK = """
import json, os, pathlib, subprocess, sys, urllib.error, urllib.request
receipt = pathlib.Path("/var/lib/surefoot/bookshop.json")
try:
    with urllib.request.urlopen("http://" + sys.argv[1] + ":8000/livez", timeout=5) as answer:
        runs = json.load(answer)["version"]
except (OSError, urllib.error.HTTPError):
    runs = ""
link = "/opt/bookshop/current"
print(json.dumps({
    "live": os.path.basename(os.readlink(link)) if os.path.islink(link) else "",
    "runs": runs,
    "pid": subprocess.check_output(["systemctl", "show", "-P", "MainPID", "bookshop"], text=True).strip(),
    "receipt": json.loads(receipt.read_text()) if receipt.exists() else {"releases": []},
}))
"""

ASK_HAPROXY = """
import socket, sys
for command in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("/run/haproxy/admin.sock")
        connection.sendall(command.encode() + b"\\n")
        print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
"""


@dataclasses.dataclass(frozen=True)
class Host:
    """What an application host holds: the live version, the version and the process that serve, its place in the pool, and its receipts."""

    live: str
    runs: str
    pid: str
    pool: str
    receipts: tuple[str, ...]


class FleetShop:
    """The shop in a fleet of its own, with the project for it beside the inventory."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.project = fleet.directory / "project"
        self.artifacts = fleet.directory / "dist"
        self._addresses: dict[str, str] = {}

    @property
    def front(self) -> str:
        """The address of the balancer."""
        return self._addresses["balancer1"]

    def start(self) -> None:
        """Boot the hosts and bring out 1.0.0."""
        downloaded = ROOT / ".cache/wheels"
        wheels.ensure(downloaded, [SCENARIO / "wheels.txt", *sorted(VERSIONS.rglob("requirements.txt"))], print)
        self.fleet.up(spec.parse_hosts("app:3,db:1,cache:1,balancer:1"), user="root", volumes=[f"{downloaded}:/srv/wheels:ro"], deadline=120)
        self._addresses = {host.name: host.address for host in self.fleet.states()}
        shutil.copytree(SCENARIO / "group_vars", self.fleet.directory / "group_vars", dirs_exist_ok=True)
        self.set(
            install_prepare=[["ln", "-s", VENV, "venv"]],
            install_artifact=f"{self.artifacts}/bookshop-{{{{ install_version }}}}.tar.gz",
            restart_health_timeout=30,
        )
        self.set(install_sha256="{{ lookup('ansible.builtin.file', install_artifact ~ '.sha256') }}")
        for version in build.VERSIONS:
            build.build(version, self.artifacts)
        self._build_fragile()
        self.make_ready(*APP)
        for playbook in ("prepare.yml", "project.yml"):
            self._ansible(str(SCENARIO / playbook), cwd=SCENARIO)
        self.on("db1", "runuser -u postgres -- psql -q -c \"ALTER SYSTEM SET log_statement = 'ddl'\" -c 'SELECT pg_reload_conf()'")

    def found(self) -> bool:
        """Whether the shop was started before and kept."""
        self._addresses = {host.name: host.address for host in self.fleet.states()}
        return (self.project / "surefoot.yml").exists()

    def make_ready(self, *hosts: str) -> None:
        """Give new hosts the virtualenv that every version runs in."""
        (requirements,) = VERSIONS.glob("2.0.0/requirements.txt")
        text = requirements.read_text()
        self.everywhere(f"python3 -m venv {VENV} && cat > /tmp/r <<'END' && {VENV}/bin/pip install -q -r /tmp/r\n{text}\nEND", *hosts)

    def repair(self, command: str) -> None:
        """A command on this machine that brings a host back."""
        machine.run("sh", "-c", command)

    def start_again(self, host: str) -> None:
        """An application host made anew from the image: its unit, user and directories are there, and nothing of the application."""
        volumes = [f"{ROOT / '.cache/wheels'}:/srv/wheels:ro"]
        self.fleet.up(spec.parse_hosts("app:3,db:1,cache:1,balancer:1"), user="root", volumes=volumes, deadline=60)
        self.make_ready(host)
        self._ansible(str(SCENARIO / "prepare.yml"), "--limit", host, "--tags", "host", cwd=SCENARIO)

    def reset(self) -> None:
        """Everything as it was when 1.0.0 had just come out, but artifacts stay staged."""
        if set(self.fleet.states().values()) != {"running"}:
            self.fleet.up(spec.parse_hosts("app:3,db:1,cache:1,balancer:1"), user="root", volumes=(), deadline=60)
        self.on("db1", "runuser -u postgres -- psql -q -d bookshop -c 'DROP TABLE IF EXISTS reviews' -c \"UPDATE alembic_version SET version_num = '0001'\"")
        without = [name for name in APP if "1.0.0" not in self.on(name, "ls /opt/bookshop/releases || true").split()]
        if without:
            self._ansible(str(SCENARIO / "prepare.yml"), "--limit", ",".join(without), cwd=SCENARIO)
        clean = f"rm -rf {SICK} /var/lib/surefoot /etc/bookshop/flags/* && ln -sfn releases/1.0.0 /opt/bookshop/current && systemctl start ssh"
        self.everywhere(f"{clean} && systemctl reset-failed bookshop && systemctl restart bookshop")
        self.on("cache1", "redis-cli flushall")
        self.haproxy(*(f"set server bookshop/{name} state ready" for name in APP))
        for left in (self.project / ".surefoot", self.project / "hooks"):
            shutil.rmtree(left, ignore_errors=True)
        self.configure(environments={"fleet": {"inventory": "../inventory.yml"}}, hosts={"flush_cache": "app"}, verify=[], probes=[])
        self.until(lambda: set(self.pool().values()) == {"UP"}, "every member in the pool")

    def set(self, **variables: t.Any) -> None:
        """Change variables of the application hosts."""
        path = self.fleet.directory / "group_vars/app.yml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **variables}, sort_keys=False))

    def configure(self, **changes: t.Any) -> None:
        """Change keys of surefoot.yml."""
        path = self.project / "surefoot.yml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}, sort_keys=False))

    def feature(self, *releases: t.Mapping[str, t.Any]) -> None:
        """Make these releases the path."""
        content = {"feature": "reviews", "releases": [dict(release) for release in releases]}
        (self.project / "features/reviews.yml").write_text(yaml.safe_dump(content, sort_keys=False))

    def hook(self, command: str, *, on: str) -> str:
        """A hook that runs a command on this machine, once ever, when the release comes by the host `on`; its path."""
        spent = self.project / "hooks/spent"
        task = {
            "name": "Break something",
            "ansible.builtin.command": {"argv": ["sh", "-c", f"touch {spent}; {command}"], "creates": str(spent)},
            "delegate_to": "localhost",
            "when": f"inventory_hostname == '{on}'",
        }
        spent.parent.mkdir(exist_ok=True)
        (spent.parent / "break.yml").write_text(yaml.safe_dump([task], sort_keys=False))
        return "hooks/break.yml"

    def apply(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`surefoot apply`, as a person without a terminal would."""
        return self._run("surefoot", "apply", "--yes", "--json", *arguments)

    def playbook(self, release: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One release by ansible-playbook alone."""
        return self._run("ansible-playbook", "-i", "../inventory.yml", "release.yml", "-e", "feature=reviews", "-e", f"release={release}", *arguments)

    def release(self, way: str, release: t.Mapping[str, t.Any]) -> subprocess.CompletedProcess[str]:
        """The release by either way; both end with another code than 0 where it did not succeed."""
        return self.apply("--no-rollback") if way == "runner" else self.playbook(str(release["release"]))

    def _run(self, *command: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        words = [str(BIN / command[0]), *command[1:]]
        options: dict[str, t.Any] = {"text": True, "capture_output": True, "stdin": subprocess.DEVNULL, "timeout": timeout}
        environment = ansible_environment(COLUMNS="200", NO_COLOR="1", ANSIBLE_HOME=str(self.fleet.directory / "ansible"))
        return subprocess.run(words, cwd=self.project, env=environment, **options)

    def _ansible(self, *arguments: str, cwd: pathlib.Path) -> None:
        environment = ansible_environment(ANSIBLE_HOME=str(self.fleet.directory / "ansible"))
        # As extra variables, since those beside the playbook would win over those beside the inventory
        changed = f"@{self.fleet.directory}/group_vars/app.yml"
        words = [str(BIN / "ansible-playbook"), "-i", str(self.fleet.inventory), "-e", changed, *arguments]
        done = subprocess.run(words, cwd=cwd, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]

    def on(self, host: str, script: str) -> str:
        """What a shell script prints on a host, reached past SSH."""
        return machine.run("podman", "exec", self.container(host), "sh", "-c", script)

    def everywhere(self, script: str, *hosts: str) -> None:
        """Run a script on application hosts, on all of them if none is named."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self.on(host, script), hosts or APP))

    def container(self, host: str) -> str:
        return f"{self.fleet.name}-{host}"

    def haproxy(self, *commands: str) -> str:
        return machine.run("podman", "exec", self.container("balancer1"), "python3", "-c", ASK_HAPROXY, *commands)

    def pool(self) -> dict[str, str]:
        """What the balancer does with each member: DRAIN where it was told to send nobody, else UP or DOWN by its health."""
        _format, header, *lines = self.haproxy("show servers state bookshop").strip().splitlines()
        rows = [dict(zip(header.lstrip("# ").split(), line.split(), strict=False)) for line in lines if line.strip()]
        return {row["srv_name"]: "DRAIN" if int(row["srv_admin_state"]) else "UP" if row["srv_op_state"] == "2" else "DOWN" for row in rows}

    def hosts(self) -> dict[str, Host]:
        """What every application host holds; one that is frozen is left out."""
        names = [host.name for host, state in self.fleet.states().items() if host.name in APP and state == "running"]
        pool = self.pool()
        with concurrent.futures.ThreadPoolExecutor() as workers:
            return dict(zip(names, workers.map(lambda name: self._look(name, pool[name]), names), strict=True))

    def _look(self, name: str, pool: str) -> Host:
        found = json.loads(self.on(name, f"python3 - {self._addresses[name]} <<'END'\n{LOOK}\nEND"))
        told = tuple(entry["release"] for entry in found["receipt"]["releases"] if entry["outcome"] == "verified")
        return Host(found["live"], found["runs"], found["pid"], pool, told)

    def migrations(self) -> int:
        """How often the table of the migration has been made."""
        return int(self.on("db1", "cat /var/log/postgresql/*.log | grep -c 'CREATE TABLE reviews' || true"))

    def until(self, condition: t.Callable[[], bool], what: str, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}; {self.pool()}"
            time.sleep(0.2)

    def _build_fragile(self) -> None:
        files = {**build.tree("2.0.0"), "VERSION": b"2.0.9\n", "bookshop/health.py": HEALTH.encode()}
        artifact = self.artifacts / "bookshop-2.0.9.tar.gz"
        artifact.write_bytes(build.pack(files))
        pathlib.Path(f"{artifact}.sha256").write_text(machine.run("sha256sum", str(artifact)))


@contextlib.contextmanager
def a_fleet_shop(directory: pathlib.Path, *, keep: bool = False) -> t.Iterator[FleetShop]:
    """A shop in a fleet that is gone afterwards, whatever happened; unless it is to be kept, for a next run to use."""
    machine.require_root()
    machine.require_commands(machine.NEEDED)
    shop = FleetShop(Fleet(directory))
    try:
        if not (keep and shop.found()):
            shop.start()
        yield shop
    finally:
        if not keep:
            shop.fleet.down()
