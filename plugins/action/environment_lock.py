# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the lock: says who we are, tells whether a holder on this same controller is dead, and beats for one that lives.

What the lock host answered last is kept in the directory that ansible-playbook has for itself, which is gone when it ends.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import socket
import sys
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.surefoot.release.plugins.module_utils.entry import environment_lock as entry
from ansible_collections.surefoot.release.plugins.module_utils.environment_lock import MARK
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import without_variables
from ansible_collections.surefoot.release.plugins.plugin_utils.command_line import without_values
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.action import DirectAction
from ansible_collections.surefoot.release.plugins.plugin_utils.heartbeat import clock, keep, last_beat

MODULE = "surefoot.release.environment_lock"


class ActionModule(DirectAction):
    """Runs M(surefoot.release.environment_lock), and once more when the holder it met turns out to be a dead process of this machine."""

    ENTRY = entry

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(task_vars=task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state", "held") == "held":
            pid = int(arguments.get("pid") or os.getppid())
            ours = {"owner": _user(), "host": socket.gethostname(), "pid": pid, "command": without_values(sys.argv), "process": process_of(pid)}
            arguments = {**ours, **arguments}
        if arguments.get("state") == "kept" and not self._task.check_mode:
            return self._keep(arguments, task_vars)
        if (state := arguments.get("state")) == "refreshed" and (known := _recall(str(arguments.get("token")), float(arguments.get("within", 0)))):
            return known
        begun = clock()
        result = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        holder = result.get("holder")
        if result.get("failed") and isinstance(holder, dict) and is_gone(holder):
            result = self._execute_module(module_name=MODULE, module_args={**arguments, "gone": str(holder.get("token"))}, task_vars=task_vars)
        if state != "read" and not result.get("failed") and isinstance(result.get("lock"), dict) and not self._task.check_mode:
            _remember(result["lock"], begun)
        return without_variables(result)

    def _keep(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Beat for a holder that is another process of this machine, until it ends."""
        heart, ttl, pid = arguments.pop("heart", None), float(arguments.get("ttl", 60)), int(arguments.get("pid") or os.getppid())
        if not heart:
            raise AnsibleActionFail("state is kept but the following is missing: heart")
        told = {key: arguments[key] for key in ("app", "path", "token") if key in arguments}

        def beat() -> dict[str, t.Any]:
            try:
                return without_variables(self._execute_module(MODULE, module_args={**told, "state": "refreshed"}, task_vars=task_vars))
            except AnsibleConnectionFailure as error:
                return {"failed": True, "msg": f"no answer: {error}"}

        started = process_of(pid)
        answer = dict(keep(beat, heart, ttl, lambda: _is_there(pid) and process_of(pid) == started))
        return answer if answer.get("failed") else {**answer, "changed": False}


def _answer_file(token: str) -> str:
    return os.path.join(constants.DEFAULT_LOCAL_TMP, f"surefoot-lock-{hashlib.sha256(token.encode()).hexdigest()}")


def _remember(lock: t.Mapping[str, t.Any], begun: float) -> None:
    """Keep what the host said when it was asked at `begun`. Not being able to costs only asking again."""
    with contextlib.suppress(OSError):
        path = _answer_file(str(lock.get("token")))
        with open(f"{path}.new", "w", encoding="utf-8") as stream:
            json.dump(lock, stream, default=str)
        os.utime(f"{path}.new", (begun, begun))
        os.replace(f"{path}.new", path)


def _recall(token: str, within: float) -> dict[str, t.Any] | None:
    """The last good answer, if it is not older than `within` seconds."""
    with contextlib.suppress(OSError, ValueError):
        path = _answer_file(token)
        if (age := clock() - last_beat(path)) < within:
            with open(path, encoding="utf-8") as stream:
                return {"changed": False, "lock": json.load(stream), "taken_over": None, "reason": f"it was refreshed {age:.0f} s ago"}
    return None


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def process_of(pid: int) -> dict[str, t.Any]:
    """What makes a process of this machine unmistakable, while the machine runs; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            boot = stream.read().strip()
        return {"host": socket.gethostname(), "boot": boot, "namespace": os.readlink("/proc/self/ns/pid"), "user": os.getuid(), "started": _started(pid)}
    except (OSError, ValueError, IndexError):
        return {}


def is_gone(holder: t.Mapping[str, t.Any]) -> bool:
    """Whether a holder is certain to be dead: a process of this start of this machine that is not there any more, and nothing it began either."""
    process, pid, here = holder.get("process"), holder.get("pid"), process_of(os.getpid())
    if not here or not isinstance(process, dict) or not isinstance(pid, int) or pid <= 0:
        return False
    if any(process.get(key) != here[key] for key in ("host", "boot", "namespace", "user")):
        return False
    try:
        os.kill(pid, 0)
        return _started(pid) != process.get("started") and not _left_behind(str(holder.get("token")))
    except ProcessLookupError:
        return not _left_behind(str(holder.get("token")))
    except (OSError, ValueError, IndexError, OverflowError):
        return False


def _started(pid: int) -> str:
    """When a living process began, in ticks of the kernel. Raises ProcessLookupError for one that is dead and only waits for its parent to notice."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        state, *fields = stream.read().rpartition(")")[2].split()  # the name before it may hold anything
    if state in {"Z", "X"}:
        raise ProcessLookupError(pid)
    return fields[18]


def _left_behind(token: str) -> bool:
    """Whether ansible is still at work for the holder. A service it started and a connection that ssh keeps open for later carry the mark too, but are not."""
    mark = f"{MARK}={token}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as stream:
                marked = mark in stream.read().split(b"\0")
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                command = stream.read()
            if marked and b"ansible" in command and not command.startswith(b"ssh: "):
                return True
        except OSError:
            continue
    return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"
