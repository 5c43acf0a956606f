# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is: the parsed form of one entry of a feature file, shared by the playbooks and the runner."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.step_values import check_values
from ansible_collections.surefoot.release.plugins.plugin_utils.units import batch_sizes, fraction, seconds

STEP_KINDS = ("migrate", "install", "restart", "flush_cache", "enable_feature")
"""The kinds of step, in the order in which one release performs them."""

STEP_KEYS: t.Mapping[str, frozenset[str]] = {
    "migrate": frozenset({"version", "to", "state"}),
    "install": frozenset({"version"}),
    "restart": frozenset({"batches", "verify"}),
    "flush_cache": frozenset({"prefix"}),
    "enable_feature": frozenset({"flag", "audience", "ramp", "each", "state"}),
}
RELEASE_KEYS = frozenset({"release", "why", "impact", "verify", "soak", "hooks", "playbook", *STEP_KINDS})
IMPACT_KEYS = frozenset({"downtime", "errors", "slower", "because"})
HOOKS = frozenset(f"{moment}_{kind}" for moment in ("before", "after") for kind in STEP_KINDS)
DEFAULT_HOSTS: t.Mapping[str, str] = {"install": "app", "migrate": "app", "restart": "app", "flush_cache": "cache", "enable_feature": "app"}
DEFAULT_BATCHES: tuple[t.Any, ...] = (1, "25%")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Impact:
    """What users are told to expect: `downtime` in seconds, `errors` and `slower` as fractions; all 0 means that nobody notices."""

    downtime: float = 0.0
    errors: float = 0.0
    slower: float | None = None
    because: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """One small patch. `steps` maps a kind of step to its parameters as written; `soak` is in seconds; `verify` holds gates as written."""

    name: str
    feature: str = ""
    why: str = ""
    steps: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    impact: Impact = Impact()
    verify: tuple[t.Any, ...] = ()
    soak: float = 0.0
    hooks: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    playbook: str | None = None

    @property
    def version(self) -> str | None:
        """The artifact this release makes live, if it installs one."""
        return t.cast("str | None", self.steps.get("install", {}).get("version"))

    @property
    def staged_version(self) -> str | None:
        """The artifact this release needs on hosts, live or only staged."""
        return self.version or t.cast("str | None", self.steps.get("migrate", {}).get("version"))

    @property
    def flag(self) -> str | None:
        """The flag this release opens or closes, if it does."""
        return t.cast("str | None", self.steps.get("enable_feature", {}).get("flag"))

    @property
    def activates_apart(self) -> bool:
        """Whether something stands between drain and restart, or no restart follows; otherwise the restart makes the version live as well."""
        return bool({"after_install", "before_restart"} & set(self.hooks)) or ("install" in self.steps and "restart" not in self.steps)

    @property
    def batches(self) -> tuple[t.Any, ...]:
        """The batches of the roll, as written."""
        return tuple(self.steps.get("restart", {}).get("batches") or DEFAULT_BATCHES)

    @property
    def batch_gates(self) -> tuple[t.Any, ...]:
        """The gates between two batches of the roll, as written."""
        return tuple(self.steps.get("restart", {}).get("verify") or ())

    @property
    def ramp(self) -> tuple[float, ...]:
        """The percentages (0 to 100) a feature is opened by, one after the other; empty where it opens at once."""
        return tuple(fraction(share) * 100 for share in self.steps.get("enable_feature", {}).get("ramp") or ())

    def as_mapping(self) -> dict[str, t.Any]:
        """The release in the vocabulary of the feature file; parsing it again gives an equal release."""
        mapping: dict[str, t.Any] = {"release": self.name, **{kind: dict(self.steps[kind]) for kind in STEP_KINDS if kind in self.steps}}
        impact = {key: value for key, value in dataclasses.asdict(self.impact).items() if value not in (0.0, None, "")}
        for share in ("errors", "slower"):
            if share in impact:
                impact[share] = f"{impact[share] * 100:g}%"
        optional = {"why": self.why, "impact": impact, "verify": list(self.verify), "soak": self.soak, "hooks": dict(self.hooks), "playbook": self.playbook}
        return {**mapping, **{key: value for key, value in optional.items() if value}}

    def digest(self) -> str:
        """sha256 over everything that decides what this release does and how it is checked."""
        return hashlib.sha256(json.dumps(self.as_mapping(), sort_keys=True, default=str).encode()).hexdigest()


def parse_release(mapping: t.Any, feature: str = "") -> Release:
    """The release of `feature` written as `mapping`. Raises InvalidInput that names the release, the key and the nearest known key."""
    if not isinstance(mapping, t.Mapping) or not isinstance(mapping.get("release"), str):
        raise InvalidInput("A release is a mapping with a name under the key release", seen=_short(mapping))
    name = mapping["release"]
    if not NAME.fullmatch(name):
        raise InvalidInput("A release's name is lower-case letters, digits, dots, dashes and underscores", seen=_short(name))
    try:
        return _parse(name, feature, mapping)
    except InvalidInput as error:
        raise InvalidInput(f"Release {name}: {error.message}", seen=error.seen, todo=error.todo) from error


def _parse(name: str, feature: str, mapping: t.Mapping[str, t.Any]) -> Release:
    check_keys(mapping, RELEASE_KEYS)
    steps = {kind: _parse_step(kind, mapping[kind]) for kind in STEP_KINDS if kind in mapping}
    playbook = mapping.get("playbook")
    if bool(steps) == bool(playbook):
        raise InvalidInput("holds either steps or a playbook", seen=sorted(mapping))
    hooks = _mapping("hooks", mapping.get("hooks"))
    check_keys(hooks, HOOKS)
    return Release(
        name=name,
        feature=feature,
        why=str(mapping.get("why") or ""),
        steps=steps,
        impact=_parse_impact(_mapping("impact", mapping.get("impact"))),
        verify=tuple(mapping.get("verify") or ()),
        soak=seconds(mapping.get("soak") or 0),
        hooks={key: str(path) for key, path in hooks.items()},
        playbook=playbook,
    )


def _parse_step(kind: str, written: t.Any) -> t.Mapping[str, t.Any]:
    step = {key: value for key, value in _mapping(kind, written).items() if not key.startswith("x-")}
    check_keys(step, STEP_KEYS[kind])
    for key in ("version", "to"):
        if key in step and not isinstance(step[key], str):
            raise InvalidInput(f"{kind}.{key} is text; write it in quotes", seen=repr(step[key]), todo=f'write {key}: "{step[key]}"')
    check_values(kind, step)
    required = {"migrate": ("version",), "install": ("version",), "flush_cache": ("prefix",), "enable_feature": ("flag",)}.get(kind, ())
    missing = [key for key in required if not step.get(key)]
    if missing:
        raise InvalidInput(f"{kind} needs {', '.join(missing)}", seen=sorted(step))
    if kind == "restart" and "batches" in step:
        batch_sizes(step["batches"], 1)
    if kind == "enable_feature":
        if step.get("state", "present") == "present" and not step.get("audience"):
            raise InvalidInput("enable_feature needs an audience", seen=sorted(step), todo="say whom it opens to, for example audience: {groups: [staff]}")
        shares = [fraction(share) for share in step.get("ramp") or ()]
        if shares != sorted(set(shares)):
            raise InvalidInput("a ramp grows from step to step", seen=step["ramp"])
        seconds(step.get("each") or 0)
        share = (step.get("audience") or {}).get("percentage")
        if isinstance(share, str) and share.endswith("%"):
            step["audience"] = {**step["audience"], "percentage": fraction(share) * 100}
    return step


def _parse_impact(written: t.Mapping[str, t.Any]) -> Impact:
    check_keys(written, IMPACT_KEYS)
    slower = written.get("slower")
    return Impact(
        downtime=seconds(written.get("downtime") or 0),
        errors=fraction(written.get("errors") or "0%"),
        slower=None if slower is None else fraction(slower),
        because=str(written.get("because") or ""),
    )


def check_keys(mapping: t.Mapping[str, t.Any], known: t.Collection[str]) -> None:
    """Raise InvalidInput for the first unknown key, naming the nearest known one; keys that start with `x-` pass."""
    for key in mapping:
        if key not in known and not str(key).startswith("x-"):
            raise InvalidInput(f"Unknown key {_short(key)}", todo=did_you_mean(key, known) or f"known keys are {', '.join(sorted(known))}")


def did_you_mean(given: t.Any, known: t.Iterable[str]) -> str | None:
    """A question for the known name nearest to what was given, or None where none is near."""
    near = difflib.get_close_matches(str(given), sorted(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else None


def _mapping(key: str, value: t.Any) -> t.Mapping[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, t.Mapping):
        raise InvalidInput(f"{key} is a mapping", seen=_short(value))
    return value


def _short(value: t.Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
