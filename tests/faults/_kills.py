"""The kill harness: a road that is broken off at chosen moments, with all or some of what was at work killed, and then gone on with by the same command."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time
import typing as t
import uuid

import _road

from helpers import BIN, take_signals

# One release with a step of every kind, and one that opens the feature in stages: each boundary once, with as few runs as that takes.
ROAD: t.Sequence[t.Mapping[str, t.Any]] = (
    {
        "release": "reviews",
        "migrate": {"version": "2.0.0", "to": "0002"},
        "install": {"version": "2.0.0"},
        "restart": {"batches": [1, "100%"]},
        "flush_cache": {"prefix": "page:"},
        "enable_feature": {"flag": "reviews", "audience": {"groups": ["staff"]}},
    },
    {"release": "everyone", "enable_feature": {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["50%", "100%"], "each": "200ms"}},
)
COMMAND = ("apply", "--all", "--yes", "--json")
RELEASE = "/playbooks/release.yml"
INTERRUPTED_WITHIN = 15.0

Key = tuple[str, ...]
"""What tells one event of a road from another, whichever attempt it comes in."""

Way = t.Callable[[int, str], t.Mapping[int, str]]
"""Breaks a run off, given the id of the runner's process and the marker of the run; returns what was at work."""


class Place(t.Protocol):
    """Where the command is run: a shop on this machine, or one on a fleet."""

    @property
    def project(self) -> pathlib.Path: ...

    def environment(self, **extra: str) -> dict[str, str]: ...


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment of a road: `delay` seconds after the event with this key. `way` is the name of one of WAYS, in which it is broken off."""

    key: Key
    delay: float = 0.0
    way: str = "everything"

    def __str__(self) -> str:
        return f"{self.way} {self.delay * 1000:.0f} ms after {' '.join(self.key)}"


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One run of the command. `code` is None where it was killed; `killed` are the processes that were at work when it was broken off, and what they were.

    `took` are the seconds from then to its end.
    """

    code: int | None
    events: t.Sequence[tuple[float, t.Mapping[str, t.Any]]]
    killed: t.Mapping[int, str]
    said: str
    took: float = 0.0

    def moments(self) -> list[tuple[float, Key]]:
        """When each kind of event came first; the result, which comes last, is none."""
        seen: dict[Key, float] = {}
        for when, event in self.events[:-1]:
            seen.setdefault(key_of(event), when)
        return [(when, key) for key, when in seen.items()]

    def __str__(self) -> str:
        last = json.dumps(self.events[-1][1])[-2000:] if self.events else "none"
        return f"ended with {self.code}, {len(self.killed)} processes killed; last event: {last}; said: {self.said[-1500:]}"


@dataclasses.dataclass(frozen=True)
class Reference:
    """An unbroken road over these hosts: its end, and when each of its events came."""

    state: t.Mapping[str, t.Any]
    moments: t.Sequence[tuple[float, Key]]
    hosts: t.Collection[str]

    def boundaries(self) -> list[Moment]:
        """Right after each thing the road told of."""
        return [Moment(key) for _when, key in self.moments]

    def steps(self, chance: random.Random) -> list[Moment]:
        """Right after each step and each gate, on whichever of its hosts, and after each release."""
        alike: dict[Key, list[Key]] = {}
        for _when, key in self.moments:
            if key[0] in {"StepDone", "GateAsked", "ReleaseEnded"}:
                alike.setdefault(tuple(part for part in key if part not in self.hosts), []).append(key)
        return [Moment(chance.choice(keys)) for keys in alike.values()]

    def anywhere(self, chance: random.Random) -> Moment:
        """A moment between the first event and the last, each as likely as any other."""
        when = chance.uniform(self.moments[0][0], self.moments[-1][0])
        begun, key = max(one for one in self.moments if one[0] <= when)
        return Moment(key, when - begun)

    def from_then_on(self, moment: Moment) -> frozenset[Key]:
        """The event of a moment and those after it: an attempt that goes on where another was broken off need not come by all of them again."""
        keys = [key for _when, key in self.moments]
        return frozenset(keys[keys.index(moment.key) :])

    def in_order(self, moments: t.Iterable[Moment]) -> list[Moment]:
        """Moments as an unbroken road comes by them."""
        position = {key: number for number, (_when, key) in enumerate(self.moments)}
        return sorted(moments, key=lambda moment: (position[moment.key], moment.delay))


def key_of(event: t.Mapping[str, t.Any]) -> Key:
    """What kind of event, in which release, and of what."""
    step = event.get("step") or {}
    audience = (step.get("after") or {}).get("audience") or {}
    share = f"{audience.get('percentage') or ''}{'everyone' if audience.get('everyone') else ''}"
    parts = (
        event.get("event", "result"),
        event.get("release"),
        event.get("host"),
        step.get("kind"),
        event.get("title"),
        event.get("name"),
        event.get("outcome"),
        (step.get("after") or {}).get("state"),
    )
    return tuple(str(part) for part in (*parts, share) if part)


def attempt(place: Place, after: t.Container[Key] = (), delay: float = 0.0, way: Way | None = None, *, limit: float = 600.0) -> Attempt:
    """Run the command, and break it off in this way `delay` seconds after the first event that is one of `after`; `limit` seconds after that it is killed."""
    marker = f"ROAD_MARK={uuid.uuid4().hex}"
    environment = place.environment(**dict([marker.split("=")]))
    killed: t.Mapping[int, str] = {}
    events: list[tuple[float, t.Mapping[str, t.Any]]] = []
    begun = broken = time.monotonic()
    done = False
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [str(BIN / "surefoot"), *COMMAND],
            cwd=place.project,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
            preexec_fn=take_signals,
        ) as process,
        contextlib.closing(Watchdog(marker)) as watchdog,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # of a line that was cut off by a kill
                event = json.loads(line)
                if event.get("event") != "AnsibleOutput":
                    events.append((time.monotonic() - begun, event))
                    if not done and way and key_of(event) in after:
                        done = True
                        time.sleep(delay)
                        killed, broken = way(process.pid, marker), time.monotonic()
                        watchdog.start(limit)
        code = process.wait(120)
        took = time.monotonic() - broken
        said.seek(0)
        told = said.read()
    if not done or way is interrupt:
        left = at_work(marker)
        assert not left, f"a run that came to its end with {code} left behind {left}; its last events: {[event for _when, event in events[-3:]]}"
    return Attempt(None if code == -signal.SIGKILL else code, events, killed, told, took)


class Watchdog:
    """Kills what carries the marker when its time is over."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._timer: threading.Timer | None = None

    def start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, kill_marked, [self._marker])
        self._timer.start()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()


def kill_everything(_pid: int, marker: str) -> t.Mapping[int, str]:
    """kill -9 for the runner, ansible-playbook, its workers and the modules they run, whichever session they are in."""
    return kill_marked(marker)


def kill_runner(pid: int, marker: str) -> t.Mapping[int, str]:
    """kill -9 for the runner alone; returns what it left at work."""
    os.kill(pid, signal.SIGKILL)
    return {other: what for other, what in marked(marker).items() if other != pid}


def kill_playbook(_pid: int, marker: str) -> t.Mapping[int, str]:
    """kill -9 for the ansible-playbook of the release and its workers; the runner lives, and so do modules that are at work."""
    return _kill(_playbooks(marker))


def kill_workers(_pid: int, marker: str) -> t.Mapping[int, str]:
    """kill -9 for the workers that ansible-playbook has at the release, as soon as there are any; itself and the modules live."""
    deadline = time.monotonic() + 5
    while (found := _playbooks(marker)) and time.monotonic() < deadline:
        if workers := {pid: what for pid, what in found.items() if _parent(pid) in found}:
            return _kill(workers)
    return {}


def _playbooks(marker: str) -> dict[int, str]:
    return {pid: what for pid, what in marked(marker).items() if "ansible-playbook" in what and RELEASE in what}


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _kill(processes: t.Mapping[int, str]) -> t.Mapping[int, str]:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return processes


def interrupt(pid: int, marker: str) -> t.Mapping[int, str]:
    """Ctrl-C, while a module is at work if there comes one."""
    deadline = time.monotonic() + 5
    while (found := marked(marker)) and not any("AnsiballZ_" in what for what in found.values()) and time.monotonic() < deadline:
        pass
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    return marked(marker)


WAYS: t.Mapping[str, Way] = {
    "everything": kill_everything,
    "runner": kill_runner,
    "playbook": kill_playbook,
    "workers": kill_workers,
    "interrupt": interrupt,
}
"""Ways to break a run off, by name."""


def reference(shop: _road.Shop) -> Reference:
    """Go the road of this shop without a break."""
    shop.feature(*ROAD)
    found = attempt(shop)
    assert found.code == 0, str(found)
    return Reference(settled(shop), found.moments(), _road.HOSTS)


def settled(shop: _road.Shop) -> dict[str, t.Any]:
    """The state of the shop, without what was taken back."""
    state = shop.state()
    for host in state["hosts"].values():
        host["receipt"]["releases"] = not_taken_back(host["receipt"]["releases"])
    return state


def not_taken_back(entries: t.Iterable[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
    """What a receipt tells of a release that was taken back, and of the way back, is history and no part of the end."""
    left: list[t.Mapping[str, t.Any]] = []
    for entry in entries:
        if entry["outcome"] == "rolled_back":
            left = [one for one in left if one["release"] != entry["release"]]
        else:
            left.append(entry)
    return left


def broken_road(shop: _road.Shop, unbroken: Reference, moments: t.Iterable[Moment]) -> list[str]:
    """Go the road, broken off at each of the moments that come, then to the end. Returns what happened, one line each. Raises AssertionError."""
    shop.feature(*ROAD)
    story: list[str] = []
    for moment in moments:
        found = when_alone(shop, unbroken.from_then_on(moment), moment.delay, WAYS[moment.way])
        story.append(f"{moment}: {len(found.killed)} processes at work, ended with {found.code}")
        wrong = objection(found, moment.way)
        assert not wrong, f"{wrong}; {story}: {found}"
    last = when_alone(shop)
    assert last.code == 0, f"{story}: {last}"
    return story


def objection(found: Attempt, way: str) -> str:
    """What is wrong with how a run ended that was broken off in this way, if anything is."""
    expected: dict[str, set[int | None]] = {"everything": {None}, "runner": {None}, "playbook": {3, 5, 6}, "workers": {3, 5, 6}, "interrupt": {3}}
    if found.killed and found.code in expected[way]:
        late = found.took > INTERRUPTED_WITHIN and way == "interrupt"
        return f"it took {found.took:.1f} s to end" if late else ""
    # The moment did not come, or came when all was done.
    if found.code == 0 and (not found.killed or way == "interrupt"):
        return ""
    return f"it was not to end with {found.code}"


def when_alone(place: Place, after: t.Container[Key] = (), delay: float = 0.0, way: Way | None = None, *, limit: float = 600.0) -> Attempt:
    """An attempt, once nobody else is at work: what a killed runner left behind may be, for a while."""
    deadline = time.monotonic() + 90
    while (found := attempt(place, after, delay, way, limit=limit)).code == 7:
        assert time.monotonic() < deadline, str(found)
        time.sleep(1)
    return found


def differing(found: t.Any, wanted: t.Any) -> dict[str, tuple[t.Any, t.Any]]:
    """Where two states differ: by place, what is there and what should be."""
    there, due = flat(found), flat(wanted)
    return {where: (there.get(where), due.get(where)) for where in sorted(there.keys() | due.keys()) if there.get(where) != due.get(where)}


def flat(state: t.Any, where: str = "") -> dict[str, t.Any]:
    """A state as one mapping from each place in it to what is there."""
    if isinstance(state, dict) and state:
        return {place: value for key, inner in state.items() for place, value in flat(inner, f"{where}/{key}").items()}
    return {where: state}


def marked(marker: str) -> dict[int, str]:
    """The living processes with `marker` in their environment, and what each of them is. This finds those in sessions of their own, too."""
    found = {}
    for directory in pathlib.Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) != os.getpid():
            with contextlib.suppress(OSError):
                state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX" and marker.encode() in (directory / "environ").read_bytes():
                    found[int(directory.name)] = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def at_work(marker: str) -> dict[int, str]:
    """What carries the marker, but for connections that ssh keeps open for a while."""
    return {pid: what for pid, what in marked(marker).items() if not what.startswith("ssh: ")}


def kill_marked(marker: str) -> dict[int, str]:
    """Kill what carries the marker, again and again until nothing does, since a process may fork while it is being looked for. Returns what was killed."""
    killed: dict[int, str] = {}
    deadline = time.monotonic() + 10
    while found := marked(marker):
        assert time.monotonic() < deadline, f"these processes cannot be killed: {found}"
        killed |= found
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return killed
