# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading in one go what a host really holds. Nothing here changes anything."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils import receipt as receipts
from ansible_collections.surefoot.release.plugins.module_utils.artifact import store
from ansible_collections.surefoot.release.plugins.module_utils.cache import options as cache_options
from ansible_collections.surefoot.release.plugins.module_utils.cache import survey as cache
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.flags import options as flag_options
from ansible_collections.surefoot.release.plugins.module_utils.flags import survey as flags
from ansible_collections.surefoot.release.plugins.module_utils.migrate import options as migrate_options
from ansible_collections.surefoot.release.plugins.module_utils.migrate import survey as migrations
from ansible_collections.surefoot.release.plugins.module_utils.pool import options as pool_options
from ansible_collections.surefoot.release.plugins.module_utils.pool import survey as pool
from ansible_collections.surefoot.release.plugins.module_utils.service import options as service_options
from ansible_collections.surefoot.release.plugins.module_utils.service import survey as service

Params = t.Mapping[str, t.Any]

ARGUMENT_SPEC: dict[str, t.Any] = dict(
    receipt=dict(type="path"),
    install=dict(type="dict"),
    restart=dict(type="dict"),
    pool_member=dict(type="dict"),
    migrate=dict(type="dict"),
    flush_cache=dict(type="dict"),
    enable_feature=dict(type="dict"),
    secrets=dict(type="json", no_log=True),
)
"""One option per kind of thing to look at, each with the options of the module of that name; what is left out is not looked at.

Options that those modules keep secret stand under `secrets`, again by kind. It is one JSON text: of a mapping, ansible would blank every value
wherever it turns up, plain words among them."""


def take(params: Params, run: t.Callable[..., t.Any]) -> dict[str, t.Any]:
    """The survey of this host: `{receipt, artifacts, service, pool, migrations, cache, flag}`, None for what was not asked for.

    `params` follow ARGUMENT_SPEC; `run` is AnsibleModule.run_command. Raises SurefootError for options that cannot be used and for a damaged receipt.
    """
    return dict(
        receipt=receipts.read(params["receipt"]) if params.get("receipt") else None,
        artifacts=store.survey(_checked("install", dict(path=dict(type="path", required=True)), params)) if params.get("install") else None,
        service=service.survey(_checked("restart", service_options.ARGUMENT_SPEC, params), run) if params.get("restart") else None,
        pool=pool.survey(_checked("pool_member", _stateless(pool_options.ARGUMENT_SPEC), params), run) if params.get("pool_member") else None,
        migrations=migrations.survey(_from_what_is_there(_checked("migrate", migrate_options.ARGUMENT_SPEC, params), params), run)
        if params.get("migrate")
        else None,
        cache=cache.survey(_checked("flush_cache", cache_options.ARGUMENT_SPEC, params)) if params.get("flush_cache") else None,
        flag=flags.survey(_checked("enable_feature", flag_options.ARGUMENT_SPEC, params)) if params.get("enable_feature") else None,
    )


def secret_values(params: Params) -> set[str]:
    """The secrets among `params`, to be masked in whatever a module says."""
    return {value for given in json.loads(params.get("secrets") or "{}").values() for value in given.values() if isinstance(value, str) and value}


def _checked(kind: str, spec: t.Mapping[str, t.Any], params: Params) -> dict[str, t.Any]:
    exposed = sorted(key for key in params[kind] if spec.get(key, {}).get("no_log"))
    if exposed:
        raise InvalidInput("A secret would be shown", seen="%s under %s" % (", ".join(exposed), kind), todo="give it under secrets.%s" % kind)
    validated = ArgumentSpecValidator(spec).validate(dict(params[kind], **json.loads(params.get("secrets") or "{}").get(kind, {})))
    if validated.error_messages:
        raise InvalidInput(
            "The options of %s cannot be used" % kind, seen="; ".join(validated.error_messages), todo="set the %s_… variables of this host" % kind
        )
    return validated.validated_parameters


def _stateless(spec: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in spec.items() if key != "state"}


def _from_what_is_there(migrate: dict[str, t.Any], params: Params) -> dict[str, t.Any]:
    """Until the artifact with the migrations is staged, the live one says what is applied."""
    install = (params.get("install") or {}).get("path")
    if install and not os.path.isdir(migrate["path"]):
        return dict(migrate, path=os.path.join(install, "current"))
    return migrate
