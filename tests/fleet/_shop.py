"""A shop on real hosts, for tests that break things: three hosts that serve, a worker, a host with database and cache, and a balancer, all at 1.0.0."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import pathlib
import shutil
import subprocess
import time
import typing as t

import yaml
from tests.fleet import _market, machine, spec
from tests.fleet.hosts import Fleet

from helpers import BIN, ansible_environment

WEB = ("web1", "web2", "web3")
HOSTS = "web:3,worker:1,data:1,edge:1"

LOOK = """
import json, os, pathlib, subprocess, sys, urllib.error, urllib.request
receipt = pathlib.Path("/srv/market/state/market.json")
try:
    with urllib.request.urlopen("http://" + sys.argv[1] + ":8080/livez", timeout=5) as answer:
        runs = json.load(answer)["version"]
except (OSError, urllib.error.HTTPError):
    runs = ""
link = "/srv/market/app/current"
print(json.dumps({
    "live": os.path.basename(os.readlink(link)) if os.path.islink(link) else "",
    "runs": runs,
    "pid": subprocess.check_output(["systemctl", "show", "-P", "MainPID", "market-web"], text=True).strip(),
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
    """What a host that serves holds: the live version, the version and the process that serve, its place in the pool, and its receipts."""

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
        self._inventory = "../inventory.yml"

    @property
    def front(self) -> str:
        """The address of the balancer."""
        return self._addresses["edge1"]

    def start(self) -> None:
        """Boot the hosts and bring out 1.0.0."""
        self._up()
        for version, files in _market.VERSIONS.items():
            _market.build(self.artifacts, version, files)
        for directory in (self.fleet.directory / "group_vars", self.project / "features"):
            directory.mkdir(parents=True)
        self._write_facts()
        self._write("surefoot.yml", {"app": "market"})
        self._write("release.yml", [{"import_playbook": "surefoot.release.release"}])
        (self.project / "bring_out.yml").write_text(_market.BRING_OUT)
        self._bring_out(*(host.name for host in self.fleet.states()))

    def _write_facts(self) -> None:
        for group, variables in _market.variables(self.artifacts, self._addresses["data1"], self.front).items():
            self._write(f"../group_vars/{group}.yml", variables)

    def found(self) -> bool:
        """Whether the shop was started before and kept."""
        self._addresses = {host.name: host.address for host in self.fleet.states()}
        return (self.project / "surefoot.yml").exists()

    def _up(self) -> None:
        self.fleet.up(spec.parse_hosts(HOSTS), user="root", volumes=(), deadline=120)
        self._addresses = {host.name: host.address for host in self.fleet.states()}

    def _bring_out(self, *hosts: str) -> None:
        servers = "\n".join(f"    server {name} {self._addresses[name]}:{_market.PORT}" for name in WEB)
        scripts = dict.fromkeys(hosts, "")
        for host in hosts:
            told = {"{address}": self._addresses[host], "{data}": self._addresses["data1"], "{servers}": servers}
            scripts[host] = "set -e\n" + functools.reduce(lambda script, word: script.replace(*word), told.items(), _market.PREPARE[host.rstrip("0123456789")])
        self._on_each(scripts)
        done = self._run("ansible-playbook", "-i", "../inventory.yml", "bring_out.yml", "--limit", ",".join(hosts))
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]

    def start_again(self, host: str) -> None:
        """A host that serves made anew, as from an old image: 1.0.0 runs there, and nothing tells of later releases."""
        self._up()
        self._bring_out(host)

    def reset(self) -> None:
        """Everything as it was when 1.0.0 had just come out, but artifacts stay staged."""
        if set(self.fleet.states().values()) != {"running"}:
            self._up()
        undo = "DROP TABLE IF EXISTS reviews; DELETE FROM surefoot_migrations WHERE id = '0002'"
        state = f"{_market.HOME}/state"
        clean = f"rm -rf {state} {_market.SICK} {_market.FLAGS} && ln -sfn releases/1.0.0 {_market.PATH}/current && systemctl start ssh"
        everywhere = {
            "data1": f'rm -rf {state}; redis-cli flushall; runuser -u postgres -- psql -q -d market -c "{undo}"',
            "worker1": f"{clean} && systemctl restart market-worker",
            **dict.fromkeys(WEB, f"{clean} && systemctl reset-failed market-web && systemctl restart market-web"),
        }
        self._on_each(everywhere)
        self.haproxy(*(f"set server stalls/{name} state ready" for name in WEB))
        for left in (self.project / ".surefoot", self.project / "hooks"):
            shutil.rmtree(left, ignore_errors=True)
        self._write_facts()
        hosts = {"install": "web", "migrate": "data", "restart": "web", "flush_cache": "web", "enable_feature": "web"}
        self._write("surefoot.yml", {"app": "market", "environments": {"fleet": {}}, "hosts": hosts})
        self.work_as("root")
        self.until(lambda: set(self.pool().values()) == {"UP"}, "every member in the pool")

    def work_as(self, user: str, **connection: t.Any) -> None:
        """Reach the hosts as root, or as an ordinary user with sudo; `connection` is how, where it is not as the fleet does it."""
        inventory = yaml.safe_load(self.fleet.inventory.read_text())
        inventory["all"]["vars"].update(ansible_user=user, ansible_become=user != "root", **connection)
        self._inventory = "../hosts.yml"
        self._write(self._inventory, inventory)
        self.configure(environments={"fleet": {"inventory": self._inventory}})

    def set(self, **variables: t.Any) -> None:
        """Change facts about the application; those about its service are of the hosts that serve, the others of all."""
        for name, value in variables.items():
            path = self.project / f"../group_vars/{'web' if name.startswith('restart_') else 'all'}.yml"
            self._write(str(path), {**yaml.safe_load(path.read_text()), name: value})

    def configure(self, **changes: t.Any) -> None:
        """Change keys of surefoot.yml."""
        self._write("surefoot.yml", {**yaml.safe_load((self.project / "surefoot.yml").read_text()), **changes})

    def feature(self, *releases: t.Mapping[str, t.Any]) -> None:
        """Make these releases the path."""
        self._write("features/reviews.yml", {"feature": "reviews", "releases": [dict(release) for release in releases]})

    def _write(self, name: str, content: t.Any) -> None:
        (self.project / name).write_text(yaml.safe_dump(content, sort_keys=False))

    def hook(self, command: str, *, on: str) -> str:
        """A hook that runs a command on this machine, once ever, when the release comes by the host `on`; its path."""
        task = {
            "name": "Break something",
            "ansible.builtin.command": {"argv": ["sh", "-c", f"touch {self.spent}; {command}"], "creates": str(self.spent)},
            "delegate_to": "localhost",
            "vars": {"ansible_become": False},
            "when": f"inventory_hostname == '{on}'",
        }
        self.spent.parent.mkdir(exist_ok=True)
        self._write("hooks/break.yml", [task])
        return "hooks/break.yml"

    @property
    def spent(self) -> pathlib.Path:
        """There once the hook has been run."""
        return self.project / "hooks/spent"

    def surefoot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, as a person without a terminal would run it."""
        return self._run("surefoot", *arguments)

    def apply(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.surefoot("apply", "--yes", "--json", *arguments)

    def playbook(self, release: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One release by ansible-playbook alone."""
        return self._run("ansible-playbook", "-i", self._inventory, "release.yml", "-e", "feature=reviews", "-e", f"release={release}", *arguments)

    def release(self, way: str, release: t.Mapping[str, t.Any]) -> subprocess.CompletedProcess[str]:
        """The release by either way; both end with another code than 0 where it did not succeed."""
        return self.apply("--no-rollback") if way == "runner" else self.playbook(str(release["release"]))

    def _run(self, *command: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        words = [str(BIN / command[0]), *command[1:]]
        options: dict[str, t.Any] = {"text": True, "capture_output": True, "stdin": subprocess.DEVNULL, "timeout": timeout}
        return subprocess.run(words, cwd=self.project, env=self.environment(), **options)

    def environment(self, **extra: str) -> dict[str, str]:
        """For commands that work on this shop."""
        return ansible_environment(COLUMNS="200", NO_COLOR="1", ANSIBLE_HOME=str(self.fleet.directory / "ansible"), **extra)

    def on(self, host: str, script: str) -> str:
        """What a shell script prints on a host, reached past SSH."""
        return machine.run("podman", "exec", self.container(host), "sh", "-c", script)

    def everywhere(self, script: str, *hosts: str) -> None:
        """Run a script on hosts that serve, on all of them if none is named."""
        self._on_each(dict.fromkeys(hosts or WEB, script))

    def _on_each(self, scripts: t.Mapping[str, str]) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(self.on, scripts, scripts.values()))

    def container(self, host: str) -> str:
        return f"{self.fleet.name}-{host}"

    def repair(self, command: str) -> None:
        """A command on this machine that brings a host back."""
        machine.run("sh", "-c", command)

    def haproxy(self, *commands: str) -> str:
        return machine.run("podman", "exec", self.container("edge1"), "python3", "-c", ASK_HAPROXY, *commands)

    def pool(self) -> dict[str, str]:
        """What the balancer does with each member: DRAIN where it was told to send nobody, else UP or DOWN by its health."""
        _format, header, *lines = self.haproxy("show servers state stalls").strip().splitlines()
        rows = [dict(zip(header.lstrip("# ").split(), line.split(), strict=False)) for line in lines if line.strip()]
        return {row["srv_name"]: "DRAIN" if int(row["srv_admin_state"]) else "UP" if row["srv_op_state"] == "2" else "DOWN" for row in rows}

    def hosts(self) -> dict[str, Host]:
        """What every host that serves holds; one that is frozen is left out."""
        names = [host.name for host, state in self.fleet.states().items() if host.name in WEB and state == "running"]
        pool = self.pool()
        with concurrent.futures.ThreadPoolExecutor() as workers:
            return dict(zip(names, workers.map(lambda name: self._look(name, pool[name]), names), strict=True))

    def _look(self, name: str, pool: str) -> Host:
        found = json.loads(self.on(name, f"python3 - {self._addresses[name]} <<'END'\n{LOOK}\nEND"))
        told = {entry["release"]: entry["outcome"] for entry in found["receipt"]["releases"]}
        verified = tuple(release for release, outcome in told.items() if outcome == "verified")
        return Host(found["live"], found["runs"], found["pid"], pool, verified)

    def in_service(self) -> set[tuple[str, str, str, tuple[str, ...]]]:
        """What the hosts that serve have live and run, their places in the pool, and their receipts; one entry where all are alike."""
        return {(host.live, host.runs, host.pool, host.receipts) for host in self.hosts().values()}

    def migrations(self) -> int:
        """How often the table of the migration has been made."""
        return int(self.on("data1", "cat /var/log/postgresql/*.log | grep -c 'statement: CREATE TABLE reviews' || true"))

    def until(self, condition: t.Callable[[], bool], what: str, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}; {self.pool()}"
            time.sleep(0.2)


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
