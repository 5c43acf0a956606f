"""A tiny application with releases on disk, and a service manager of each kind to run it; everything on loopback and below a temporary directory."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import time
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.service import options, restart
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import survey
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

BIN = pathlib.Path(sys.executable).parent

APP = textwrap.dedent(
    '''
    """Answers /live with its version, /health with 503 while the drain file is there, /open with the number of /slow requests, /slow when `go` exists."""
    import http.server, json, os, pathlib, sys, time

    port, root = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    here = pathlib.Path(os.getcwd())
    version, behavior = (here / "VERSION").read_text(), (here / "behavior").read_text()
    if behavior == "dies":
        sys.exit("no such table: reviews")
    slow = 0

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            global slow
            status = 200
            if self.path == "/slow":
                slow += 1
                while not (root / "go").exists():
                    time.sleep(0.02)
                slow -= 1
            elif self.path == "/health" and (root / "drain").exists():
                status = 503
            elif self.path == "/live" and behavior == "sick":
                status = 500
            elif self.path == "/live" and behavior == "dies after an answer":
                os._exit(3)
            elif behavior == "silent":
                time.sleep(3600)
            body = json.dumps({"version": version, "connections": slow}).encode()
            self.send_response(status)
            self.send_header("X-Version", version)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    Server(("127.0.0.1", port), Handler).serve_forever()
    '''
)

START = textwrap.dedent(
    """
    import pathlib, subprocess, sys
    root, port = pathlib.Path(sys.argv[1]), sys.argv[2]
    argv = [sys.executable, str(root / "app.py"), port, str(root)]
    with open(root / "log", "ab") as log:
        process = subprocess.Popen(argv, cwd=root / "current", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (root / "pid").write_text(str(process.pid))
    """
)

WSGI = textwrap.dedent(
    '''
    """The same for gunicorn: the version it was loaded with, and /slow, which waits for `go` beside the releases."""
    import json, pathlib, time

    HERE = pathlib.Path(__file__).resolve().parent
    VERSION = (HERE / "VERSION").read_text()

    def app(environ, start_response):
        while environ["PATH_INFO"] == "/slow" and not (HERE.parent.parent / "go").exists():
            time.sleep(0.02)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"version": VERSION}).encode()]
    '''
)

GUNICORN = textwrap.dedent(
    """
    import pathlib
    control_socket_disable = True

    def post_worker_init(worker):
        with open(pathlib.Path(__file__).parent / "ready", "a") as ready:
            ready.write("x")
    """
)

WORKER = textwrap.dedent(
    """
    import pathlib, sys, time
    if pathlib.Path("behavior").read_text() == "worker dies":
        sys.exit("no queue")
    time.sleep(3600)
    """
)

START_WORKER = textwrap.dedent(
    """
    import pathlib, subprocess, sys
    root, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    argv = [sys.executable, str(root / "worker.py")]
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    process = subprocess.Popen(argv, cwd=root / "current", start_new_session=True, **quiet)
    (root / f"{name}.pid").write_text(str(process.pid))
    with open(root / "starts", "a") as starts:
        starts.write(name + chr(10))
    """
)

STOP = textwrap.dedent(
    """
    import os, pathlib, signal, sys
    os.kill(int((pathlib.Path(sys.argv[1]) / (sys.argv[2:] or ["pid"])[0]).read_text()), signal.SIGTERM)
    """
)


@dataclasses.dataclass(frozen=True)
class App:
    """An installed application: `root` holds releases/, current, and the scripts that the managers run; it listens on `port` when it runs."""

    root: pathlib.Path
    port: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def release(self, version: str, behavior: str = "") -> None:
        """Stage a version."""
        directory = self.root / "releases" / version
        directory.mkdir(parents=True)
        (directory / "VERSION").write_text(version)
        (directory / "behavior").write_text(behavior)
        (directory / "wsgi.py").write_text(WSGI)

    def activate(self, version: str, *, since: float | None = None) -> None:
        """Make a version live, at a time of the caller's choice if it is given."""
        new = self.root / "current.new"
        new.symlink_to(f"releases/{version}")
        if since is not None:
            os.utime(new, (since, since), follow_symlinks=False)
        new.rename(self.root / "current")

    def get(self, path: str) -> tuple[int, dict[str, t.Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def get_status(self, path: str) -> int:
        """The status only, for answers that are not the application's own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    @property
    def commands(self) -> dict[str, t.Any]:
        script = [sys.executable, str(self.root / "start.py"), str(self.root), str(self.port)]
        return {"start": script, "stop": [sys.executable, str(self.root / "stop.py"), str(self.root)], "pid_file": str(self.root / "pid")}

    def worker(self, name: str, **changes: t.Any) -> dict[str, t.Any]:
        """A unit that nobody can ask, as an item of the option `services`."""
        start = [sys.executable, str(self.root / "start_worker.py"), str(self.root), name]
        stop = [sys.executable, str(self.root / "stop.py"), str(self.root), f"{name}.pid"]
        return {"name": name, "commands": {"start": start, "stop": stop, "pid_file": str(self.root / f"{name}.pid")}, "stable_for": 0.2, **changes}

    def gunicorn(self, *options: str) -> str:
        """The command line of a gunicorn with two workers, which loads the application anew by way of `current` when it gets a HUP."""
        # In a file, where a gunicorn that knows no such thing as the socket takes no offence
        (self.root / "gunicorn.py").write_text(GUNICORN)
        words = ["--config", f"{self.root}/gunicorn.py", "--chdir", f"{self.root}/current", "--bind", f"127.0.0.1:{self.port}", "--workers", "2"]
        return " ".join([str(BIN / "gunicorn"), *words, *options, "wsgi:app"])

    def both_workers_loaded(self) -> bool:
        """Whether both of gunicorn's workers have loaded the application; it listens before they have."""
        ready = self.root / "ready"
        return ready.exists() and len(ready.read_text()) >= 2

    def options(self, **changes: t.Any) -> dict[str, t.Any]:
        """Options of the restart module for the manager `command`, with short limits."""
        return {
            "manager": "command",
            "service": "shop",
            "path": str(self.root),
            "commands": self.commands,
            "health_url": self.url("/live"),
            "version_key": "version",
            "health_timeout": 10,
            "health_interval": 0.05,
            "stop_timeout": 10,
            **changes,
        }


@contextlib.contextmanager
def an_app(root: pathlib.Path) -> t.Iterator[App]:
    """Version 1.0.0 installed and live, not started. Whatever the pid file names is ended afterwards."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in {"app.py": APP, "start.py": START, "stop.py": STOP, "worker.py": WORKER, "start_worker.py": START_WORKER}.items():
        (root / name).write_text(text)
    app = App(root, free_port())
    app.release("1.0.0")
    app.activate("1.0.0")
    try:
        yield app
    finally:
        for pid_file in (root / "pid", *root.glob("*.pid")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int(pid_file.read_text()), signal.SIGKILL)


@contextlib.contextmanager
def a_supervisord(app: App, *, startsecs: int = 1, command: str | None = None) -> t.Iterator[pathlib.Path]:
    """A real supervisord that runs the application, or `command`, as program C(shop); gives its configuration. Its socket needs a short path."""
    config = app.root / "supervisord.conf"
    config.write_text(
        textwrap.dedent(
            f"""
            [supervisord]
            logfile = %(here)s/supervisord.log
            pidfile = %(here)s/supervisord.pid
            [rpcinterface:supervisor]
            supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
            [unix_http_server]
            file = %(here)s/s ; short, because the kernel wants it so
            username = me
            password = secret-of-the-socket
            [supervisorctl]
            serverurl = unix://%(here)s/s
            username = me
            password = secret-of-the-socket
            [program:shop]
            command = {command or f"{sys.executable} {app.root}/app.py {app.port} {app.root}"}
            directory = {app.root}/current
            startsecs = {startsecs}
            startretries = 2
            autorestart = true
            stdout_logfile = %(here)s/log
            redirect_stderr = true
            """
        )
    )
    daemon = subprocess.Popen([str(BIN / "supervisord"), "-n", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_true(lambda: (app.root / "s").exists() and listening(app.port))
        yield config
    finally:
        daemon.terminate()
        daemon.wait(20)


def with_defaults(spec: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options as a module gets them."""
    validated = ArgumentSpecValidator(spec).validate(dict(given))
    assert not validated.error_messages, validated.error_messages
    return t.cast("dict[str, t.Any]", validated.validated_parameters)


def run(argv: t.Sequence[str], **_: t.Any) -> tuple[int, str, str]:
    """What AnsibleModule.run_command does, without a module."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return t.cast("int", probe.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def await_true(condition: t.Callable[[], t.Any], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def perform(given: dict[str, t.Any], *, check_mode: bool = False) -> Step:
    return restart.perform(with_defaults(options.ARGUMENT_SPEC, given), check_mode=check_mode, run=run)


def pid_of(given: dict[str, t.Any]) -> int | None:
    return t.cast("int | None", survey(with_defaults(options.ARGUMENT_SPEC, given), run)["pid"])


def starts_of(app: App) -> list[str]:
    path = app.root / "starts"
    return path.read_text().split() if path.exists() else []
