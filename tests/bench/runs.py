"""Running one command and measuring what it took: time, CPU of this machine's own processes and of the hosts, and calls of ssh."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
import typing as t

from tests.bench.errors import BenchError

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
PEERS = pathlib.Path(__file__).parent / "peers"
LIMIT_SECONDS = 1800


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What one run took: `seconds` on the clock; `cpu` seconds of the controller's processes and of all hosts together; `trips`, how often ssh was called.

    `marks` says when, in seconds since the start, lines of output came that begin with `PLAY [`.
    """

    seconds: float
    cpu: float
    trips: int
    marks: tuple[tuple[float, str], ...] = ()


class Bench:
    """Measures commands in the directory of a project, with hosts in the containers named."""

    def __init__(self, directory: pathlib.Path, containers: t.Sequence[str]) -> None:
        self.directory = directory
        self._trips = directory / "trips"
        self._hosts = [_cpu_file(container) for container in containers]
        self._environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": str(max(5, len(containers))),
            "ANSIBLE_SSH_EXECUTABLE": str(PEERS / "ssh-counted"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_DEPRECATION_WARNINGS": "false",
            "BENCH_TRIPS": str(self._trips),
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *command: str) -> Measured:
        """Run a command to its end. Raises BenchError with its last words when it fails."""
        self._trips.write_bytes(b"")
        before, began = self._cpu(), time.monotonic()
        lines, marks = [], []
        process = subprocess.Popen(
            command, cwd=self.directory, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with process:
            assert process.stdout
            for line in process.stdout:
                lines.append(line)
                if line.startswith("PLAY ["):
                    marks.append((time.monotonic() - began, line.strip(" *\n")))
        seconds = time.monotonic() - began
        if process.returncode != 0:
            raise BenchError(f"A command that was measured failed with {process.returncode}: {' '.join(command)}\n{''.join(lines)[-3000:]}")
        return Measured(seconds=seconds, cpu=self._cpu() - before, trips=self._trips.stat().st_size, marks=tuple(marks))

    def _cpu(self) -> float:
        here = resource.getrusage(resource.RUSAGE_CHILDREN)
        return here.ru_utime + here.ru_stime + sum(_cpu_seconds(file) for file in self._hosts)


def _cpu_file(container: str) -> pathlib.Path:
    asked = ["podman", "inspect", "--format", "{{.State.CgroupPath}}", container]
    path = subprocess.run(asked, text=True, capture_output=True, check=True).stdout.strip().lstrip("/")
    groups = pathlib.Path("/sys/fs/cgroup")
    return next(file for file in (groups / "cpuacct" / path / "cpuacct.usage", groups / path / "cpu.stat") if file.is_file())


def _cpu_seconds(file: pathlib.Path) -> float:
    text = file.read_text()
    return int(text) / 1e9 if file.name == "cpuacct.usage" else int(text.split()[1]) / 1e6


def tell_machine() -> dict[str, t.Any]:
    """What the figures depend on: processors, memory in GiB, load, and versions."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    shown = subprocess.run([str(BIN / "ansible"), "--version"], text=True, capture_output=True, check=True).stdout.splitlines()[0]
    return {"processors": os.cpu_count(), "memory_gib": round(pages / 2**30), "load": [round(load, 1) for load in os.getloadavg()], "ansible": shown}


def write_json(path: pathlib.Path, content: t.Any) -> None:
    """Write the results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
