"""What ssh is told besides what people configured, so that a host that froze, or an answer that nobody is there to give, is not waited for for ever."""

from __future__ import annotations

import configparser
import contextlib
import os
import pathlib
import typing as t

EXTRA_ARGS = "-o ServerAliveInterval=15 -o ServerAliveCountMax=3"
"""A host whose sshd is silent for 45 seconds is unreachable. ssh goes by the first value it is given, so what stands in ssh_args goes before."""

_VARIABLE = "ANSIBLE_SSH_EXTRA_ARGS"


HOST_KEY_CHECKING = "ANSIBLE_HOST_KEY_CHECKING"


def ask_nobody(environment: t.Mapping[str, str]) -> dict[str, str]:
    """The environment in which ssh fails where it would ask somebody, about a host key it does not know for example: it runs in a terminal that nobody sees."""
    return {} if "SSH_ASKPASS" in environment else {"SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "force"}


def give_up(root: pathlib.Path, environment: t.Mapping[str, str]) -> dict[str, str]:
    """The environment that has ansible give up hosts that froze; empty where people set ssh_extra_args themselves, for ansible run in `root`."""
    return {} if _VARIABLE in environment or _is_configured(root, environment) else {_VARIABLE: EXTRA_ARGS}


def _is_configured(root: pathlib.Path, environment: t.Mapping[str, str]) -> bool:
    """Whether the one ansible.cfg that ansible will read sets it."""
    named = environment.get("ANSIBLE_CONFIG")
    candidates = [root / named] if named else []
    candidates += [root / "ansible.cfg", pathlib.Path.home() / ".ansible.cfg", pathlib.Path("/etc/ansible/ansible.cfg")]
    file = next((path for path in candidates if os.access(path, os.R_OK) and path.is_file()), None)
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(configparser.Error, UnicodeDecodeError):
        parser.read(file or [])
    return parser.has_option("ssh_connection", "ssh_extra_args")
