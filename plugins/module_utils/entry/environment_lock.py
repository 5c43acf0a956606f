# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module environment_lock takes and does."""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.surefoot.release.plugins.module_utils import environment_lock as locks
from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError, describe

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module


SIGNATURE: dict[str, t.Any] = dict(
    argument_spec=dict(
        app=dict(type="str", required=True),
        path=dict(type="path", default="/var/lib/surefoot"),
        state=dict(type="str", choices=["held", "refreshed", "kept", "released", "read"], default="held"),
        token=dict(type="str", no_log=False),
        owner=dict(type="str"),
        host=dict(type="str"),
        command=dict(type="str"),
        pid=dict(type="int"),
        ttl=dict(type="float", default=60),
        within=dict(type="float", default=0),
        heart=dict(type="path"),
        process=dict(type="dict"),
        gone=dict(type="str"),
    ),
    required_if=[("state", state, ["token"]) for state in ("refreshed", "kept", "released")],
)


def run(module: Module) -> None:
    try:
        found = _perform(module.params, module.check_mode)
    except SurefootError as error:
        holder = dict(holder=error.holder) if isinstance(error, locks.Held) else {}
        module.fail_json(msg=str(error), error=describe(error), lost=isinstance(error, (locks.Held, locks.Lost)), **holder)
    before, after = _state(found.before), _state(found.lock)
    module.exit_json(changed=before != after, diff=dict(before=before, after=after), reason=found.reason, lock=found.lock, taken_over=found.taken_over)


def _perform(params: t.Mapping[str, t.Any], check_mode: bool) -> locks.Found:
    path = locks.lock_path(params["path"], params["app"])
    if params["state"] == "read":
        lock = locks.read(path)
        return locks.Found(locks.described(lock) if lock else "nobody holds the lock", lock, lock)
    if params["state"] in ("refreshed", "kept"):
        return locks.refresh(path, params["token"], check_mode=check_mode)
    if params["state"] == "released":
        return locks.release(path, params["token"], check_mode=check_mode)
    holder = dict(
        app=params["app"],
        token=params["token"] or uuid.uuid4().hex,
        owner=params["owner"] or "somebody",
        host=params["host"] or "a controller",
        pid=params["pid"] or 0,
        command=params["command"] or "a playbook",
        process=params["process"] or {},
    )
    return locks.acquire(path, holder, params["ttl"], gone=params["gone"], check_mode=check_mode)


def _state(lock: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    return {key: lock[key] for key in ("token", "owner", "host", "command", "since")} if lock else {}
