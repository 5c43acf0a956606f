# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's role variables as the options of our modules: `install_path` is the option `path` of install, and so on for every role and option."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.cache import options as cache_options
from ansible_collections.surefoot.release.plugins.module_utils.flags import options as flag_options
from ansible_collections.surefoot.release.plugins.module_utils.migrate import options as migrate_options
from ansible_collections.surefoot.release.plugins.module_utils.pool import options as pool_options
from ansible_collections.surefoot.release.plugins.module_utils.service import options as service_options

Variable = t.Callable[[str], t.Any]
"""The value of a variable of the host, or None where it is not set."""

_OPTIONS: t.Mapping[str, tuple[str, t.Collection[str]]] = {
    "install": ("install_", ("path",)),
    "restart": ("restart_", service_options.ARGUMENT_SPEC),
    "pool_member": ("restart_pool_", pool_options.ARGUMENT_SPEC),
    "migrate": ("migrate_", migrate_options.ARGUMENT_SPEC),
    "flush_cache": ("flush_cache_", cache_options.ARGUMENT_SPEC),
    "enable_feature": ("enable_feature_", flag_options.ARGUMENT_SPEC),
}
_TELLING = {
    "install": "install_path",
    "restart": "restart_manager",
    "pool_member": "restart_pool_backend",
    "migrate": "migrate_engine",
    "flush_cache": "flush_cache_backend",
    "enable_feature": "enable_feature_path",
}
"""The variable whose presence says that a kind of step can be done on a host at all."""

_NOT_LOOKED_AT = frozenset({"state", "audience", "reversible_only"})
"""What is to be reached, and how, which a survey does not ask."""


def survey_options(scope: t.Mapping[str, t.Any], host: str, variable: Variable) -> dict[str, t.Any]:
    """The survey options for `host` in a release's scope: of every kind of step the host is for and has variables for.

    `scope` is what scope_of() returns. What the releases say (versions, flag, prefix) is taken from the last release that says it.
    """
    said = _said([*scope["earlier"], scope["release"]])
    kinds = [kind for kind in _OPTIONS if _is_for(scope, host, kind) and variable(_TELLING[kind]) is not None]
    options = {kind: _given(kind, variable) for kind in kinds}
    if "migrate" in options:
        version = said.get("migrate", {}).get("version")
        options["migrate"].setdefault("path", f"{variable('install_path')}/{f'releases/{version}' if version else 'current'}")
        options["migrate"].update({key: said["migrate"][key] for key in ("to",) if key in said.get("migrate", {})})
    if "restart" in options:
        options["restart"].setdefault("path", variable("install_path"))
    if "flush_cache" in options:
        options["flush_cache"].setdefault("root", f"{variable('install_path')}/current" if variable("install_path") else None)
        options["flush_cache"].update(said.get("flush_cache", {}))
        if not options["flush_cache"].get("shapes"):
            options["flush_cache"].setdefault("version", _flushed_once_for(scope))
    if "enable_feature" in options:
        options["enable_feature"].update(_flags([*scope["earlier"], scope["release"]]))
    return _with_secrets_apart({kind: given for kind, given in options.items() if _complete(kind, given)})


def _with_secrets_apart(options: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The options with those that must not be shown under `secrets`, and without those that are not set."""
    apart: dict[str, dict[str, t.Any]] = {kind: {} for kind in options}
    secrets: dict[str, t.Any] = {}
    for kind, given in options.items():
        spec = _OPTIONS[kind][1]
        for option, value in given.items():
            if value is not None:
                secret = isinstance(spec, t.Mapping) and spec.get(option, {}).get("no_log")
                (secrets.setdefault(kind, {}) if secret else apart[kind])[option] = value
    return {**apart, **({"secrets": json.dumps(secrets)} if secrets else {})}


def _said(releases: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Mapping[str, t.Any]]:
    return {kind: release[kind] for release in releases for kind in _OPTIONS if kind in release}


def _flags(releases: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The flag that is named last, and the others that releases set before."""
    named = list(dict.fromkeys(release["enable_feature"]["flag"] for release in reversed(releases) if "enable_feature" in release))
    return {**({"flag": named[0]} if named else {}), **({"others": named[1:]} if named[1:] else {})}


def _flushed_once_for(scope: t.Mapping[str, t.Any]) -> str | None:
    """Without declared shapes a flush is needed once for each release that declares one; its version, or else its name, tells them apart."""
    flushing = [release for release in [*scope["earlier"], scope["release"]] if "flush_cache" in release]
    return flushing[-1].get("install", {}).get("version") or flushing[-1]["release"] if flushing else None


def _is_for(scope: t.Mapping[str, t.Any], host: str, kind: str) -> bool:
    kinds = {"pool_member": ("restart",), "install": ("install", "migrate")}.get(kind, (kind,))
    return any(host in scope["hosts"].get(known, ()) for known in kinds)


def _given(kind: str, variable: Variable) -> dict[str, t.Any]:
    prefix, options = _OPTIONS[kind]
    found = {option: variable(f"{prefix}{option}") for option in options if option not in _NOT_LOOKED_AT}
    return {option: value for option, value in found.items() if value is not None}


def _complete(kind: str, given: t.Mapping[str, t.Any]) -> bool:
    """A prefix and a flag are named by releases, so before any release has named one there is nothing to look at."""
    named = {"flush_cache": "prefix", "enable_feature": "flag"}.get(kind)
    return named is None or given.get(named) is not None
