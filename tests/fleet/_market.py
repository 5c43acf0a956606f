"""What tests release to a fleet: as little as a shop can be, so that a release takes no longer than its steps. The bookshop is for molecule/fleet."""

from __future__ import annotations

import gzip
import hashlib
import io
import pathlib
import random
import tarfile
import typing as t

PORT = 8080
HOME = "/srv/market"
PATH = f"{HOME}/app"
SICK = f"{HOME}/sick"
FLAGS = f"{HOME}/flags.json"

SERVE = f'''
"""The main process keeps the port, its child answers and comes anew with each HUP. /livez tells the version, /goods what the database holds."""
import http.server, json, os, pathlib, signal, socket, subprocess, sys, threading

HERE = pathlib.Path(__file__).resolve().parent
VERSION = (HERE / "VERSION").read_text().strip()


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sick = self.path == "/livez" and (HERE / "fragile").exists() and os.path.exists("{SICK}")
        content = json.dumps({{"version": VERSION, "goods": goods() if self.path == "/goods" else None}}).encode()
        lame = self.path == "/" and (HERE / "lame").exists()
        self.send_response(500 if sick or lame else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def goods():
    import psycopg2

    connection = psycopg2.connect(os.environ["MARKET_DATABASE"], connect_timeout=5)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM goods")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def serve(descriptor):
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    server = http.server.ThreadingHTTPServer(("", 0), Shop, bind_and_activate=False)
    server.socket.close()
    server.socket, server.daemon_threads = socket.socket(fileno=descriptor), False
    # A balancer that checks its members hangs up as soon as it has seen the status
    server.handle_error = lambda *_: None
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("ready", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()


def begun(listener):
    # By the path it was called with, which may lead over the live link
    command = [sys.executable, sys.argv[0], "serve", str(listener.fileno())]
    child = subprocess.Popen(command, pass_fds=[listener.fileno()], stdout=subprocess.PIPE)
    child.stdout.readline()
    return child


def end(child):
    child.terminate()
    child.wait()


def main():
    signals = {{signal.SIGHUP, signal.SIGTERM}}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    host, port = os.environ["MARKET_BIND"].split(":")
    with socket.create_server((host, int(port)), backlog=128) as listener:
        listener.setblocking(False)
        child = begun(listener)
        while signal.sigwait(signals) == signal.SIGHUP:
            old, child = child, begun(listener)
            end(old)
        end(child)


serve(int(sys.argv[2])) if sys.argv[1:] else main()
'''

GOODS = {
    "migrations/0001_goods.up.sql": "CREATE TABLE goods (id integer PRIMARY KEY, name text NOT NULL);\nINSERT INTO goods VALUES (1, 'tea'), (2, 'thyme');\n",
    "migrations/0001_goods.down.sql": "DROP TABLE goods;\n",
}
REVIEWS = {
    "migrations/0002_reviews.up.sql": "CREATE TABLE reviews (id integer PRIMARY KEY, good integer NOT NULL REFERENCES goods, body text NOT NULL);\n",
    "migrations/0002_reviews.down.sql": "DROP TABLE reviews;\n",
}
VERSIONS: t.Mapping[str, t.Mapping[str, str | bytes]] = {
    "1.0.0": {"page.html": "goods", **GOODS},
    "2.0.0": {"page.html": "goods", **GOODS, **REVIEWS},
    # Healthy by every look of the release and of the balancer, and no user gets a page.
    "2.0.8": {"page.html": "", **GOODS, **REVIEWS, "lame": ""},
    "2.0.9": {"page.html": "goods", **GOODS, **REVIEWS, "fragile": ""},
    "2.1.0": {"page.html": "goods and reviews", **GOODS, **REVIEWS},
    "2.2.0": {"page.html": "reviews of goods", **GOODS, **REVIEWS},
    # More than travels with a module, so that it is uploaded; it gets no smaller when it is packed.
    "2.3.0": {"page.html": "goods", **GOODS, **REVIEWS, "ballast": random.Random(1).randbytes(6 * 1024 * 1024)},
}

TABLE = {"release": "table", "migrate": {"version": "2.0.0", "to": "0002"}}
API = {"release": "api", "install": {"version": "2.0.0"}, "restart": {"batches": [1, 1, 1]}}
BOTH = {"release": "both", "migrate": {"version": "2.0.0", "to": "0002"}, "install": {"version": "2.0.0"}}
STAFF = {"release": "staff", "enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}}}
UI = {"release": "ui", "install": {"version": "2.1.0"}, "restart": {}, "flush_cache": {"prefix": "page:"}}
EVERYONE = {"release": "everyone", "enable_feature": {"flag": "reviews", "audience": {"everyone": True}}}
FAT = {"release": "fat", "install": {"version": "2.3.0"}, "restart": {}}
LAME = {"release": "lame", "install": {"version": "2.0.8"}, "restart": {"batches": [1, "100%"]}}
FRAGILE = {"release": "fragile", "install": {"version": "2.0.9"}, "restart": {"batches": [1, "100%"]}}

WEB_UNIT = f"""
[Service]
User=market
WorkingDirectory={PATH}/current
EnvironmentFile={HOME}/environment
ExecStart=/usr/bin/python3 serve.py
KillMode=mixed
TimeoutStopSec=10

[Install]
WantedBy=multi-user.target
"""
WORKER_UNIT = f"""
[Service]
User=market
WorkingDirectory={PATH}/current
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""
HAPROXY = """
global
    maxconn 4096
    stats socket /run/haproxy/admin.sock mode 600 level admin
    stats socket ipv4@{address}:9999 level admin

defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    # A busy machine is no reason to take a member for dead
    timeout check 2s
    # Nothing is tried again here: what a release does to users must show
    retries 0
    option http-server-close

frontend shop
    bind {address}:80
    default_backend stalls

backend stalls
    balance leastconn
    option httpchk GET /livez
    default-server check inter 200ms fall 5 rise 2
{servers}
"""

PREPARE: t.Mapping[str, str] = {
    "data": f"""
useradd --system --home-dir {HOME} market
cat > /etc/postgresql/15/main/conf.d/fleet.conf <<'END'
listen_addresses = '*'
log_statement = 'ddl'
END
echo 'host market market samenet scram-sha-256' >> /etc/postgresql/15/main/pg_hba.conf
sed -i 's/^bind .*/bind * -::*/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
systemctl enable --quiet --now postgresql postgresql@15-main redis-server
runuser -u postgres -- psql -q -c "CREATE ROLE market LOGIN PASSWORD 'aisle'" -c 'CREATE DATABASE market OWNER market'
""",
    "edge": f"""
cat > /etc/haproxy/haproxy.cfg <<'END'
{HAPROXY}
END
systemctl enable --quiet --now haproxy
""",
    "web": f"""
useradd --system --home-dir {HOME} market && mkdir -p {HOME}
printf 'MARKET_BIND={{address}}:{PORT}\\nMARKET_DATABASE=postgresql://market:aisle@{{data}}/market\\n' > {HOME}/environment
cat > /etc/systemd/system/market-web.service <<'END'
{WEB_UNIT}
END
systemctl daemon-reload && systemctl enable --quiet market-web
""",
    "worker": f"""
useradd --system --home-dir {HOME} market && mkdir -p {HOME}
cat > /etc/systemd/system/market-worker.service <<'END'
{WORKER_UNIT}
END
systemctl daemon-reload && systemctl enable --quiet market-worker
""",
}
"""What makes a host of each group ready for its part, as root there."""

BRING_OUT = """
- hosts: web:worker:data
  gather_facts: false
  vars: {install_version: 1.0.0, migrate_to: "0001"}
  tasks:
    - {ansible.builtin.import_role: {name: surefoot.release.install}, when: inventory_hostname not in groups.data}
    - {ansible.builtin.import_role: {name: surefoot.release.install, tasks_from: stage}, when: inventory_hostname in groups.data}
    - {ansible.builtin.import_role: {name: surefoot.release.migrate}, when: inventory_hostname in groups.data}
    - {ansible.builtin.import_role: {name: surefoot.release.restart}, when: inventory_hostname not in groups.data}
"""


def build(directory: pathlib.Path, version: str, files: t.Mapping[str, str | bytes]) -> None:
    """The artifact of a version, with its checksum beside it."""
    directory.mkdir(exist_ok=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, given in {"VERSION": version, "serve.py": SERVE, **files}.items():
            content = given.encode() if isinstance(given, str) else given
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    content = gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)
    path = directory / f"market-{version}.tar.gz"
    path.write_bytes(content)
    path.with_name(f"{path.name}.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")


def variables(artifacts: pathlib.Path, data: str, edge: str) -> dict[str, dict[str, t.Any]]:
    """The facts about the application, by group."""
    everywhere = {
        "install_path": PATH,
        "install_artifact": f"{artifacts}/market-{{{{ install_version }}}}.tar.gz",
        "install_sha256": "{{ lookup('ansible.builtin.file', install_artifact ~ '.sha256') }}",
        "surefoot_state_path": f"{HOME}/state",
        "migrate_engine": "sql",
        "migrate_url": f"postgresql://market:aisle@{data}/market",
        "restart_manager": "systemd",
        "flush_cache_backend": "redis",
        "flush_cache_url": f"redis://{data}:6379/0",
        "flush_cache_shapes": ["page.html"],
        "enable_feature_path": FLAGS,
        "goods": f"http://{edge}/goods",
    }
    web = {
        "restart_service": "market-web.service",
        "restart_health_url": f"http://{{{{ fleet_address }}}}:{PORT}/livez",
        "restart_health_timeout": 30,
        "restart_version_key": "version",
        "restart_pool_backend": "haproxy",
        "restart_pool_haproxy_sockets": [f"{edge}:9999"],
        "restart_pool_haproxy_backend": "stalls",
        "restart_pool_haproxy_server": "{{ inventory_hostname }}",
    }
    return {"all": everywhere, "web": web, "worker": {"restart_service": "market-worker.service"}}
