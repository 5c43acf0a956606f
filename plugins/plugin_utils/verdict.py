# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a playbook run counts as a success. Return codes and statuses alone do not tell: a run that matched no host ends with 0."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunVerdict:
    """Whether a playbook run did what it was to do on all the hosts it was planned for, and if not, why."""

    ok: bool
    reasons: tuple[str, ...] = ()


def judge_run(*, status: str, rc: int | None, stats: t.Mapping[str, t.Mapping[str, int]] | None, planned: t.Collection[str]) -> RunVerdict:
    """Judge a run by status, return code and stats (as ansible-runner gives them) against the `planned` hosts."""
    reasons = []
    if status != "successful":
        reasons.append(f"the run ended as {status}")
    if rc != 0:
        reasons.append(f"ansible-playbook ended with {rc}")
    if stats is None:
        reasons.append("the run left no statistics")
    else:
        processed = set(stats.get("processed") or ())
        missing, foreign = sorted(set(planned) - processed), sorted(processed - set(planned) - {"localhost"})
        reasons += [f"{host} was planned and not reached" for host in missing]
        reasons += [f"{host} was reached and not planned" for host in foreign]
        for key, what in (("failures", "failed"), ("dark", "was unreachable"), ("rescued", "had a failure rescued"), ("ignored", "had a failure ignored")):
            reasons += [f"{host} {what}" for host, count in (stats.get(key) or {}).items() if count]
    if not planned:
        reasons.append("no host was planned")
    return RunVerdict(ok=not reasons, reasons=tuple(reasons))
