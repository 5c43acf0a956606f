# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audiences as releases and surveys write them: told apart, put into words, and whether one lets in all that another does."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.flags.audience import DECIMALS, NOBODY, losses, parse

Written = t.Mapping[str, t.Any]


def plain(audience: Written | None) -> dict[str, t.Any] | None:
    """An audience without what is left at its default, so that two ways of writing the same one are equal."""
    if audience is None:
        return None
    found = {key: _plain(value) for key, value in audience.items() if value and key != "nobody"}
    return {"everyone": True} if found.get("everyone") else found


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, (list, tuple)):
        return sorted(value)
    return round(value, DECIMALS) if isinstance(value, float) else value


def spoken(audience: Written | None) -> str:
    """An audience in words; nobody where there is none."""
    found = plain(audience)
    if not found:
        return "nobody"
    if found.get("everyone"):
        return "everyone"
    parts = [", ".join(map(str, found[key])) for key in ("groups", "users") if key in found]
    return " and ".join([*parts, *([f"{found['percentage']:g}% of users"] if "percentage" in found else [])])


def lost(before: Written | None, after: Written | None) -> list[str]:
    """Who is let in by `before` and might not be by `after`, in words; empty where nobody is. None is no flag, which lets nobody in."""
    if before == after:
        return []
    return losses(*(parse(found) if (found := plain(audience)) else NOBODY for audience in (before, after)))
