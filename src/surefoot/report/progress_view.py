"""Events as lines: which release, which step, which hosts, what each found and why it acted."""

from __future__ import annotations

import contextlib
import time
import typing as t

from rich.text import Text

from ansible_collections.surefoot.release.plugins.plugin_utils.at_work import waited_for
from ansible_collections.surefoot.release.plugins.plugin_utils.units import spoken
from surefoot.events import (
    AnsibleOutput,
    Event,
    GateAsked,
    HostFailed,
    LeftDrained,
    OrphansEnded,
    PhaseStarted,
    Planned,
    ReleaseEnded,
    ReleaseStarted,
    Soaking,
    StepDone,
    SurveyStarted,
    WaitingForLock,
    WaitingForOrphans,
)
from surefoot.report.console import SafeConsole, in_one_line

_MARKS = {
    "verified": ("✓", "green"),
    "adopted": ("✓", "green"),
    "rolled_back": ("↩", "yellow"),
    "cancelled": ("■", "yellow"),
    "inconclusive": ("?", "yellow"),
    "waiting": ("…", "yellow"),
}
_VERDICTS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "inconclusive": ("?", "yellow"), "error": ("!", "yellow")}


class ProgressView:
    """Writes events to a console as they come; on a terminal the last line says what is going on and for how long."""

    def __init__(self, console: SafeConsole, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._started = time.monotonic()
        self._warned: set[t.Hashable] = set()
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> t.Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._status:
            with contextlib.suppress(Exception):
                self._status.stop()

    def show(self, event: Event) -> None:
        """Write one event."""
        match event:
            case ReleaseStarted():
                self._started = time.monotonic()
                self._line("", "")
                self._line(f"{event.position}/{event.total}  {event.release}", "bold", event.why and f"   {event.why}")
            case Planned():
                self._planned(event.plan)
            case StepDone():
                self._step(event)
            case GateAsked():
                mark, style = _VERDICTS[event.verdict]
                self._line(f"  {mark} gate            {event.name}", style, f"   {event.seen.splitlines()[-1] if event.seen.strip() else ''}")
            case HostFailed():
                what = "unreachable" if event.unreachable else "failed"
                self._line(f"  ✗ {event.host} {what}: {event.task}", "red")
                for line in event.message.splitlines():
                    self._line(f"      {line}", "red")
            case ReleaseEnded():
                self._ended(event)
            case OrphansEnded() | LeftDrained() | WaitingForOrphans():
                self._warn(event)
            case AnsibleOutput():
                self._heard(event.text)
            case _:
                self._now(_going_on(event))

    def _heard(self, text: str) -> None:
        """What ansible said, where it is wanted, each line with a mark: what hosts said is in it, and not ours."""
        for said in Text.from_ansi(text).split(allow_blank=True) if self._verbose else ():
            self._console.print(Text.assemble(("  ┆ ", "dim"), said))

    def _planned(self, plan: t.Mapping[str, t.Any]) -> None:
        if not plan["needed"] and plan["steps"]:
            self._line("  · all steps are done already; gates are asked and receipts checked", "dim")

    def _warn(self, event: OrphansEnded | LeftDrained | WaitingForOrphans) -> None:
        for about, warning in _warnings(event):
            # What is waited for is told again and again; a line says it once, and the status how long it takes.
            if about not in self._warned:
                self._warned.add(about)
                self._line(f"  ! {warning}", "yellow")
            if isinstance(event, WaitingForOrphans):
                self._now(f"{warning}, {spoken(event.left)} more")

    def _step(self, event: StepDone) -> None:
        step = event.step
        mark, style = ("✓", "green") if event.changed else ("·", "dim")
        self._line(f"  {mark} {step['kind']:<15} {event.host:<12} ", style, f"{step['reason']}   {spoken(step['duration_ms'] / 1000)}")

    def _ended(self, event: ReleaseEnded) -> None:
        for one in event.impact:
            measured = {"kept": ("✓", "green"), "broken": ("✗", "red")}.get(str(one["verdict"]), ("·", "dim"))
            self._line(f"  {measured[0]} impact          {one['probe']} ", measured[1], f"{one['verdict']}: {'; '.join(one['reasons'])}")
        mark, style = _MARKS.get(event.outcome, ("✗", "red"))
        self._line(f"  {mark} {event.release} {event.outcome.replace('_', ' ')}", style, f"   {spoken(event.seconds)}")
        if event.outcome not in {"verified", "rolled_back"}:
            for reason in event.reasons:
                self._line(f"      {reason}", style)

    def _line(self, text: str, style: str, rest: str = "") -> None:
        self._console.say((text, style), rest)

    def _now(self, text: str) -> None:
        if self._status:
            self._status.update(in_one_line(f"{text} …", style="dim"))
        elif self._verbose:
            self._line(f"  {text}", "dim")


def _warnings(event: OrphansEnded | LeftDrained | WaitingForOrphans) -> t.Iterator[tuple[t.Hashable, str]]:
    """What to tell, each with what it is about."""
    match event:
        case LeftDrained():
            yield event.message, event.message
        case OrphansEnded():
            yield from ((number, f"ended what a killed run had left at work: {process}") for number, process in enumerate(event.processes))
        case WaitingForOrphans():
            yield from ((tuple(step[key] for key in ("host", "kind", "what", "pid")), waited_for(step["host"], [step])) for step in event.at_work)


def _going_on(event: Event) -> str:
    match event:
        case SurveyStarted():
            return f"surveying the hosts of {event.feature} in {event.environment}"
        case WaitingForLock():
            return f"waiting for the lock, {spoken(event.left)} more: {event.holder}"
        case PhaseStarted():
            return f"{event.release}: {event.title.lower()}"
        case Soaking():
            return f"{event.release}: in place, watched for {spoken(event.left)} more"
    return ""
