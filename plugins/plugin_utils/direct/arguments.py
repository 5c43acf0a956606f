# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a module, validated on the controller for a host that is another machine and another user."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils import survey_options
from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError

Spec = t.Mapping[str, t.Mapping[str, t.Any]]
Way = tuple[t.Any, ...]
"""The keys and places that lead to a value within values."""


class Unfit(Exception):
    """The options are not what the module takes. It says so itself best."""


def validated(entry: t.Any, arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options of an entry (see `module_utils/entry`) as the part of a request that concerns them.

    That is `params`, complete but for what only the host can tell: `paths` lead to where it puts in its home directories and variables. `no_log` are the
    secrets. Of an entry that surveys, `kinds` are the complete options of each kind. Raises Unfit.
    """
    signature = entry.SIGNATURE
    params = _validated(signature, arguments)
    paths = [("params", *way) for way in path_ways(signature["argument_spec"], params)]
    told: dict[str, t.Any] = {"params": params, "no_log": sorted(secrets_of(signature["argument_spec"], params))}
    if getattr(entry, "SURVEYS", False):
        told["kinds"] = _kinds(params, paths)
    return {**told, "paths": paths}


def _kinds(params: dict[str, t.Any], paths: list[Way]) -> dict[str, t.Any]:
    kinds: dict[str, t.Any] = {}

    def validate(kind: str, spec: Spec, given: dict[str, t.Any]) -> tuple[dict[str, t.Any], tuple[str, ...]]:
        kinds[kind] = _validated({"argument_spec": spec}, given)
        paths.extend(("kinds", kind, *way) for way in path_ways(spec, kinds[kind]))
        return kinds[kind], ()

    try:
        survey_options.checked(params, validate)
    except SurefootError as error:
        raise Unfit(str(error)) from error
    return kinds


def _validated(signature: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = ArgumentSpecValidator(**{**signature, "argument_spec": without_paths(signature["argument_spec"])}).validate(dict(given))
    if found.error_messages:
        raise Unfit("; ".join(found.error_messages))
    return t.cast("dict[str, t.Any]", found.validated_parameters)


def without_paths(spec: Spec) -> dict[str, dict[str, t.Any]]:
    """The spec with paths as text, which nothing is put into."""
    return {name: _without_paths(option) for name, option in spec.items()}


def _without_paths(option: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    told = {key: "str" if key in {"type", "elements"} and value == "path" else value for key, value in option.items()}
    return {**told, "options": without_paths(option["options"])} if option.get("options") else told


def path_ways(spec: Spec, params: t.Mapping[str, t.Any]) -> t.Iterator[Way]:
    """The way to each path among validated options."""
    for way, option, value in _leaves(spec, params):
        if option.get("type") == "path":
            yield way
        elif option.get("elements") == "path":
            yield from ((*way, place) for place in range(len(value)))


def secrets_of(spec: Spec, params: t.Mapping[str, t.Any]) -> set[str]:
    """Every value, as text, of options that are not to be logged."""
    return {text for _way, option, value in _leaves(spec, params) if option.get("no_log") for text in _texts(value)}


def _leaves(spec: Spec, params: t.Mapping[str, t.Any]) -> t.Iterator[tuple[Way, t.Mapping[str, t.Any], t.Any]]:
    """Each option that is set, with the way to it, its spec and its value; of one that has options of its own, those as well."""
    for name, option in spec.items():
        value = params.get(name)
        if value is None:
            continue
        yield (name,), option, value
        inner = {(name,): value} if isinstance(value, t.Mapping) else {(name, place): one for place, one in enumerate(value)} if isinstance(value, list) else {}
        for way, one in inner.items() if option.get("options") else ():
            yield from (((*way, *further), what, found) for further, what, found in _leaves(option["options"], one))


def _texts(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, t.Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
    elif value is not None and not isinstance(value, bool) and str(value):
        yield str(value)
