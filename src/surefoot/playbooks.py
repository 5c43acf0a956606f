"""Runs the playbooks of the collection through ansible-runner, and says what each host answered while they run.

ansible-runner is kept at arm's length: every run has a directory of its own that is gone afterwards, since it holds the whole environment; its event
handler only queues, since an exception in it would leave ansible-playbook behind as an orphan; and its verdict is not trusted (see judge_run).

What we tell a playbook is data and never a template: much of it was said by hosts, or stands in the ledger, and a template can run commands here.
What a playbook tells us comes through its output, where a host can write as well; so events carry a mark that no host knows.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pathlib
import queue
import re
import secrets
import sys
import threading
import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.verdict import RunVerdict, judge_run
from surefoot.private_directory import private_directory
from surefoot.ssh import HOST_KEY_CHECKING, ask_nobody, give_up
from surefoot.stuck import TOLD, Stuck

CANCEL_POLL_SECONDS = 0.2
"""How often a running playbook looks whether it was cancelled."""

MARK = "JOB_ID"
"""The variable whose number the callback of ansible-runner puts into all of its events, as `job_id`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskStarted:
    """A task begins on the hosts of its batch."""

    name: str
    role: str | None
    play: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostAnswered:
    """One host finished one task; `result` is what the module returned, `state` is ok, failed, unreachable or skipped."""

    host: str
    task: str
    role: str | None
    state: str
    result: t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """A piece of ansible-playbook's own output."""

    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The end of a run: its status and return code as ansible-runner gives them, and its statistics by host, None where there are none."""

    status: str
    rc: int | None
    stats: t.Mapping[str, t.Mapping[str, int]] | None

    def judge(self, planned: t.Collection[str]) -> RunVerdict:
        """The verdict over this run for the hosts it was planned for."""
        return judge_run(status=self.status, rc=self.rc, stats=self.stats, planned=planned)


RunEvent = TaskStarted | HostAnswered | Output | RunEnded


class Stop(t.Protocol):
    """Whether a run is to be stopped; asked a few times a second, from another thread. An event will do."""

    def is_set(self) -> bool:
        """Whether it is; it stays so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ansible:
    """How ansible is called for one environment: from `root`, with this inventory and what the user added on the command line."""

    root: pathlib.Path
    inventory: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    limit: str | None = None
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def run(
        self,
        playbook: str,
        variables: t.Mapping[str, t.Any],
        *,
        documents: t.Mapping[str, t.Any] | None = None,
        cancelled: Stop | None = None,
        check: bool = False,
    ) -> t.Generator[RunEvent, None, None]:
        """Run a playbook of the collection (`release`, `survey`, …) or the file at a path; yields events, RunEnded last.

        No text in `variables` is a template. Of `documents`, which hold what hosts said, the variables are paths of JSON files.
        """
        with private_directory() as private:
            paths = {name: _written(private / f"{name}.json", content) for name, content in (documents or {}).items()}
            yield from self._run(playbook, {"surefoot_root": str(self.root), **variables, **paths}, private, cancelled, check)

    def _run(self, playbook: str, variables: dict[str, t.Any], private: pathlib.Path, cancelled: Stop | None, check: bool) -> t.Iterator[RunEvent]:
        events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
        abandoned = threading.Event()

        def stop() -> bool:
            return abandoned.is_set() or (cancelled is not None and cancelled.is_set())

        runner = threading.Thread(
            target=self._run_in_thread, args=(playbook, variables, private, stop, check, events), name=f"surefoot {playbook}", daemon=True
        )
        runner.start()
        try:
            while True:
                event = events.get()
                if isinstance(event, RunEnded):
                    break
                yield event
            yield event
        finally:
            abandoned.set()
            runner.join()

    def _run_in_thread(
        self, playbook: str, variables: dict[str, t.Any], private: pathlib.Path, stop: t.Callable[[], bool], check: bool, events: queue.SimpleQueue[RunEvent]
    ) -> None:
        try:
            # here, since it takes a while and `surefoot --help` needs none of it
            from ansible_runner.interface import init_runner

            from surefoot.ended_child import close_at_once

            close_at_once()
            mark = secrets.randbits(62)
            stuck = Stuck(private.name)
            run = init_runner(
                private_data_dir=str(private),
                project_dir=str(self.root),
                playbook=str(playbook_path(playbook, self.root)),
                inventory=[str(self.root / source) if (self.root / source).exists() else source for source in self.inventory],
                extravars=_as_they_are(variables),
                cmdline=" ".join(_quoted([*self.arguments, *(["--limit", self.limit] if self.limit else []), *(["--check", "--diff"] if check else [])]))
                or None,
                envvars={**self._environment(), MARK: str(mark)},
                fact_cache_type="",  # other than that of ansible-runner, facts that are cached stay where people keep them
                settings={"pexpect_timeout": CANCEL_POLL_SECONDS},
                event_handler=lambda event: _queue(event, events, mark),
                cancel_callback=lambda: stop() or stuck.look(),
                quiet=True,
            )
            if HOST_KEY_CHECKING not in os.environ:
                # ansible-runner turns it off wherever the environment does not say otherwise, whatever ansible.cfg says.
                run.config.env.pop(HOST_KEY_CHECKING, None)
            run.run()
            ended = RunEnded(status=TOLD if stuck.found else run.status, rc=run.rc, stats=_stats(run.stats))
        except Exception as error:  # noqa: BLE001 - whatever ansible-runner raises, the run has ended without a verdict
            ended = RunEnded(status=f"error ({type(error).__name__}: {error})", rc=None, stats=None)
        events.put(ended)

    def _environment(self) -> dict[str, str]:
        own = str(collection_parent())
        there = [path for path in (os.environ.get("ANSIBLE_COLLECTIONS_PATH"), str(pathlib.Path.home() / ".ansible" / "collections")) if path]
        return {
            "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([own, *there]),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",
            **give_up(self.root, os.environ),
            **ask_nobody(os.environ),
            **self.environment,
        }


def collection_parent() -> pathlib.Path:
    """The directory that holds `ansible_collections` with the copy of the collection this runner was shipped with."""
    from ansible_collections.surefoot.release.plugins import plugin_utils

    return pathlib.Path(next(iter(plugin_utils.__path__))).absolute().parents[4]


def playbook_path(playbook: str, root: pathlib.Path) -> pathlib.Path:
    """The file of one of our playbooks, or of a team's own beside surefoot.yml."""
    ours = collection_parent() / "ansible_collections/surefoot/release/playbooks" / f"{playbook}.yml"
    return ours if ours.is_file() else root / playbook


def why_none(said: t.Sequence[str]) -> str | None:
    """Why no host was asked anything, out of what ansible-playbook said; None where it does not tell."""
    lines = [text.strip() for text in said]
    error = next((line for line in reversed(lines) if "ERROR" in line or "fatal" in line), None)
    if error and "No inventory was parsed" in error:
        # What is wrong with it has been said before, in warnings, and where.
        return "\n".join(dict.fromkeys([error, *(line for line in lines if line.startswith("[WARNING]") or _PLACE.match(line))]))
    return error


_PLACE = re.compile(r"Origin: .*:\d+:\d+$")


def _written(path: pathlib.Path, content: t.Any) -> str:
    path.write_text(json.dumps(content, default=str), encoding="utf-8")
    return str(path)


def _as_they_are(value: t.Any) -> t.Any:
    """Variables of ours as ansible takes them without looking for templates in them: a directory may be called anything."""
    if isinstance(value, t.Mapping):
        return {key: _as_they_are(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_they_are(inner) for inner in value]
    return {"__ansible_unsafe": value} if isinstance(value, str) and "{" in value else value


def _quoted(arguments: t.Sequence[str]) -> list[str]:
    import shlex

    return [shlex.quote(argument) for argument in arguments]


_STATES = {"runner_on_ok": "ok", "runner_on_failed": "failed", "runner_on_unreachable": "unreachable", "runner_on_skipped": "skipped"}
_ITEM_STATES = {"runner_item_on_ok": "ok", "runner_item_on_failed": "failed", "runner_item_on_skipped": "skipped"}


def _queue(event: t.Mapping[str, t.Any], events: queue.SimpleQueue[RunEvent], mark: int) -> bool:
    """Queue what the rest of the runner wants to know of an event. Whether ansible-runner is to keep it, which only the statistics are read from in the end.

    An event that does not carry the mark is a line of output that belongs to no event, or one that a host made up and wrote into the output.
    """
    ours = event.get("job_id") == mark
    try:
        for known in _translate(event if ours else {"stdout": event.get("stdout")}):
            events.put(known)
    except Exception:  # noqa: BLE001 - raising here would orphan ansible-playbook
        events.put(Output(text=f"[an event of ansible could not be read: {event.get('event')}]"))
    return ours and event.get("event") == "playbook_on_stats"


def _translate(event: t.Mapping[str, t.Any]) -> t.Iterator[RunEvent]:
    kind, data = event.get("event"), event.get("event_data") or {}
    if event.get("stdout"):
        # It comes from a terminal, whose lines end otherwise.
        yield Output(text=str(event["stdout"]).replace("\r\n", "\n"))
    if kind == "playbook_on_task_start":
        yield TaskStarted(name=str(data.get("task")), role=data.get("role"), play=str(data.get("play")))
    state = _STATES.get(str(kind)) or _ITEM_STATES.get(str(kind))
    # A task with a loop answers once for each item and once in all; the items hold the results.
    if state and not (kind in _STATES and "results" in (data.get("res") or {})):
        failed_quietly = state == "failed" and data.get("ignore_errors")
        yield HostAnswered(
            host=str(data.get("host")),
            task=str(data.get("task")),
            role=data.get("role"),
            state="ok" if failed_quietly else state,
            result=_its_own(str(data.get("resolved_action")), data.get("res") or {}),
        )


_STEPS = ("migrate", "install", "restart", "pool_member", "flush_cache", "enable_feature", "receipt")
_TOLD_BY: t.Mapping[str, t.Collection[str]] = {
    "gate": ("gate",),
    "survey": ("release_info", "receipt"),
    "at_work": ("release_info",),
    "step": _STEPS,
    "activation": _STEPS,
    "lock": ("environment_lock",),
    "holder": ("environment_lock",),
}
"""What the work goes by, and of which of our modules it is believed. Any other, a hook's for example, could be made to answer with such a key by its host."""


def _its_own(module: str, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a module has a say in."""
    ours = module.removeprefix("surefoot.release.") if module.startswith("surefoot.release.") else None
    return copy.deepcopy({key: value for key, value in result.items() if key not in _TOLD_BY or ours in _TOLD_BY[key]})


def _stats(stats: t.Mapping[str, t.Any] | None) -> t.Mapping[str, t.Mapping[str, int]] | None:
    if stats is None:
        return None
    known = ("processed", "failures", "dark", "rescued", "ignored", "ok", "changed", "skipped")
    return {key: dict(stats.get(key) or {}) for key in known}
