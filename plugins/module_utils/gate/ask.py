# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One gate, asked until it passes or its time is up."""

from __future__ import annotations

import dataclasses
import typing as t

PASSED, FAILED, INCONCLUSIVE, ERROR = "passed", "failed", "inconclusive", "error"


@dataclasses.dataclass(frozen=True)
class Observation:
    """One look: a verdict of its own and what was seen, in words."""

    verdict: str
    seen: str


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The verdict of a gate after `samples` looks, with the last thing seen; `waited` is in seconds."""

    verdict: str
    seen: str
    samples: int
    waited: float


Look = t.Callable[[float], Observation]
"""Looks once; the argument is how many seconds the look may take at most."""


def ask(look: Look, *, timeout: float, interval: float | None, now: t.Callable[[], float], sleep: t.Callable[[float], None]) -> Judgement:
    """Look every `interval` seconds until the gate passes or `timeout` seconds are over; without an interval, look once.

    Looks that only met errors of their own make an error, no looks at all an inconclusive gate; any answer that is not the wanted one makes it fail.
    """
    started = now()
    observations: list[Observation] = []
    while not observations or now() - started < timeout:
        observations.append(look(max(timeout - (now() - started), 0.001)))
        if observations[-1].verdict == PASSED or interval is None:
            break
        sleep(max(0.0, min(interval, timeout - (now() - started))))
    return Judgement(verdict=_verdict(observations), seen=observations[-1].seen, samples=len(observations), waited=now() - started)


def _verdict(observations: t.Sequence[Observation]) -> str:
    last = observations[-1].verdict
    if last == PASSED:
        return PASSED
    seen = {observation.verdict for observation in observations}
    return next((verdict for verdict in (FAILED, INCONCLUSIVE) if verdict in seen), ERROR)
