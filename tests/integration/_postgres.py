"""A PostgreSQL of our own: started on loopback as an unprivileged user, and stopped by its process id."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t
import uuid

import psycopg
import pytest

USER = "shop"
PASSWORD = "hunter2-läuft"
_QUOTED = "hunter2-l%C3%A4uft"


@dataclasses.dataclass(frozen=True)
class Server:
    """A running PostgreSQL; every test takes a database of its own from it."""

    port: int

    def url(self, database: str, *, password: str = _QUOTED) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with self.connect(self.url("postgres")) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    @staticmethod
    def connect(url: str, name: str = "test") -> psycopg.Connection[t.Any]:
        return psycopg.connect(url, autocommit=True, application_name=name)


@contextlib.contextmanager
def serving() -> t.Iterator[Server]:
    """Start a server, and stop it in the end."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    # Not in tmp_path: its parents are closed to every other user, and PostgreSQL refuses to run as root.
    home = pathlib.Path(tempfile.mkdtemp(prefix="surefoot-postgres-"))
    try:
        account: dict[str, t.Any] = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(home, owner.pw_uid, owner.pw_gid)
            account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        with _started(binaries, home, account) as server:
            yield server
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres() -> t.Iterator[Server]:
    with serving() as server:
        yield server


@contextlib.contextmanager
def _started(binaries: pathlib.Path, home: pathlib.Path, account: dict[str, t.Any]) -> t.Iterator[Server]:
    secret = home / "secret"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o644)
    options = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C"]
    subprocess.run([binaries / "initdb", "-D", home / "data", *options], check=True, capture_output=True, cwd=home, **account)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(home), "fsync": "off", "max_connections": "40"}
    command = [binaries / "postgres", "-D", home / "data", "-p", str(port), *[f"--{name}={value}" for name, value in settings.items()]]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, **account)
    server = Server(port)
    try:
        _wait_until_ready(server, process, home / "log")
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.connect(server.url("postgres")).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.05)
        else:
            return


def _binaries() -> pathlib.Path | None:
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found:
        return found[-1]
    initdb = shutil.which("initdb")
    return pathlib.Path(initdb).resolve().parent if initdb else None
