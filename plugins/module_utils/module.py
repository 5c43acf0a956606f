# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the code of our modules uses of a module, whichever way it got to the host."""

from __future__ import annotations

import typing as t


class Module(t.Protocol):
    """C(AnsibleModule), or what stands for it where Ansible's library was not sent along.

    `params` are validated. Whatever is in `no_log_values` is masked in all that the module says.
    """

    params: dict[str, t.Any]
    check_mode: bool
    no_log_values: set[str]

    def run_command(self, args: list[str], **options: t.Any) -> tuple[int, str, str]:
        """Run a command without a shell: exit code, standard output and standard error."""

    def warn(self, warning: str) -> None:
        """Tell people something when the module has ended well."""

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        """End with this result."""

    def fail_json(self, msg: str, **result: t.Any) -> t.NoReturn:
        """End with a failure."""
