"""Run our modules and playbooks the way a user does: through the real ansible commands."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(sys.executable).parent


def ansible_environment(**extra: str) -> dict[str, str]:
    """The environment of an ansible command that sees this checkout and answers in JSON."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INJECT_FACT_VARS": "false",
        **extra,
    }


def run_module(name: str, args: t.Mapping[str, t.Any], *, check: bool = False, **more: str) -> dict[str, t.Any]:
    """The result of one run of `surefoot.release.<name>` on this machine, with `more` environment variables; `failed` is among its keys when it failed."""
    interpreter = f"ansible_python_interpreter={sys.executable}"
    command = [str(BIN / "ansible"), "localhost", "-m", f"surefoot.release.{name}", "-a", json.dumps(args), "-e", interpreter]
    environment = ansible_environment(ANSIBLE_LOAD_CALLBACK_PLUGINS="1", ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal", **more)
    done = subprocess.run([*command, *(["--check"] if check else []), "--diff"], env=environment, text=True, capture_output=True, cwd=ROOT, timeout=120)
    start = done.stdout.find("=> {")
    if start < 0:
        raise AssertionError(f"ansible gave no result (rc {done.returncode}):\n{done.stdout}\n{done.stderr}")
    result, _ = json.JSONDecoder().raw_decode(done.stdout[start + 3 :])
    result.setdefault("failed", done.returncode != 0)
    return t.cast("dict[str, t.Any]", result)


def take_signals() -> None:
    """For the moment before a program is begun that is to be interrupted: a script that runs tests in its background has it ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_playbook(*arguments: str, cwd: pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`ansible-playbook` with these arguments, output captured, without a terminal."""
    return subprocess.run(
        [str(BIN / "ansible-playbook"), *arguments],
        cwd=cwd,
        env=ansible_environment(**environment),
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
