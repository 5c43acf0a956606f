"""A small shop with a road ahead: three hosts on this machine, each with a tiny HTTP server of its own, a database, a front, and the files of a project."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tarfile
import textwrap
import typing as t
import urllib.error
import urllib.request

import _artifacts
import _migrate
import _restart
import yaml

from helpers import BIN, ROOT, ansible_environment

HOSTS = ("h1", "h2", "h3")

APP = '''
"""/livez tells the version, /healthz too but 503 while drained, / is a page that is cached with the shape of the version that made it.

The behavior of a version is "sick" where /livez fails, on all hosts or on those it names, and "rotten" where only users get errors."""
import http.server, json, os, pathlib, sys

port, root = int(sys.argv[1]), pathlib.Path(sys.argv[2])
here = pathlib.Path(os.getcwd())
version, behavior = (here / "VERSION").read_text(), (here / "behavior").read_text()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = 200, json.dumps({"status": "ok", "version": version})
        if self.path == "/healthz" and (root / "drain").exists():
            status = 503
        elif self.path == "/livez" and behavior.startswith("sick") and root.name in (behavior.split()[1:] or [root.name]):
            status = 500
        elif self.path == "/" and behavior == "rotten":
            status = 500
        elif self.path == "/":
            entry = root / "cache" / "page%3Aindex"
            if not entry.exists():
                scratch = root / f"page.{os.getpid()}"
                scratch.write_text((here / "page.html").read_text())
                scratch.rename(entry)
            body = entry.read_text()
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

Server(("127.0.0.1", port), Handler).serve_forever()
'''

# A service outlives the run that started it, and a kill harness must be able to tell the two apart.
START = """
import os, pathlib, subprocess, sys
root, port = pathlib.Path(sys.argv[1]), sys.argv[2]
environment = {key: value for key, value in os.environ.items() if not key.startswith(("ROAD_", "ANSIBLE_"))}
with open(root / "log", "ab") as log:
    argv = [sys.executable, "app.py", port, str(root)]
    process = subprocess.Popen(argv, cwd=root / "app/current", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
(root / "pid.new").write_text(str(process.pid))
(root / "pid.new").rename(root / "pid")
"""

STOP = """
import os, pathlib, signal, sys
os.kill(int((pathlib.Path(sys.argv[1]) / "pid").read_text()), signal.SIGTERM)
"""

# The steps leave traces where a second time would show: a migration that ran twice has two rows.
MIGRATIONS = {
    "0001_books.up.sql": "CREATE TABLE done (what TEXT); CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO done VALUES ('books');",
    "0001_books.down.sql": "DROP TABLE books; DROP TABLE done;",
}
LATER_MIGRATIONS = {
    "0002_reviews.up.sql": "CREATE TABLE reviews (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO done VALUES ('reviews');",
    "0002_reviews.down.sql": "DROP TABLE reviews; DELETE FROM done WHERE what = 'reviews';",
    "0002_reviews.verify.sql": "SELECT count(*) = 1 FROM done WHERE what = 'reviews';",
}
VERSIONS: t.Mapping[str, t.Mapping[str, str]] = {
    "1.0.0": {"page.html": "books", **{f"migrations/{name}": text for name, text in MIGRATIONS.items()}},
    "2.0.0": {"page.html": "books", **{f"migrations/{name}": text for name, text in {**MIGRATIONS, **LATER_MIGRATIONS}.items()}},
    "2.1.0": {"page.html": "books and reviews", **{f"migrations/{name}": text for name, text in {**MIGRATIONS, **LATER_MIGRATIONS}.items()}},
    "2.2.0": {"page.html": "books and reviews", "behavior": "sick"},
}

ROAD: t.Sequence[t.Mapping[str, t.Any]] = (
    {"release": "table", "why": "Room for reviews", "migrate": {"version": "2.0.0", "to": "0002"}},
    {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, "100%"]}, "soak": "300ms"},
    {"release": "staff", "enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}}},
    {"release": "ui", "install": {"version": "2.1.0"}, "restart": {}, "flush_cache": {"prefix": "page:"}},
    {"release": "everyone", "enable_feature": {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["50%", "100%"], "each": "200ms"}},
)
LIVE_AFTER = {"table": "1.0.0", "api": "2.0.0", "staff": "2.0.0", "ui": "2.1.0", "everyone": "2.1.0"}

FLAGS = {"flags": {"dark": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}}}


@dataclasses.dataclass(frozen=True)
class Host:
    """One of the three: everything it has lies below `root`, and its service listens on `port`."""

    name: str
    root: pathlib.Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def live(self) -> str:
        return (self.root / "app/current").readlink().name

    @property
    def runs(self) -> str | None:
        """The version the service answers with, None where it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/livez", timeout=5) as response:
                return t.cast("str", json.load(response)["version"])
        except (OSError, ValueError):
            return None

    @property
    def drained(self) -> bool:
        return (self.root / "drain").exists()

    @property
    def pid(self) -> int:
        return int((self.root / "pid").read_text())

    def receipts(self) -> list[tuple[str, str, str]]:
        """Release, outcome and version of each entry of the receipt."""
        path = self.root / "receipts/shop.json"
        return [(one["release"], one["outcome"], one["version"]) for one in json.loads(path.read_text())["releases"]] if path.exists() else []

    def start(self) -> None:
        subprocess.run([sys.executable, str(self.root / "start.py"), str(self.root), str(self.port)], check=True, timeout=20)

    def kill(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pid, signal.SIGKILL)


@dataclasses.dataclass(frozen=True)
class Shop:
    """A running shop at 1.0.0 with the project for it in `project`; `front` is its address for users."""

    root: pathlib.Path
    hosts: tuple[Host, ...]
    front: str

    @property
    def project(self) -> pathlib.Path:
        return self.root / "project"

    @property
    def database(self) -> pathlib.Path:
        return self.root / "shop.db"

    def environment(self, **extra: str) -> dict[str, str]:
        """For commands that work on this shop; temporary files stay below it, and nothing comes from the machine's own ansible configuration."""
        (self.root / "tmp").mkdir(exist_ok=True)
        return ansible_environment(TMPDIR=str(self.root / "tmp"), ANSIBLE_HOME=str(self.root / "ansible"), COLUMNS="200", NO_COLOR="1", **extra)

    def surefoot(self, *arguments: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command, run in the project as a person without a terminal would."""
        argv = [str(BIN / "surefoot"), *arguments]
        options: dict[str, t.Any] = {"text": True, "capture_output": True, "stdin": subprocess.DEVNULL, "timeout": timeout}
        return subprocess.run(argv, cwd=self.project, env=self.environment(**environment), **options)

    def write(self, name: str, content: t.Any) -> None:
        """A file of the project; anything but text is written as YAML."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))

    def feature(self, *releases: t.Mapping[str, t.Any]) -> None:
        """Make these releases the path."""
        self.write("features/reviews.yml", {"feature": "reviews", "releases": [dict(release) for release in releases]})

    def configure(self, **changes: t.Any) -> None:
        """Change keys of surefoot.yml."""
        path = self.project / "surefoot.yml"
        self.write("surefoot.yml", {**yaml.safe_load(path.read_text()), **changes})

    def set(self, **variables: t.Any) -> None:
        """Change variables of the inventory."""
        path = self.project / "inventory/group_vars/all.yml"
        self.write("inventory/group_vars/all.yml", {**yaml.safe_load(path.read_text()), **variables})

    def sql(self, query: str) -> list[tuple[t.Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    def ledger(self) -> list[tuple[str, str]]:
        """Kind and release of every entry of the ledger."""
        path = self.project / ".surefoot/ledger.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT kind, release FROM surefoot_ledger ORDER BY seq").fetchall()

    def flag(self, host: Host, name: str = "reviews") -> t.Any:
        return json.loads((host.root / "flags.json").read_text())["flags"].get(name)

    def state(self) -> dict[str, t.Any]:
        """Everything a release is to change: what two roads to the same end must agree on. Times, process ids and digests, which hold ports, are left out."""
        standing: dict[str, str] = {}
        for kind, release in self.ledger():
            if kind in {"started", "released", "verified", "failed", "rolled_back"}:
                standing[release] = kind
        return {
            "database": [row for (row,) in self.sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")],
            "done": self.sql("SELECT what FROM done ORDER BY rowid"),
            "migrations": self.sql("SELECT id, name, checksum FROM surefoot_migrations ORDER BY id"),
            "ledger": standing,
            "hosts": {host.name: self._on(host) for host in self.hosts},
        }

    def _on(self, host: Host) -> dict[str, t.Any]:
        # Which host has cached the page is a matter of who was asked; what it serves is not.
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{host.url}/", timeout=5) as response:
            response.read()
        receipt_path = host.root / "receipts/shop.json"
        receipt = json.loads(receipt_path.read_text()) if receipt_path.exists() else {}
        return {
            "app": {name: seen[:2] for name, seen in _artifacts.snapshot(host.root / "app").items()},
            "runs": host.runs,
            "drained": host.drained,
            "flags": json.loads((host.root / "flags.json").read_text()),
            "cache": {path.name: path.read_text() for path in sorted((host.root / "cache").iterdir())},
            "receipt": {**receipt, "releases": [{key: one[key] for key in one if key not in {"at", "run", "digest"}} for one in receipt.get("releases", ())]},
        }

    def snapshot(self) -> dict[str, t.Any]:
        """Every file with its content and its times: what a look must leave as it was."""
        kept = {name: self.root / name for name in ("project", "hosts")}
        seen = {f"{name}/{path}": found for name, root in kept.items() for path, found in _artifacts.snapshot(root, times=True).items()}
        for path in sorted(self.root.glob("shop.db*")):
            seen[path.name] = (path.read_bytes(), path.stat().st_mtime_ns)
        return seen

    def files(self) -> dict[str, t.Any]:
        """What every file holds, whenever it was written; locks left out."""
        return {
            name: seen[:2] if isinstance(seen, tuple) else seen for name, seen in self.snapshot().items() if not name.endswith("lock") and "page" not in name
        }

    def in_pool(self, host: Host) -> bool:
        """Whether the front sends users to a host."""
        try:
            with urllib.request.urlopen(f"{self.front}/__front__/{host.name}", timeout=5) as response:
                return t.cast("bool", response.status == 200)
        except OSError:
            return False

    def visit(self) -> int:
        """The status a user gets."""
        try:
            with urllib.request.urlopen(f"{self.front}/", timeout=5) as response:
                response.read()
                return t.cast("int", response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


@contextlib.contextmanager
def a_shop(root: pathlib.Path, *, probe: bool = True) -> t.Iterator[Shop]:
    """A shop that runs 1.0.0 behind its front, migrated to 0001, with the whole road before it."""
    root = root.resolve()
    hosts = tuple(Host(name, root / "hosts" / name, _restart.free_port()) for name in HOSTS)
    shop = Shop(root, hosts, f"http://127.0.0.1:{_restart.free_port()}")
    _write_project(shop, probe=probe)
    for host in hosts:
        for name in ("app", "cache"):
            (host.root / name).mkdir(parents=True)
        (host.root / "flags.json").write_text(json.dumps(FLAGS))
        (host.root / "start.py").write_text(START)
        (host.root / "stop.py").write_text(STOP)
        _artifacts.install(host.root / "app", "1.0.0", src=(shop.project / "dist/app-1.0.0.tar.gz").as_uri())
    _migrate.migrate(hosts[0].root / "app/releases/1.0.0", f"sqlite:///{shop.database}")
    backends = [f"{host.name}={host.url.removeprefix('http://')}" for host in hosts]
    argv = [sys.executable, str(ROOT / "examples/bookshop/front.py"), "--listen", shop.front.removeprefix("http://"), *backends]
    front = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for host in hosts:
            host.start()
        _restart.await_true(lambda: all(shop.in_pool(host) for host in hosts))
        yield shop
    finally:
        front.terminate()
        front.wait(20)
        for host in hosts:
            host.kill()


def _write_project(shop: Shop, *, probe: bool) -> None:
    watched = [{"name": "front", "http": {"url": f"{shop.front}/", "rate": 20, "timeout": "2s"}}] if probe else []
    kinds = ("install", "migrate", "restart", "flush_cache", "enable_feature")
    shop.write(
        "surefoot.yml",
        {
            "app": "shop",
            "hosts": dict.fromkeys(kinds, "app"),
            "environments": {"test": {"inventory": "inventory"}},
            "probes": watched,
            "gates": {"smoke": {"http": {"url": f"{shop.front}/", "expect": 200, "contains": "books"}, "timeout": "5s"}},
            "verify": ["smoke"],
        },
    )
    shop.feature(*ROAD)
    shop.write("release.yml", [{"import_playbook": "surefoot.release.release"}])
    shop.write("inventory/hosts.yml", {"app": {"hosts": {host.name: {"port": host.port} for host in shop.hosts}}})
    shop.write("inventory/group_vars/all.yml", _variables(shop))
    for version, files in VERSIONS.items():
        artifact(shop, version, files)


def _variables(shop: Shop) -> dict[str, t.Any]:
    root = f"{shop.root}/hosts/{{{{ inventory_hostname }}}}"
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_remote_tmp": f"{shop.root}/tmp",
        "surefoot_state_path": f"{root}/receipts",
        "install_path": f"{root}/app",
        "install_artifact": "dist/app-{{ install_version }}.tar.gz",
        "install_sha256": "{{ lookup('ansible.builtin.file', surefoot_root ~ '/' ~ install_artifact ~ '.sha256') }}",
        "migrate_engine": "sql",
        "migrate_url": f"sqlite:///{shop.database}",
        "restart_manager": "command",
        "restart_service": "shop",
        "restart_commands": {
            "start": [sys.executable, f"{root}/start.py", root, "{{ port }}"],
            "stop": [sys.executable, f"{root}/stop.py", root],
            "pid_file": f"{root}/pid",
        },
        "restart_health_url": "http://127.0.0.1:{{ port }}/livez",
        "restart_health_timeout": 5,
        "restart_stable_for": 0.1,
        "restart_pool_backend": "file",
        "restart_pool_path": f"{root}/drain",
        "restart_pool_observe_url": f"{shop.front}/__front__/{{{{ inventory_hostname }}}}",
        "restart_pool_connections_url": f"{shop.front}/__front__",
        "restart_pool_connections_key": "backends.{{ inventory_hostname }}.open",
        "flush_cache_backend": "files",
        "flush_cache_path": f"{root}/cache",
        "flush_cache_shapes": ["page.html"],
        "enable_feature_path": f"{root}/flags.json",
    }


def artifact(shop: Shop, version: str, files: t.Mapping[str, str]) -> None:
    """An artifact of the application in the project's dist, with its checksum beside it."""
    path = shop.project / "dist" / f"app-{version}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in {"VERSION": version, "behavior": "", "app.py": textwrap.dedent(APP), **files}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text.encode()), 1700000000
            archive.addfile(info, io.BytesIO(text.encode()))
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    path.with_name(f"{path.name}.sha256").write_text(f"{_artifacts.sha256(path)}  {path.name}\n")
