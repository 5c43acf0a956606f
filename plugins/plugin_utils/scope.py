# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release in its surroundings: the releases before it, the gates it names, and the hosts each of its steps is for."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.health import secret_headers, without_password
from ansible_collections.surefoot.release.plugins.plugin_utils.release import DEFAULT_HOSTS, STEP_KINDS, Release, did_you_mean, parse_release
from ansible_collections.surefoot.release.plugins.plugin_utils.units import seconds

NOWHERE = "all:!all"
"""A host pattern that matches nothing and, other than an unknown group, causes no warning."""

Resolve = t.Callable[[str], t.Sequence[str]]
"""The hosts an Ansible host pattern stands for, in inventory order."""


def scope_of(project: t.Mapping[str, t.Any], feature: t.Mapping[str, t.Any], name: str | None, resolve: Resolve) -> dict[str, t.Any]:
    """The scope of release `name`, or with no name that of the whole feature, for surveys.

    Returns `{app, feature, release, earlier, undoing, hosts, survey, stage, migrate, roll, flush_cache, enable_feature, batches}`: releases as mappings with
    their gates resolved, `hosts` by kind of step, and for each phase the host pattern of its play. Raises InvalidInput.
    """
    app = _text(project, "app", "surefoot.yml")
    releases = parse_feature(feature)
    index = len(releases) - 1 if name is None else _position(releases, name, str(feature.get("feature")))
    concerned = releases if name is None else releases[: index + 1]
    release, earlier = concerned[-1], concerned[:-1]
    if name is not None and release.playbook:
        raise InvalidInput(f"Release {name} is a playbook of its own", todo=f"run ansible-playbook {release.playbook}, or let surefoot apply do it")
    hosts = _hosts(project, concerned, resolve)
    return {
        "app": app,
        "feature": feature["feature"],
        "release": _with_gates(release, project.get("gates") or {}, project.get("verify") or ()),
        "earlier": [before.as_mapping() for before in earlier],
        "undoing": feature.get("undoing"),
        "hosts": hosts,
        "batches": list(release.batches),
        **(_survey_only(hosts) if name is None else _phases(release, hosts)),
    }


def parse_feature(feature: t.Mapping[str, t.Any]) -> tuple[Release, ...]:
    """The releases of a feature file, in order. Raises InvalidInput for a missing name, an empty path and names used twice."""
    _text(feature, "feature", "the feature file")
    written = feature.get("releases")
    if not isinstance(written, (list, tuple)) or not written:
        raise InvalidInput(f"Feature {feature['feature']} has no releases", todo="list them in order under the key releases")
    releases = tuple(parse_release(release, feature["feature"]) for release in written)
    names = [release.name for release in releases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput("Two releases have the same name", seen=", ".join(twice))
    return releases


def resolve_gates(written: t.Sequence[t.Any], known: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Gates by name or written in place, each as a mapping; named ones carry their `name`. Raises InvalidInput for a name nobody defined."""
    gates = []
    for gate in written:
        if isinstance(gate, str):
            if gate not in known:
                raise InvalidInput(f"Gate {gate} is not defined", todo=did_you_mean(gate, known) or "define it under gates in surefoot.yml")
            gates.append({"name": gate, **_in_seconds(known[gate])})
        elif isinstance(gate, t.Mapping):
            if len({"http", "command"} & set(gate)) != 1:
                raise InvalidInput("A gate is of kind http or command", seen=sorted(gate))
            gates.append(_in_seconds(gate))
        else:
            raise InvalidInput("A gate is a name or a mapping", seen=repr(gate))
    return gates


def _with_gates(release: Release, known: t.Mapping[str, t.Any], always: t.Sequence[t.Any]) -> dict[str, t.Any]:
    """The release as a mapping whose gates are all mappings, those that are `always` asked among them."""
    between = {"restart": {**release.steps["restart"], "verify": resolve_gates(release.batch_gates, known)}} if release.batch_gates else {}
    return {**release.as_mapping(), **between, "verify": resolve_gates([*release.verify, *always], known)}


def _in_seconds(gate: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: seconds(value) if key in {"timeout", "interval"} else value for key, value in gate.items()}


def with_names(gates: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Gates whose variables are resolved, each with a name to call it by in output."""
    return [{**gate, "name": gate_name(gate)} for gate in gates]


def gate_name(gate: t.Mapping[str, t.Any]) -> str:
    """What a gate is called in output: its own name, or what it asks and for which answer."""
    if gate.get("name"):
        return str(gate["name"])
    http = gate.get("http")
    if isinstance(http, t.Mapping):
        given = http.get("headers") or {}
        secret = secret_headers(given)
        headers = "".join(f" {key}:{'…' if str(value) in secret else value}" for key, value in given.items())
        return f"{http.get('method', 'GET')} {without_password(str(http.get('url')))}{headers} expects {http.get('expect', 200)}"
    return " ".join(map(str, gate.get("command") or ()))


def _position(releases: t.Sequence[Release], name: str, feature: str) -> int:
    names = [release.name for release in releases]
    if name not in names:
        raise InvalidInput(f"Feature {feature} has no release {name}", seen=", ".join(names), todo=did_you_mean(name, names))
    return names.index(name)


def _hosts(project: t.Mapping[str, t.Any], releases: t.Sequence[Release], resolve: Resolve) -> dict[str, list[str]]:
    patterns = {**DEFAULT_HOSTS, **(project.get("hosts") or {})}
    hosts: dict[str, list[str]] = {}
    for kind in STEP_KINDS:
        found = list(resolve(str(patterns[kind])))
        if kind == "migrate":
            found = found[:1]
        if not found and any(kind in release.steps for release in releases):
            raise InvalidInput(f"No host matches {patterns[kind]}, where {kind} is to be done", todo=f"check hosts.{kind} in surefoot.yml and the inventory")
        hosts[kind] = found
    return hosts


def _phases(release: Release, hosts: t.Mapping[str, t.Sequence[str]]) -> dict[str, str]:
    def pattern(*kinds: str) -> str:
        names = dict.fromkeys(name for kind in kinds if kind in release.steps for name in hosts[kind])
        return ",".join(names) or NOWHERE

    return {
        "survey": pattern(*STEP_KINDS),
        "stage": pattern("install", "migrate"),
        "migrate": pattern("migrate"),
        "roll": pattern("install", "restart"),
        "flush_cache": pattern("flush_cache"),
        "enable_feature": pattern("enable_feature"),
    }


def _survey_only(hosts: t.Mapping[str, t.Sequence[str]]) -> dict[str, str]:
    names = dict.fromkeys(name for kind in STEP_KINDS for name in hosts[kind])
    return {"survey": ",".join(names) or NOWHERE}


def _text(mapping: t.Mapping[str, t.Any], key: str, where: str) -> str:
    value = mapping.get(key) if isinstance(mapping, t.Mapping) else None
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where} has no {key}", todo=f"begin it with {key}: NAME")
    return value
