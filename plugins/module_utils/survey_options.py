# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a survey, kind by kind, checked before anything is looked at."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

Params = t.Mapping[str, t.Any]
Spec = t.Mapping[str, t.Any]
Validate = t.Callable[[str, Spec, t.Dict[str, t.Any]], t.Tuple[t.Dict[str, t.Any], t.Sequence[str]]]
"""Validates the options of a kind: its name, an argument spec and what was given, to complete options and what is wrong with them."""

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


def checked(params: Params, validate: Validate) -> dict[str, t.Any]:
    """`params` with the options of each kind complete, its secrets among them. Raises InvalidInput for options that cannot be used."""
    return dict(params, **{kind: _checked(kind, spec(), params, validate) for kind, spec in _SPECS.items() if params.get(kind)})


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


# What a kind of survey needs is imported where it is asked for: a host spends more time on loading code than on looking, and most are asked for little.


def _install() -> Spec:
    return dict(path=dict(type="path", required=True))


def _restart() -> Spec:
    from ansible_collections.surefoot.release.plugins.module_utils.service import options

    return options.ARGUMENT_SPEC


def _pool_member() -> Spec:
    from ansible_collections.surefoot.release.plugins.module_utils.pool import options

    return {key: value for key, value in options.ARGUMENT_SPEC.items() if key != "state"}


def _migrate() -> Spec:
    from ansible_collections.surefoot.release.plugins.module_utils.migrate import options

    return options.ARGUMENT_SPEC


def _flush_cache() -> Spec:
    from ansible_collections.surefoot.release.plugins.module_utils.cache import options

    return options.ARGUMENT_SPEC


def _enable_feature() -> Spec:
    from ansible_collections.surefoot.release.plugins.module_utils.flags import options

    return dict(options.ARGUMENT_SPEC, others=dict(type="list", elements="str"))


_SPECS: t.Mapping[str, t.Callable[[], Spec]] = dict(
    install=_install, restart=_restart, pool_member=_pool_member, migrate=_migrate, flush_cache=_flush_cache, enable_feature=_enable_feature
)


def _checked(kind: str, spec: Spec, params: Params, validate: Validate) -> dict[str, t.Any]:
    exposed = sorted(key for key in params[kind] if spec.get(key, {}).get("no_log"))
    if exposed:
        raise InvalidInput("A secret would be shown", seen="%s under %s" % (", ".join(exposed), kind), todo="give it under secrets.%s" % kind)
    complete, problems = validate(kind, spec, dict(params[kind], **_secrets(params).get(kind, {})))
    if problems:
        raise InvalidInput("The options of %s cannot be used" % kind, seen="; ".join(problems), todo="set the %s_… variables of this host" % kind)
    return complete
