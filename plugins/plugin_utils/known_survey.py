# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A survey that was taken a moment ago, and whether it answers what is asked now."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.survey import PARTS


def asked_of(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What survey options ask, without the secrets that help to ask it."""
    return {kind: options[kind] for kind in ("receipt", *PARTS) if options.get(kind) is not None}


def known_survey(known: t.Mapping[str, t.Any] | None, asked: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """The part of a `known` survey, `{survey, asked}`, that answers what is `asked` now; None where it was not asked all of that in the same way.

    A survey for a whole feature looks at more than one for a release; what this release does not ask for is left out, as it would be on the host.
    """
    if not known or any(known["asked"].get(kind) != value for kind, value in asked.items()):
        return None
    left_out = {part for kind, part in PARTS.items() if kind not in asked}
    return {part: None if part in left_out else found for part, found in known["survey"].items()}


def masked(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Plain data with every one of the `secrets` blanked, wherever it stands in a text."""
    if isinstance(value, dict):
        return {key: masked(part, secrets) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, secrets) for part in value]
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, "…")
    return value
