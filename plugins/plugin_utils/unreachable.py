# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an action says of a host that is lost in the middle of a batch. Ansible drops such a host at once, so nothing after its task can speak for it."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.surefoot.release.plugins.plugin_utils.fleet import left_drained, told_left_drained, told_perhaps_drained


@contextlib.contextmanager
def naming_left_drained(variables: t.Mapping[str, t.Any], *, draining: bool = False) -> t.Iterator[None]:
    """Lets a failed connection say, in first place, that its host is left drained, where it is, or may be, where it was lost while `draining`."""
    try:
        yield
    except AnsibleConnectionFailure as error:
        host = str(variables.get("inventory_hostname"))
        if left_drained([host], lambda _host, name: variables.get(name)):
            raise AnsibleConnectionFailure(told_left_drained([host])) from error
        if draining:
            raise AnsibleConnectionFailure(told_perhaps_drained(host)) from error
        raise
