"""All probes of a project together, from before a release until its soak, or the way back from it, has ended."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.impact import FEWEST_TO_COMPARE, Declared, beyond_repair, judge
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Impact

if t.TYPE_CHECKING:
    from surefoot.models import ProbeSpec
    from surefoot.probe import Probe

SAMPLES_BEFORE = 3
"""How many answers a probe has before a release begins, so that it is known to work."""


class Watch:
    """A context in which every probe sends its traffic. Without probes nothing is measured, and the verdicts say so."""

    def __init__(self, specs: t.Sequence[ProbeSpec]) -> None:
        self._specs = specs
        self._probes: list[Probe] = []
        self._settled = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> t.Self:
        if self._specs:
            from surefoot.probe import Probe  # here, since it takes a while, and where nothing is probed nobody needs it

            self._probes = [self._stack.enter_context(Probe(spec.name, spec.http)) for spec in self._specs]
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def settle(self, impact: Impact, cancelled: threading.Event) -> None:
        """Wait until every probe knows what users felt before the release; from here on it is the release that they feel. Done once."""
        if self._settled:
            return
        self._settled = True
        wanted = SAMPLES_BEFORE if impact.slower is None else FEWEST_TO_COMPARE
        patience = max((wanted / spec.http.rate + spec.http.timeout for spec in self._specs), default=0.0)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not cancelled.wait(0.02) and any(len(probe.samples()) < wanted for probe in self._probes):
            pass
        for probe in self._probes:
            probe.begin(time.time())

    def beyond_repair(self, impact: Impact, left: float) -> tuple[str, ...]:
        """Why users feel more than was declared, whatever they feel in the seconds that are `left` at most; nothing as long as it may still be kept.

        Where there was no good answer before the release either, it may be what mends that, and is judged in the end.
        """
        declared = _declared(impact)
        return tuple(
            f"{probe.name}: {reason}"
            for spec, probe in zip(self._specs, self._probes, strict=False)
            if probe.had_answers
            for reason in beyond_repair(declared, probe.certain(), math.ceil((left + spec.http.timeout) * spec.http.rate))
        )

    def judge(self, impact: Impact, *, at_once: bool = False) -> tuple[dict[str, t.Any], ...]:
        """Say of each probe whether what it measured so far is what the release had declared: `{probe, verdict, reasons, requests, failed, …}`.

        Requests under way are waited for, unless it has to be said `at_once`.
        """
        now = time.time()
        deadline = time.monotonic() + max((spec.http.timeout + 1 for spec in self._specs), default=0.0)
        while not at_once and time.monotonic() < deadline and not all(probe.all_ended(now) for probe in self._probes):
            time.sleep(0.01)
        return tuple(self._judge(probe, _declared(impact)) for probe in self._probes)

    def _judge(self, probe: Probe, declared: Declared) -> dict[str, t.Any]:
        measured = probe.measured()
        judgement = judge(declared, measured)
        told = {key: getattr(measured, key) for key in ("requests", "failed", "error_rate", "downtime", "p50", "p95", "slower")}
        return {"probe": probe.name, "verdict": judgement.verdict, "reasons": list(judgement.reasons), **told}


def _declared(impact: Impact) -> Declared:
    return Declared(downtime=impact.downtime, errors=impact.errors, slower=impact.slower)
