# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands for C(AnsibleModule) in a direct run. The controller has checked the options, so what checks them need not be loaded on the host."""

from __future__ import annotations

import contextlib
import importlib
import json
import locale
import os
import selectors
import subprocess
import sys
import traceback
import typing as t

ENTRIES = "ansible_collections.surefoot.release.plugins.module_utils.entry"
MASK = "********"
SECRET = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # noqa: S105  # what Ansible shows instead of one

_LOOK_SECONDS = 0.05
_CHUNK = 64 * 1024
_AS_HERE = dict(handle_exceptions=False, expand_user_and_vars=False, ignore_invalid_cwd=False)


class DirectModule:
    """See `module.Module`. `marker` stands before the answer, which a host may say other things around."""

    def __init__(self, request: t.Mapping[str, t.Any]) -> None:
        self.params: dict[str, t.Any] = request["params"]
        self.check_mode: bool = request["check_mode"]
        self.no_log_values: set[str] = set(request["no_log"])
        self._marker: str = request["marker"]
        self._warnings: list[str] = []

    def run_command(
        self,
        args: list[str],
        *,
        cwd: str | None = None,
        environ_update: t.Mapping[str, str] | None = None,
        pass_fds: t.Sequence[int] = (),
        **options: t.Any,
    ) -> tuple[int, str, str]:
        """As C(AnsibleModule.run_command) does it for a list of words in which nothing is to be expanded. Raises OSError where it cannot be started."""
        if options.items() - _AS_HERE.items():
            raise TypeError("a direct run knows no other way to run a command than %s, not %s" % (_AS_HERE, options))
        environment = {**os.environ, **(environ_update or {})}
        pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with subprocess.Popen(args, cwd=cwd, env=environment, pass_fds=tuple(pass_fds), **pipes) as process:
            out, err = _said(process)
            return process.wait(), out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")

    def warn(self, warning: str) -> None:
        """Have the controller tell it."""
        self._warnings.append(warning)

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        """Answer, and end."""
        self._answer(result)
        raise SystemExit(0)

    def fail_json(self, msg: str, **result: t.Any) -> t.NoReturn:
        """Answer that it failed, and end."""
        self._answer(dict(result, failed=True, msg=str(msg)))
        raise SystemExit(1)

    def _answer(self, result: dict[str, t.Any]) -> None:
        asked = {name: value for name, value in self.params.items() if not isinstance(value, bytes)}
        told = dict(dict(changed=False, invocation=dict(module_args=asked)), **result)
        if self._warnings:
            told["warnings"] = [*self._warnings, *told.get("warnings", ())]
        sys.stdout.write("\n%s%s\n" % (self._marker, json.dumps(masked(told, self.no_log_values))))
        sys.stdout.flush()


def _said(process: subprocess.Popen[bytes]) -> list[bytes]:
    """What a process says on its standard output and error until it ends. A service that it started may hold both open for as long as it runs."""
    said: dict[t.Any, bytes] = {process.stdout: b"", process.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for stream in said:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ended = process.poll() is not None
            ready = selector.select(0 if ended else _LOOK_SECONDS)
            if ended and not ready:
                break
            for key, _events in ready:
                chunk = os.read(key.fd, _CHUNK)
                said[key.fileobj] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
    return list(said.values())


def serve(request: t.Mapping[str, t.Any], attached: bytes) -> None:
    """Run the module that a request names. `attached` is the value of its option ATTACHED, where it has one."""
    _ensure_locale()
    expand(request, request["paths"])
    module = DirectModule(request)
    if request["log"]:
        _log(request["log"], invocation(module.params, module.no_log_values))
    try:
        # What surveys validate for themselves the controller has validated too.
        further = [lambda kind, _spec, _given: (request["kinds"][kind], ())] if "kinds" in request else []
        entry = importlib.import_module("%s.%s" % (ENTRIES, request["entry"]))
        if attached:
            module.params[entry.ATTACHED] = attached
        entry.run(module, *further)
    except Exception as error:  # noqa: BLE001  # an answer is what the controller can tell people
        module.fail_json("The module broke off: %s: %s" % (type(error).__name__, error), exception=traceback.format_exc())


def expand(request: t.Mapping[str, t.Any], paths: t.Iterable[t.Sequence[t.Any]]) -> None:
    """Put a home directory and variables in for C(~) and C($NAME) at each of `paths`, as Ansible does it for options of the type path."""
    for *way, last in paths:
        holder: t.Any = request
        for key in way:
            holder = holder[key]
        holder[last] = os.path.expanduser(os.path.expandvars(holder[last]))


def masked(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Plain data without any of `secrets`, as Ansible shows it."""
    if isinstance(value, dict):
        return {key: masked(part, secrets) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(part, secrets) for part in value]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    text = str(value)
    if text in secrets:
        return SECRET
    if isinstance(value, str):
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            value = value.replace(secret, MASK)
    return value


def invocation(params: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> str:
    """What a module was asked, for the host's own log. Values in which a secret could stand that nobody declared as one are left out."""
    told = {name: value if _is_harmless(name, value) else "NOT_LOGGING_PARAMETER" for name, value in params.items() if value is not None}
    return "Invoked with " + " ".join("%s=%s" % item for item in masked(told, secrets).items())


def _is_harmless(name: str, value: t.Any) -> bool:
    return isinstance(value, (str, int, float)) and len(str(value)) <= 200 and not name.endswith("url") and "://" not in str(value)


def _log(log: t.Mapping[str, str], message: str) -> None:
    with contextlib.suppress(ImportError, TypeError, ValueError):
        import syslog

        syslog.openlog(log["name"], 0, getattr(syslog, log["facility"], syslog.LOG_USER))
        syslog.syslog(syslog.LOG_INFO, " ".join(filter(None, (log["info"], message))))


def _ensure_locale() -> None:
    """Where a controller's locale came along that this host has not, every program would complain of it."""
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:
        os.environ.update(LANG="C", LC_ALL="C", LC_MESSAGES="C")
