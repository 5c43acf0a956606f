"""Where everything of a bookshop on one machine lies, and the files that say so. Nothing here touches the disk.

DIR/
    hosts/bookshop1/     what would be a host of its own: app/ (the install path), flags.json, cache/, drain (only while drained)
    hosts/bookshop2/  hosts/bookshop3/
    shop.db              the database all three share
    shop.json            all of this as data, for the inventory
    supervisord.conf     the three instances and the front
    logs/  run/          what they write; their process ids
    socket/              where supervisord listens; elsewhere if DIR has a path too long for a socket
    project/             a copy of the project, only if DIR or the ports are not the ones its files name
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
from collections.abc import Mapping, Sequence

NAMES = ("bookshop1", "bookshop2", "bookshop3")
LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 18080


@dataclasses.dataclass(frozen=True)
class Instance:
    """One of the three: `root` stands for its host, `port` is where it listens on loopback."""

    name: str
    root: pathlib.Path
    port: int

    @property
    def install_path(self) -> pathlib.Path:
        """Holds releases/ and the link current."""
        return self.root / "app"

    @property
    def flags(self) -> pathlib.Path:
        """The flagd file it watches."""
        return self.root / "flags.json"

    @property
    def cache(self) -> pathlib.Path:
        """The directory of its cached pages."""
        return self.root / "cache"

    @property
    def drain_file(self) -> pathlib.Path:
        """Present while it wants no more requests."""
        return self.root / "drain"

    @property
    def url(self) -> str:
        """Its own address, behind the front."""
        return f"http://{LOOPBACK}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The whole shop. `base_port` is the front's, the instances have the three after it; `socket` is supervisord's."""

    root: pathlib.Path
    base_port: int
    python: pathlib.Path
    socket: pathlib.Path

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The three instances."""
        return tuple(Instance(name, self.root / "hosts" / name, self.base_port + number) for number, name in enumerate(NAMES, 1))

    @property
    def front_url(self) -> str:
        """The address users see."""
        return f"http://{LOOPBACK}:{self.base_port}"

    @property
    def database_url(self) -> str:
        """The one database of all instances."""
        return f"sqlite:///{self.root / 'shop.db'}"

    @property
    def supervisor_config(self) -> pathlib.Path:
        """What supervisord runs."""
        return self.root / "supervisord.conf"

    def pid_file(self, name: str) -> pathlib.Path:
        """Where the process of this name (an instance, front, supervisord) keeps its id. It is on the process's command line too, so it can be recognized."""
        return self.root / "run" / f"{name}.pid"

    @property
    def pid_files(self) -> tuple[pathlib.Path, ...]:
        """Every process of the shop, the one that watches the others first."""
        return tuple(self.pid_file(name) for name in ("supervisord", "front", *NAMES))


def environment(layout: Layout, instance: Instance) -> dict[str, str]:
    """The variables an instance runs with."""
    return {
        "BOOKSHOP_BIND": f"{LOOPBACK}:{instance.port}",
        "BOOKSHOP_DATABASE_URL": layout.database_url,
        "BOOKSHOP_CACHE_URL": f"files://{instance.cache}",
        "BOOKSHOP_FLAGS": str(instance.flags),
        "BOOKSHOP_DRAIN_FILE": str(instance.drain_file),
    }


def supervisor_config(layout: Layout, front: pathlib.Path) -> str:
    """supervisord.conf: an instance runs in `current`, whatever that links to when it is started."""
    log, run = layout.root / "logs", layout.root / "run"
    backends = [f"{instance.name}={LOOPBACK}:{instance.port}" for instance in layout.instances]
    front_command = [layout.python, front, "--listen", f"{LOOPBACK}:{layout.base_port}", "--pid", layout.pid_file("front"), *backends]
    sections: dict[str, Mapping[str, object]] = {
        "unix_http_server": {"file": layout.socket, "chmod": "0600"},
        "supervisord": {"logfile": log / "supervisord.log", "pidfile": layout.pid_file("supervisord"), "childlogdir": log, "directory": run},
        "rpcinterface:supervisor": {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        "supervisorctl": {"serverurl": f"unix://{layout.socket}"},
        "program:front": {"command": _command(front_command), **_program(log / "front.log")},
    }
    for instance in layout.instances:
        variables = ",".join(f'{name}="{value}"' for name, value in environment(layout, instance).items())
        sections[f"program:{instance.name}"] = {
            "command": _command([layout.python, "-m", "gunicorn", "--config", "gunicorn.conf.py", "--pid", layout.pid_file(instance.name)]),
            "directory": instance.install_path / "current",
            "environment": variables,
            **_program(log / f"{instance.name}.log"),
        }
    return "\n".join(f"[{title}]\n" + "".join(f"{key}={_plain(value)}\n" for key, value in options.items()) for title, options in sections.items())


def description(layout: Layout, project: pathlib.Path) -> dict[str, object]:
    """The content of shop.json; all paths absolute."""
    return {
        "project": str(project),
        "base_port": layout.base_port,
        "front_url": layout.front_url,
        "database_url": layout.database_url,
        "virtualenv": str(layout.python.parent.parent),
        "supervisor_config": str(layout.supervisor_config),
        "socket": str(layout.socket),
        "instances": {
            instance.name: {
                "url": instance.url,
                "root": str(instance.root),
                "install_path": str(instance.install_path),
                "flags": str(instance.flags),
                "cache": str(instance.cache),
                "drain_file": str(instance.drain_file),
            }
            for instance in layout.instances
        },
    }


def for_this_layout(text: str, layout: Layout) -> str:
    """A file of the project with the addresses and the directory of this layout instead of the default ones it names."""
    replacements: Mapping[str, str] = {
        f"{LOOPBACK}:{DEFAULT_PORT}": f"{LOOPBACK}:{layout.base_port}",
        "{{ inventory_dir }}/../../.demo": str(layout.root),
        "sqlite:///.demo/": f"sqlite:///{layout.root}/",
    }
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def _program(log: pathlib.Path) -> dict[str, object]:
    # startsecs 0: whether it came up is asked by its health, not by a fixed wait.
    return {"autorestart": "true", "startsecs": 0, "stopwaitsecs": 15, "killasgroup": "true", "redirect_stderr": "true", "stdout_logfile": log}


def _command(words: Sequence[object]) -> str:
    return shlex.join(str(word) for word in words)


def _plain(value: object) -> str:
    # supervisord expands %(name)s in every value.
    return str(value).replace("%", "%%")
