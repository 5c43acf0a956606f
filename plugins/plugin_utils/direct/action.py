# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module of ours on a host without Ansible's own module library, which a host takes longer to load than most steps take to do.

Where that is not possible the module runs as every other does. See docs/decisions/0014.
"""

from __future__ import annotations

import base64
import secrets
import shlex
import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.surefoot.release.plugins.plugin_utils.direct.arguments import Unfit, validated
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.payload import BOOTSTRAP, answer, payload, sources
from ansible_collections.surefoot.release.plugins.plugin_utils.plain import plain

_COLLECTION = "ansible_collections.surefoot.release.plugins"
_DISCOVERED = frozenset({"auto", "auto_legacy", "auto_silent", "auto_legacy_silent"})

# Read when ansible first looks at the plugin, and so once, in the process that its workers are copies of.
sources()


class DirectAction(ActionBase):  # type: ignore[misc]  # ansible-core is not typed
    """Runs a module of this collection directly on hosts that pipelining reaches."""

    ENTRY: t.Any = None
    """What the module takes and does (see `module_utils/entry`), loaded with the plugin: a worker would load it anew for every task on every host."""

    def _execute_module(self, module_name: str | None = None, module_args: dict[str, t.Any] | None = None, **options: t.Any) -> dict[str, t.Any]:
        name = module_name or self._task.action
        arguments = self._task.args if module_args is None else module_args
        variables = options.get("task_vars") or {}
        run = None if options.get("wrap_async") or self._task.async_val else self._direct(name, arguments, variables)
        if run is None:
            given = None if module_args is None else {key: _as_text(value) for key, value in module_args.items()}
            return t.cast("dict[str, t.Any]", super()._execute_module(module_name=module_name, module_args=given, **options))
        return run

    def _direct(self, name: str, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """The result of a direct run, or None where it is not to be."""
        interpreter = self._is_pipelining_enabled("new") and self._interpreter(variables)
        if not interpreter:
            return None
        entry, leaf = self.ENTRY, name.rpartition(".")[2]
        attached = b"".join(value for value in arguments.values() if isinstance(value, bytes))
        try:
            request = validated(entry, plain({key: value for key, value in arguments.items() if not isinstance(value, bytes)}))
        except Unfit:
            return None
        if hasattr(entry, "needs_ansible") and entry.needs_ansible(request["params"]):
            return None
        Display().vvv(f"Running {name} directly", host=self._play_context.remote_addr)
        marker = f"surefoot-{secrets.token_hex(8)}:"
        request.update(entry=leaf, check_mode=bool(self._task.check_mode), marker=marker, log=self._log(name, variables))
        # The name at its end is for whoever lists processes.
        command = " ".join((interpreter, "-c", shlex.quote(BOOTSTRAP), f"{_COLLECTION}.modules.{leaf}"))
        environment = self._compute_environment_string()
        done = self._low_level_execute_command(f"{environment} {command}".strip(), in_data=payload(request, attached))
        told = answer(done["stdout"], marker)
        if told is None:
            return _no_answer(name, done)
        # They are between ansible and its modules, and ours say none.
        return {key: value for key, value in told.items() if not key.startswith("_ansible_")}

    def _interpreter(self, variables: t.Mapping[str, t.Any]) -> str | None:
        """The host's Python as far as it is known; before Ansible has found it on a host, it is not."""
        of_host = variables.get("ansible_delegated_vars", {}).get(self._task.delegate_to, {}) if self._task.delegate_to else variables
        told = self._templar.template(constants.config.get_config_value("INTERPRETER_PYTHON", variables=of_host))
        if not told or told in _DISCOVERED:
            told = of_host.get("ansible_facts", {}).get("discovered_interpreter_python")
        return str(told) if told else None

    def _log(self, name: str, variables: t.Mapping[str, t.Any]) -> dict[str, str] | None:
        """How the host logs what it was asked, as Ansible would have it; None for not at all."""
        if self._task.no_log or constants.config.get_config_value("DEFAULT_NO_TARGET_SYSLOG", variables=variables):
            return None
        facility = variables.get("ansible_syslog_facility", constants.DEFAULT_SYSLOG_FACILITY)
        info = constants.config.get_config_value("TARGET_LOG_INFO", variables=variables)
        return {"name": f"ansible-{name}", "facility": str(facility), "info": str(info or "")}


def _as_text(value: t.Any) -> t.Any:
    """What is attached, as an option that any module can be given."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _no_answer(name: str, done: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    seen = (str(done["stderr"]).strip() or str(done["stdout"]).strip())[-500:] or "nothing"
    message = f"{name} gave no answer and ended with {done['rc']}; found: {seen}; next: see that the host's Python is 3.8 or later, then run the same again"
    return {"failed": True, "msg": message, "rc": done["rc"], "module_stdout": done["stdout"], "module_stderr": done["stderr"]}
