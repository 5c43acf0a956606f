# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that hosts say are at work there. Whoever holds the lock of the environment began none of them, and waits for them before anything is changed."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.at_work import spoken
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import Refusal

AtWork = t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]
"""The steps at work by host, each as `release_info` tells; hosts without any may be left out."""

LOOK_SECONDS = 1.0
"""How often those who wait look again."""

TODO = "let it end, or end it there where nobody waits for it any more, then run the same command again"


def named(step: t.Mapping[str, t.Any]) -> str:
    """What a step at work is: its kind, and what it is about."""
    return f"{step['kind']} ({step['what']})"


def told(at_work: AtWork) -> list[str]:
    """All steps at work, a line each."""
    return [f"{host}: {named(step)}, {spoken(step)}" for host, steps in at_work.items() for step in steps]


def waited_for(host: str, steps: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """What is being waited for on one host, in one line."""
    return "waiting for " + "; ".join(f"{named(step)} on {host}, {spoken(step)}" for step in steps)


def refusals(at_work: AtWork) -> tuple[Refusal, ...]:
    """A refusal for each step at work."""
    return tuple(
        Refusal(host=host, message=f"{named(step)} is at work here", seen=spoken(step), todo=TODO) for host, steps in at_work.items() for step in steps
    )
