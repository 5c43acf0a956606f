"""No secret is left anywhere: not in what is printed, in files, in the ledger, on hosts, and not in the arguments of a process while it runs."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import threading
import time
import typing as t
import urllib.parse

import _redis
import psycopg
import pytest
import redis
from _postgres import Server, postgres
from _restart import await_true
from _road import Shop, a_shop
from psycopg import sql

from helpers import BIN

__all__ = ["postgres"]

NOTICED = {"downtime": "10m", "errors": "100%", "because": "there is one host, and a probe on it for the secret it sends"}
ROAD: t.Sequence[t.Mapping[str, t.Any]] = (
    {"release": "table", "migrate": {"version": "2.0.0", "to": "0002"}, "impact": NOTICED},
    {
        "release": "ui",
        "impact": NOTICED,
        "install": {"version": "2.1.0"},
        "restart": {},
        "flush_cache": {"prefix": "page:"},
        "verify": [{"http": {"url": "{{ restart_health_url }}", "headers": {"Authorization": "Bearer {{ vault_gate }}"}}}],
    },
)
WANTED = ("database", "cache", "prepare", "migrate", "health", "gate", "environment", "extra", "ledger", "probe")
IN_PROJECT = ("ledger", "probe")
"""Those that a person wrote into surefoot.yml."""


class Secrets:
    """One planted secret for each place, found again by a part that no encoding changes, or by its base64."""

    def __init__(self) -> None:
        self._cores = {name: secrets.token_hex(12) for name in WANTED}
        self._forms = {name: [core.encode(), *_in_base64(core)] for name, core in self._cores.items()}

    def __getitem__(self, name: str) -> str:
        return f"s'ä {self._cores[name]}%"

    def plain(self, name: str) -> str:
        return self._cores[name]

    def within(self, content: bytes, *, but: t.Collection[str] = ()) -> list[str]:
        """The names of the secrets in `content`."""
        return [name for name, forms in self._forms.items() if name not in but and any(form in content for form in forms)]


def _in_base64(core: str) -> list[bytes]:
    """What base64 makes of the core, wherever in a longer text it begins."""
    return [base64.b64encode(b"x" * shift + core.encode())[4:-4] for shift in range(3)]


class Watching:
    """A context that looks at the arguments of every process on the machine, again and again."""

    def __init__(self, planted: Secrets) -> None:
        self.seen: set[str] = set()
        self.looks = 0
        self._planted = planted
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.looks += 1
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    # Values given with -e are where the person put them.
                    words = path.read_bytes().replace(b"\0", b" ")
                    self.seen.update(f"{name} in {words.decode(errors='replace')[:300]}" for name in self._planted.within(words, but={"extra"}))


class Vaulted:
    """A shop whose secrets are in Ansible Vault, with a database and a cache that ask for passwords. What is printed is kept."""

    def __init__(self, shop: Shop, planted: Secrets, postgres: Server, cache: _redis.Server) -> None:
        self.shop, self.planted, self.printed = shop, planted, b""
        self._postgres, self._begun = postgres, time.time()
        self.role, self.ledger_role = f"r{secrets.token_hex(4)}", f"l{secrets.token_hex(4)}"
        database = self.owned("database", self.role)
        ledger = f"{self.ledger_role}:{urllib.parse.quote(planted['ledger'])}@127.0.0.1:{postgres.port}/{self.owned('ledger', self.ledger_role)}"
        probe = {"url": f"{shop.front}/", "headers": {"Authorization": f"Bearer {planted.plain('probe')}"}}
        shop.configure(ledger=f"postgresql+psycopg://{ledger}", probes=[{"name": "front", "http": probe}])
        cache.client.config_set("requirepass", planted["cache"])
        shop.write("inventory/hosts.yml", {"app": {"hosts": {"h1": {"port": shop.hosts[0].port}}}})
        shop.feature(*ROAD)
        shop.set(
            migrate_url=f"postgresql://{self.role}:{{{{ vault_database | urlencode }}}}@127.0.0.1:{postgres.port}/{database}",
            migrate_environment={"MIGRATE_TOKEN": "{{ vault_migrate }}"},
            install_prepare=[["true"]],
            install_prepare_environment={"PREPARE_TOKEN": "{{ vault_prepare }}"},
            restart_health_headers={"Authorization": "Bearer {{ vault_health }}"},
            flush_cache_backend="redis",
            flush_cache_url=f"redis://:{{{{ vault_cache | urlencode }}}}@127.0.0.1:{cache.port}/0",
        )
        self.cache = redis.Redis(port=cache.port, password=planted["cache"])
        self.password_file = shop.root / "vault-password"
        self.password_file.write_text("open sesame")
        variables = {f"vault_{name}": planted.plain(name) if name in {"health", "gate"} else planted[name] for name in WANTED if name not in IN_PROJECT}
        self.encrypt(variables)

    def encrypt(self, variables: t.Mapping[str, str]) -> None:
        text = "".join(f"{name}: !unsafe {quoted}\n" for name, value in variables.items() if (quoted := '"' + value + '"'))
        argv = [str(BIN / "ansible-vault"), "encrypt", "--vault-password-file", str(self.password_file), "--output", "inventory/group_vars/app.yml", "-"]
        subprocess.run(argv, cwd=self.shop.project, env=self.shop.environment(), input=text, text=True, capture_output=True, check=True)

    @contextlib.contextmanager
    def administering(self) -> t.Iterator[psycopg.Connection[t.Any]]:
        with self._postgres.connect(self._postgres.url("postgres")) as connection:
            yield connection

    def owned(self, name: str, role: str) -> str:
        """A new database of a new role with the password of that name."""
        database = self._postgres.database().rpartition("/")[2]
        self.set_password(role, self.planted[name], created=True)
        with self.administering() as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), sql.Identifier(role)))
        return database

    def set_password(self, role: str, password: str, *, created: bool = False) -> None:
        verb = "CREATE" if created else "ALTER"
        with self.administering() as connection:
            connection.execute(sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))

    def argv(self, *arguments: str) -> list[str]:
        return [str(BIN / "surefoot"), *arguments, "--vault-password-file", str(self.password_file), "-e", f"note='{self.planted.plain('extra')}'"]

    def environment(self) -> dict[str, str]:
        return self.shop.environment(DEPLOY_TOKEN=self.planted["environment"])

    def surefoot(self, *arguments: str, ansible: bool = True) -> int:
        argv = self.argv(*arguments) if ansible else [str(BIN / "surefoot"), *arguments]
        done = subprocess.run(argv, cwd=self.shop.project, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
        self.printed += done.stdout + done.stderr
        return done.returncode

    def found(self) -> list[str]:
        """Where a secret is: in what was printed, in a file below the shop, or since the beginning in one in a place for temporary files."""
        found = [f"{name} was printed: {line.decode()[:300]}" for line in self.printed.splitlines() for name in self.planted.within(line)]
        for path in _files(self.shop.root):
            own = IN_PROJECT if path == self.shop.project / "surefoot.yml" else ()
            found += [f"{name} in {path}" for name in self.planted.within(path.read_bytes(), but=own)]
            found += [f"{name} is the name of {path}" for name in self.planted.within(os.fsencode(path))]
        for folder in (*map(pathlib.Path, ("/tmp", "/var/tmp", "/dev/shm")), pathlib.Path.home() / ".ansible"):
            for path in _files(folder, since=self._begun, but=("pytest-of-", "surefoot-postgres-")):
                with contextlib.suppress(OSError):
                    found += [f"{name} in {path}" for name in self.planted.within(path.read_bytes())]
        return found


def _files(root: pathlib.Path, *, since: float = 0.0, but: tuple[str, ...] = (), most: int = 50_000_000) -> t.Iterator[pathlib.Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(but)] if but else folders
        for name in files:
            path = pathlib.Path(folder, name)
            with contextlib.suppress(OSError):
                status = path.lstat()
                if path.is_file() and not path.is_symlink() and status.st_mtime >= since and status.st_size <= most:
                    yield path


@pytest.fixture
def vaulted(tmp_path: pathlib.Path, postgres: Server) -> t.Iterator[Vaulted]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on this machine")
    (tmp_path / "redis").mkdir()
    with _redis.running(tmp_path / "redis") as cache, a_shop(tmp_path / "shop", probe=False) as shop:
        yield Vaulted(shop, Secrets(), postgres, cache)


def test_the_secrets_are_found_where_they_are() -> None:
    """What looks for secrets finds them, plain, quoted and in base64."""
    planted = Secrets()
    for shift in range(3):
        assert planted.within(base64.b64encode(b"y" * shift + planted["gate"].encode())) == ["gate"]
    assert planted.within(f"postgresql://x:{planted['database']}@y".encode()) == ["database"]
    assert planted.within(b"nothing") == []


def test_no_secret_is_left_behind_by_releases_there_and_back(vaulted: Vaulted) -> None:
    vaulted.cache.set("page:index", "books")
    with Watching(vaulted.planted) as watching:
        assert vaulted.surefoot("plan", "--out", "plan.json", "--all", "-v") == 2
        assert vaulted.surefoot("apply", "--plan", "plan.json", "--yes", "-v") == 0, vaulted.printed.decode()
        assert vaulted.surefoot("plan", "--json") == 0
        assert vaulted.surefoot("survey", "--json", "-vvvv") == 0
        assert vaulted.surefoot("verify", "--json", "-vvvv") == 0
        assert vaulted.surefoot("rollback", "--yes", "--json", "-v") == 0
        assert vaulted.surefoot("apply", "--yes", "-vvvv") == 0
        assert vaulted.surefoot("history", "--json", ansible=False) == 0
        assert vaulted.surefoot("status", "--json", ansible=False) == 0
    assert vaulted.cache.get("page:index") is None
    assert vaulted.shop.hosts[0].runs == "2.1.0"
    assert b"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in vaulted.printed, "what was looked through is not what -vvvv prints"
    assert watching.looks > 100
    assert watching.seen == set()
    assert vaulted.found() == []
    assert list((vaulted.shop.root / "tmp").glob("surefoot-run-*")) == []


@pytest.mark.parametrize("broken", ["database", "cache", "ledger"])
def test_no_secret_is_told_when_it_is_the_wrong_one(vaulted: Vaulted, broken: str) -> None:
    assert vaulted.surefoot("apply", "--yes") == 0
    if broken == "database":
        vaulted.set_password(vaulted.role, "another")
    elif broken == "ledger":
        vaulted.set_password(vaulted.ledger_role, "another")
    else:
        vaulted.cache.config_set("requirepass", "another")
    with Watching(vaulted.planted) as watching:
        vaulted.surefoot("survey", "--json", "-v")
        vaulted.surefoot("plan", "-vvvv")
        vaulted.surefoot("apply", "--yes", "-vvvv")
        vaulted.surefoot("history", "--json", ansible=False)
        vaulted.surefoot("history", "--check", ansible=False)
        vaulted.surefoot("status", "--json", ansible=False)
    assert watching.seen == set()
    assert vaulted.found() == []


def test_what_a_killed_runner_left_is_gone_after_the_next_command(vaulted: Vaulted) -> None:
    temporary = vaulted.shop.root / "tmp"
    runner = subprocess.Popen(
        vaulted.argv("apply", "--yes"), cwd=vaulted.shop.project, env=vaulted.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    staged = vaulted.shop.hosts[0].root / "app/releases/2.0.0"
    await_true(lambda: staged.exists() or runner.poll() is not None, timeout=180)
    await_true(lambda: any(temporary.glob("surefoot-run-*/artifacts/*/job_events/*")), timeout=180)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    left = list(temporary.glob("surefoot-run-*"))
    assert left
    assert {path.stat().st_mode & 0o777 for path in left} == {0o700}
    assert vaulted.surefoot("apply", "--yes") == 0, vaulted.printed.decode()
    assert vaulted.surefoot("plan") == 2
    assert list(temporary.glob("surefoot-run-*")) == []
    assert vaulted.found() == []
