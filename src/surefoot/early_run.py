"""A run of a release that is started before it is known which one may begin, since ansible-playbook takes a while to come to its first task.

It surveys the hosts once it is told that the lock is ours, and goes on once it is told which release may begin. Where that is never said, it ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.awaited import say
from surefoot.playbooks import Ansible, HostAnswered, RunEnded, RunEvent, Stop, TaskStarted
from surefoot.private_directory import private_directory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """That `release` may begin on `hosts`; with `reversible_only` a migration has to have a way down. `live_before` is by host what was live at first."""

    release: str
    hosts: t.Collection[str]
    reversible_only: bool
    live_before: t.Mapping[str, t.Any]


class EarlyRun:
    """A run with these `variables`, called `run` by ledger and receipts. When `cancelled` is set it ends, whatever it is doing."""

    def __init__(self, ansible: Ansible, variables: t.Mapping[str, t.Any], *, run: str, cancelled: Stop) -> None:
        self.run = run
        self._ansible, self._variables = ansible, variables
        self._stop_when, self._stopped = cancelled, threading.Event()
        self._seen: list[RunEvent] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._look, name="surefoot early run", daemon=True)
        self._open = contextlib.ExitStack()

    def is_set(self) -> bool:
        """Whether the run is to end, as `Stop` has it."""
        return self._stopped.is_set() or self._stop_when.is_set()

    def start(self) -> None:
        """Start it. From here on it has to be stopped in the end."""
        self._directory = self._open.enter_context(private_directory())
        paths = {name: str(self._directory / f"{name}.json") for name in ("survey_begin", "survey_decided", "record_live_before")}
        # What is at work there is waited for by whoever surveys.
        self._events = self._ansible.run("release", {**self._variables, **paths, "survey_wait": 0}, cancelled=self)
        self._open.callback(self._events.close)
        self._thread.start()

    def survey(self, artifacts: t.Sequence[str]) -> t.Sequence[RunEvent]:
        """What is told until a release could begin: a survey for the whole feature, and RunEnded where no host could be surveyed."""
        say(str(self._directory / "survey_begin.json"), {"artifacts": list(artifacts)})
        self._thread.join()
        if self._error:
            raise self._error
        return self._seen

    def go(self, decision: Decision, stop: Stop) -> t.Iterator[RunEvent]:
        """Let the release begin, and tell the rest; from now on it ends when `stop` is set."""
        self._stop_when = stop
        (self._directory / "record_live_before.json").write_text(json.dumps(decision.live_before), encoding="utf-8")
        say(str(self._directory / "survey_decided.json"), {"release": decision.release, "reversible_only": decision.reversible_only})
        surveyed = {event.host for event in self._seen if isinstance(event, HostAnswered)}
        for event in self._events:
            yield _without(event, surveyed - set(decision.hosts)) if isinstance(event, RunEnded) else event
        self.stop()

    def stop(self) -> None:
        """End it, wherever it is; nothing happens where it has ended."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._open.close()

    def _look(self) -> None:
        answered = False
        try:
            for event in self._events:
                self._seen.append(event)
                answered = answered or isinstance(event, HostAnswered)
                if answered and isinstance(event, TaskStarted):
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever waits for the survey
            self._error = error


def _without(ended: RunEnded, hosts: t.Collection[str]) -> RunEnded:
    """The end of a run for all but those hosts, which were only surveyed."""
    if ended.stats is None:
        return ended
    return dataclasses.replace(ended, stats={key: {host: count for host, count in found.items() if host not in hosts} for key, found in ended.stats.items()})
