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
from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

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


def take(params: Params, run: Run) -> dict[str, t.Any]:
    """The survey of this host: `{receipt, receipt_problem, artifacts, service, pool, migrations, cache, flag}`, None for what was not asked for.

    `params` follow ARGUMENT_SPEC; `run` is AnsibleModule.run_command. Raises SurefootError for options that cannot be used and for a damaged receipt.
    """
    path = params.get("receipt")
    found: dict[str, t.Any] = dict(receipt=receipts.read(path) if path else None, receipt_problem=receipts.problem(path) if path else None)
    for kind, (name, look) in _LOOKS.items():
        found[name] = look(params, run) if params.get(kind) else None
    return found


def secret_values(params: Params) -> set[str]:
    """The secrets among `params`, to be masked in whatever a module says. Raises InvalidInput for secrets that are no mapping of mappings."""
    secrets = [value for given in _secrets(params).values() for value in given.values()]
    found = {value for value in secrets if isinstance(value, str) and value}
    nested = [str(value) for environment in secrets if isinstance(environment, dict) for value in environment.values()]
    if nested:
        from ansible_collections.surefoot.release.plugins.module_utils.migrate.options import SECRET_LENGTH

        found |= {value for value in nested if len(value) >= SECRET_LENGTH}
    for asked in filter(None, (params.get("restart"), params.get("pool_member"))):
        from ansible_collections.surefoot.release.plugins.module_utils.health import secrets_in

        found |= secrets_in(asked)
    return found


def _secrets(params: Params) -> dict[str, dict[str, t.Any]]:
    try:
        secrets = json.loads(params.get("secrets") or "{}")
    except ValueError:
        secrets = None
    if not isinstance(secrets, dict) or not all(isinstance(given, dict) for given in secrets.values()):
        raise InvalidInput("The secrets cannot be read", todo="give them by kind, such as secrets: {migrate: {url: …}}")
    return secrets


# What a kind of survey needs is imported where it is done: a host spends more time on loading code than on looking, and most are asked for little.


def _artifacts(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.artifact import store

    return store.survey(_checked("install", dict(path=dict(type="path", required=True)), params))


def _service(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.service import options, survey

    return survey.survey(_checked("restart", options.ARGUMENT_SPEC, params), run)


def _pool(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.pool import options, survey

    return survey.survey(_checked("pool_member", _stateless(options.ARGUMENT_SPEC), params), run)


def _migrations(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.migrate import options, survey

    return survey.survey(_from_what_is_there(_checked("migrate", options.ARGUMENT_SPEC, params), params), run)


def _cache(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.cache import options, survey

    return survey.survey(_checked("flush_cache", options.ARGUMENT_SPEC, params))


def _flag(params: Params, run: Run) -> dict[str, t.Any]:
    from ansible_collections.surefoot.release.plugins.module_utils.flags import options, survey

    return survey.survey(_checked("enable_feature", dict(options.ARGUMENT_SPEC, others=dict(type="list", elements="str")), params))


_LOOKS: dict[str, tuple[str, t.Callable[[Params, Run], dict[str, t.Any]]]] = dict(
    install=("artifacts", _artifacts),
    restart=("service", _service),
    pool_member=("pool", _pool),
    migrate=("migrations", _migrations),
    flush_cache=("cache", _cache),
    enable_feature=("flag", _flag),
)
"""For each kind of step the name of its part of a survey, and how to look."""

PARTS: t.Mapping[str, str] = {kind: name for kind, (name, _look) in _LOOKS.items()}
"""For each kind of step the name of its part of a survey."""


def _checked(kind: str, spec: t.Mapping[str, t.Any], params: Params) -> dict[str, t.Any]:
    exposed = sorted(key for key in params[kind] if spec.get(key, {}).get("no_log"))
    if exposed:
        raise InvalidInput("A secret would be shown", seen="%s under %s" % (", ".join(exposed), kind), todo="give it under secrets.%s" % kind)
    validated = ArgumentSpecValidator(spec).validate(dict(params[kind], **_secrets(params).get(kind, {})))
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
