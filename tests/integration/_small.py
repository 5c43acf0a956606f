"""The smallest project with something to release: one host, which is this machine, and one flag or a few artifacts. A release can be made to take long."""

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
LONG = "echo $$ > at-work.new; mv at-work.new at-work; exec sleep 600"


@dataclasses.dataclass(frozen=True)
class Small:
    """A project in `root` with one feature."""

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
        self.write("hooks/work.yml", [task])

    def write(self, name: str, content: t.Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def a_small_project(root: pathlib.Path, app: str = "shop") -> Small:
    """Its feature `dark` is the one release `staff`, which comes by the hook that takes as long as is wanted."""
    release = {"release": "staff", "enable_feature": {"flag": "dark", "audience": {"groups": ["staff"]}}, "hooks": {"before_enable_feature": "hooks/work.yml"}}
    small = a_project_of(root, "dark", [release], app, enable_feature_path=f"{root.resolve()}/flags.json")
    small.take(long=False)
    return small


def a_project_of(root: pathlib.Path, feature: str, releases: t.Sequence[t.Mapping[str, t.Any]], app: str = "shop", **facts: t.Any) -> Small:
    """A project whose one feature has these releases, with `facts` about the application."""
    small = Small(root.resolve())
    kinds = ("install", "migrate", "restart", "flush_cache", "enable_feature")
    small.write("surefoot.yml", {"app": app, "hosts": dict.fromkeys(kinds, "app"), "environments": {"test": {"inventory": "hosts.yml"}}})
    small.write(f"features/{feature}.yml", {"feature": feature, "releases": list(releases)})
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_remote_tmp": str(small.root / "tmp"),
        "surefoot_state_path": str(small.root / "receipts"),
        **facts,
    }
    small.write("hosts.yml", {"app": {"hosts": {"here": variables}}})
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
