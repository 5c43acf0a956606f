"""The smallest project with something to release: one host, which is this machine, and one flag. Its release can be made to take long."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import time
import typing as t

import yaml

# Told before the sleep, and by the same process.
LONG = "echo $$ > at-work.new; mv at-work.new at-work; exec sleep 60"


@dataclasses.dataclass(frozen=True)
class Small:
    """A project in `root`, whose feature `dark` is the one release `staff`."""

    root: pathlib.Path

    @property
    def path(self) -> pathlib.Path:
        return self.root / "surefoot.yml"

    def flag(self) -> str | None:
        """What the flag says by default, None where there is none."""
        with contextlib.suppress(OSError):
            return t.cast("str", json.loads((self.root / "flags.json").read_text())["flags"]["dark"]["defaultVariant"])
        return None

    def module_at_work(self) -> int:
        """Wait for the long module, and give its process."""
        deadline = time.monotonic() + 120
        while not (self.root / "at-work").exists():
            assert time.monotonic() < deadline, "the long module was not begun"
            time.sleep(0.01)
        pid = int((self.root / "at-work").read_text())
        (self.root / "at-work").unlink()
        return pid

    def take(self, *, long: bool) -> None:
        """Let the release take a minute, or no time."""
        task = {"name": "Work", "ansible.builtin.command": {"argv": ["sh", "-c", LONG if long else "true"], "chdir": str(self.root)}, "changed_when": False}
        self._write("hooks/work.yml", [task])

    def _write(self, name: str, content: t.Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def a_small_project(root: pathlib.Path, app: str = "shop") -> Small:
    small = Small(root.resolve())
    kinds = ("install", "migrate", "restart", "flush_cache", "enable_feature")
    small._write("surefoot.yml", {"app": app, "hosts": dict.fromkeys(kinds, "app"), "environments": {"test": {"inventory": "hosts.yml"}}})
    release = {"release": "staff", "enable_feature": {"flag": "dark", "audience": {"groups": ["staff"]}}, "hooks": {"before_enable_feature": "hooks/work.yml"}}
    small._write("features/dark.yml", {"feature": "dark", "releases": [release]})
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_remote_tmp": str(small.root / "tmp"),
        "surefoot_state_path": str(small.root / "receipts"),
        "enable_feature_path": str(small.root / "flags.json"),
    }
    small._write("hosts.yml", {"app": {"hosts": {"here": variables}}})
    small.take(long=False)
    return small


def gone(pid: int) -> bool:
    """Whether a process is no more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True
