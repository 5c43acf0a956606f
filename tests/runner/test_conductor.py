"""One release from its start to its verdict: what the ledger is told, what the probes decide, how a ramp and a soak go."""

from __future__ import annotations

import dataclasses
import pathlib
import threading
import time
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.release import Impact, parse_release
from runner import _fakes
from runner._fakes import World, answer, ended
from surefoot.conductor import Conductor, Outcome
from surefoot.events import AnsibleOutput, Event, GateAsked, HostFailed, PhaseStarted, ReleaseEnded, Soaking, StepDone
from surefoot.ledger import Ledger
from surefoot.playbooks import HostAnswered
from surefoot.progress import Standing

HOSTS = ["h1", "h2", "h3"]
BROKEN = {"probe": "front", "verdict": "broken", "reasons": ["no good answer for 1.20 s, declared no downtime"], "requests": 20, "failed": 3}
KEPT = {"probe": "front", "verdict": "kept", "reasons": ["0 of 20 requests failed"], "requests": 20, "failed": 0}
UNMEASURED = {"probe": "front", "verdict": "not measured", "reasons": ["no request was made"], "requests": 0, "failed": 0}


@dataclasses.dataclass
class FakeWatch:
    """Says what it was told to say, and from the look number `bearable` on that it is too much."""

    says: tuple[dict[str, t.Any], ...] = ()
    bearable: int | None = None
    calls: list[str] = dataclasses.field(default_factory=list)
    left: list[float] = dataclasses.field(default_factory=list)

    def settle(self, *_: object) -> None:
        self.calls.append("settles")

    def beyond_repair(self, impact: Impact, left: float) -> tuple[str, ...]:
        self.left.append(left)
        return ("front: no good answer for 1.20 s, declared no downtime",) if self.bearable is not None and len(self.left) > self.bearable else ()

    def judge(self, impact: Impact, *, at_once: bool = False) -> tuple[dict[str, t.Any], ...]:
        self.calls.append("judges at once" if at_once else "judges")
        return self.says


class Stage:
    """A conductor with its world, its ledger and its probes."""

    def __init__(self, root: pathlib.Path, *says: dict[str, t.Any]) -> None:
        self.world, self.watch, self.cancelled = World(), FakeWatch(says), threading.Event()
        _fakes.FakeAnsible.worlds[root] = self.world
        self.ledger = Ledger("sqlite:///ledger.db", root=root)
        self.conductor = Conductor(
            ansible=t.cast("t.Any", _fakes.FakeAnsible(root=root, inventory=())),
            ledger=self.ledger,
            environment="test",
            feature="reviews",
            run="r1",
            plan=None,
            variables={"feature": str(root / "reviews.yml")},
            watch=t.cast("t.Any", self.watch),
            cancelled=self.cancelled,
        )

    def perform(self, mapping: t.Mapping[str, t.Any], standing: Standing | None = None) -> tuple[Outcome, list[Event]]:
        self.conductor.variables = {"surefoot_feature_content": {"feature": "reviews", "releases": [mapping]}}
        return self.follow(self.conductor.perform(parse_release(mapping, "reviews"), standing or Standing(), HOSTS, {"before": {}}))

    def roll_back(self, mapping: t.Mapping[str, t.Any]) -> tuple[Outcome, list[Event]]:
        release = parse_release(mapping, "reviews")
        return self.follow(self.conductor.roll_back(release, release, {"feature": "reviews", "releases": [mapping]}, HOSTS))

    def follow(self, work: t.Generator[Event, None, Outcome]) -> tuple[Outcome, list[Event]]:
        events: list[Event] = []
        while True:
            try:
                events.append(next(work))
            except StopIteration as end:
                return end.value, events

    def told(self) -> list[tuple[str, t.Any]]:
        return [(entry.kind, entry.payload) for entry in self.ledger.entries()]


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., Stage]]:
    yield lambda *says: Stage(tmp_path, *says)
    _fakes.FakeAnsible.worlds.clear()


Make = t.Callable[..., Stage]
API = {"release": "api", "install": {"version": "2.0.0"}, "restart": {}}


def test_the_ledger_is_told_before_and_after(stage: Make) -> None:
    one = stage(KEPT)
    outcome, events = one.perform(API)
    assert outcome == Outcome(state="verified", impact=(KEPT,))
    assert [kind for kind, _ in one.told()] == ["started", "released", "verified"]
    assert one.told()[-1][1]["impact"] == [KEPT]
    assert isinstance(events[-1], ReleaseEnded)
    assert events[-1].impact == (KEPT,)


def test_the_probes_watch_from_before_the_first_step_until_after_the_soak_and_gates_are_asked_at_its_end(stage: Make) -> None:
    one = stage(KEPT)
    usual = one.world.as_usual

    def noting(playbook: str, variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
        one.watch.calls.append(playbook)
        yield from usual(playbook, variables)

    one.world.as_usual = noting  # type: ignore[method-assign]
    _, events = one.perform({**API, "soak": "50ms"})
    assert one.watch.calls == ["settles", "release", "verify", "judges"]
    assert any(isinstance(event, Soaking) for event in events)


def test_impact_above_what_was_declared_fails_a_release_whose_tasks_were_green(stage: Make) -> None:
    one = stage(KEPT, BROKEN)
    outcome, _ = one.perform(API)
    assert outcome.state == "failed"
    assert outcome.reasons == ("front: no good answer for 1.20 s, declared no downtime",)
    assert [kind for kind, _ in one.told()] == ["started", "released", "failed"]


def test_impact_that_was_not_measured_neither_passes_nor_fails(stage: Make) -> None:
    outcome, _ = stage(UNMEASURED).perform(API)
    assert (outcome.state, outcome.impact) == ("verified", (UNMEASURED,))


def test_a_release_of_which_users_feel_too_much_is_stopped_in_the_middle(stage: Make) -> None:
    one = stage(BROKEN)
    one.watch.bearable = 3
    outcome, events = one.perform(API)
    assert outcome == Outcome(state="failed", reasons=("front: no good answer for 1.20 s, declared no downtime; it was stopped for that",), impact=(BROKEN,))
    assert len([event for event in events if isinstance(event, StepDone)]) < 3
    assert [kind for kind, _ in one.told()] == ["started", "failed"]
    assert one.watch.calls[-1] == "judges at once"
    # A roll may yet last long, and its good answers may outweigh errors of which a share was declared.
    assert set(one.watch.left) == {3600.0}


@pytest.mark.parametrize("ramp", [False, True])
def test_a_soak_ends_as_soon_as_users_feel_too_much(stage: Make, ramp: bool) -> None:
    one = stage(BROKEN)
    one.watch.bearable = 20
    feature = {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["5%", "100%"], "each": "1h"}
    began = time.monotonic()
    outcome, _ = one.perform({"release": "all", "enable_feature": feature} if ramp else {**API, "soak": "1h"})
    assert time.monotonic() - began < 60
    assert (outcome.state, outcome.impact) == ("failed", (BROKEN,))
    assert [kind for kind, _ in one.told()] == (["started", "failed"] if ramp else ["started", "released", "failed"])
    # Until the end of a soak it is known what may still come; after a stage of a ramp there are others.
    assert one.watch.left[-1] == 3600 if ramp else one.watch.left[0] == 2 * 3600 > one.watch.left[-1] + 3000


def test_a_playbook_of_ones_own_is_not_stopped_since_nothing_would_take_it_back(stage: Make) -> None:
    one = stage(BROKEN)
    one.watch.bearable = 0
    one.world.instead["own.yml"] = lambda _world, _variables: iter([_fakes.saying("PLAY"), ended(["db"])])
    outcome, _ = one.perform({"release": "own", "playbook": "own.yml"})
    assert [kind for kind, _ in one.told()] == ["started", "released", "failed"]
    assert outcome.reasons == ("front: no good answer for 1.20 s, declared no downtime",)


def test_what_users_felt_on_the_way_back_is_told_and_decides_nothing(stage: Make) -> None:
    one = stage(BROKEN)
    one.watch.bearable = 0
    outcome, events = one.roll_back(API)
    assert outcome == Outcome(state="verified", impact=(BROKEN,))
    assert isinstance(events[-1], ReleaseEnded)
    assert (events[-1].outcome, events[-1].impact) == ("rolled_back", (BROKEN,))
    assert one.told()[-1] == ("rolled_back", {"reasons": [], "impact": [BROKEN]})
    assert one.watch.calls == ["settles", "judges"]


def test_the_way_back_knows_which_hosts_the_release_left_down(stage: Make) -> None:
    one = stage()
    failed = dataclasses.replace(answer("h2", "Restart", {"msg": "sick"}, "failed"), role="surefoot.release.restart")
    gate = dataclasses.replace(answer("h1", "Ask", {"msg": "no"}, "failed"), role="surefoot.release.verify")
    one.world.instead["release"] = lambda _world, _variables: iter([moved("h3", "drained"), failed, gate, ended(HOSTS, failed=["h2"])])
    one.perform(API)
    one.roll_back(API)
    assert one.world.runs[-1][1]["surefoot_away"] == ["h3", "h2"]


def test_a_failure_keeps_its_own_reasons(stage: Make) -> None:
    one = stage(BROKEN)
    one.world.instead["release"] = _fakes.failing("h2", "no such table: reviews")
    outcome, events = one.perform(API)
    assert outcome.reasons == ("h2: no such table: reviews",)
    assert [kind for kind, _ in one.told()] == ["started", "failed"]
    assert [(event.host, event.unreachable) for event in events if isinstance(event, HostFailed)] == [("h2", False)]


def test_a_run_that_ends_without_statistics_is_a_failure(stage: Make) -> None:
    one = stage()
    one.world.instead["release"] = lambda _world, _variables: iter([dataclasses.replace(ended(HOSTS), stats=None)])
    assert one.perform(API)[0].reasons == ("the run left no statistics",)


def test_a_host_that_was_lost_is_a_failure(stage: Make) -> None:
    one = stage()
    lost = answer("h3", "Stage", {"msg": "Connection refused"}, "unreachable")
    one.world.instead["release"] = lambda _world, _variables: iter([lost, ended(HOSTS, lost=["h3"])])
    outcome, events = one.perform(API)
    assert outcome == Outcome(state="failed", reasons=("h3: Connection refused",))
    assert [event.unreachable for event in events if isinstance(event, HostFailed)] == [True]


def test_a_release_that_soaks_already_is_not_done_again(stage: Make) -> None:
    one = stage()
    outcome, _ = one.perform(API, Standing(state="released", since="2020-01-01T00:00:00.000Z"))
    assert outcome.ok
    assert one.world.runs == []
    assert [kind for kind, _ in one.told()] == ["verified"]


@pytest.mark.parametrize("since", ["", "yesterday"])
def test_a_time_that_cannot_be_read_means_a_whole_soak(stage: Make, since: str) -> None:
    one = stage()
    threading.Timer(0.05, one.cancelled.set).start()
    outcome, events = one.perform({**API, "soak": "1h"}, Standing(state="released", since=since))
    assert outcome.state == "cancelled"
    assert next(event.left for event in events if isinstance(event, Soaking)) > 3590


def test_a_ramp_goes_by_its_shares_and_stays_at_each(stage: Make) -> None:
    one = stage()
    ramp = {"release": "all", "enable_feature": {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["5%", "50%", "100%"], "each": "20ms"}}
    outcome, events = one.perform(ramp)
    assert outcome.ok
    assert [variables["surefoot_ramp"] for name, variables in one.world.runs if name == "release"] == [5.0, 50.0, 100.0]
    assert sum(isinstance(event, Soaking) for event in events) == 2
    assert [kind for kind, _ in one.told()] == ["started", "released", "verified"]


def second_time(happens: t.Callable[..., t.Iterator[_fakes.RunEvent]]) -> t.Callable[..., t.Iterator[_fakes.RunEvent]]:
    """As usual the first time, and then what is given."""
    return lambda world, variables: (happens if world.played().count("release") > 1 else lambda _world, given: world.as_usual("release", given))(
        world, variables
    )


def test_a_ramp_stops_at_the_share_that_fails(stage: Make) -> None:
    one = stage()
    one.world.instead["release"] = second_time(_fakes.judging("failed"))
    ramp = {"release": "all", "enable_feature": {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["5%", "50%", "100%"], "each": "20ms"}}
    assert one.perform(ramp)[0].state == "failed"
    assert [playbook for playbook, *_ in one.world.runs] == ["release", "verify", "release"]


def test_a_playbook_of_ones_own_is_run_and_judged(stage: Make) -> None:
    one = stage()
    one.world.instead["own.yml"] = lambda _world, _variables: iter([ended(["db"])])
    assert one.perform({"release": "own", "playbook": "own.yml"})[0].ok
    one.world.instead["own.yml"] = lambda _world, _variables: iter([ended([])])
    assert one.perform({"release": "own", "playbook": "own.yml"})[0].reasons == ("no host was planned",)


def test_everything_ansible_tells_becomes_an_event(stage: Make) -> None:
    one = stage()

    def talking(world: World, variables: dict[str, t.Any]) -> t.Iterator[_fakes.RunEvent]:
        yield _fakes.saying("PLAY [Roll]")
        yield from world.released(variables)

    one.world.instead["release"] = talking
    _, events = one.perform(API)
    assert [event.text for event in events if isinstance(event, AnsibleOutput)] == ["PLAY [Roll]"]
    assert [event.title for event in events if isinstance(event, PhaseStarted)] == ["Install", "Restart"]
    assert [(event.host, event.step["kind"]) for event in events if isinstance(event, StepDone)][:2] == [("h1", "install"), ("h2", "install")]
    assert [event.verdict for event in events if isinstance(event, GateAsked)] == ["passed"]
    assert set(one.conductor.surveys) == set(HOSTS)


@pytest.mark.parametrize("message", [{"msg": ""}, {}, {"stderr": "boom"}, {"msg": None}])
def test_a_failure_without_a_message_is_told_all_the_same(stage: Make, message: dict[str, t.Any]) -> None:
    one = stage()
    one.world.instead["release"] = lambda _world, _variables: iter([answer("h1", "Own task", message, "failed"), ended(HOSTS, failed=["h1"])])
    assert one.perform(API)[0].reasons == (f"h1: {message.get('stderr', 'failed without a message')}",)


def moved(host: str, state: str) -> HostAnswered:
    return answer(host, "Move the member", {"changed": True, "step": {**_fakes.step("pool_member"), "after": {"state": state}}})


def test_who_is_left_out_of_the_pool_is_named_with_what_to_do(stage: Make) -> None:
    one = stage()
    lost = answer("h2", "Restart", {"msg": "Connection refused"}, "unreachable")
    one.world.instead["release"] = lambda _world, _variables: iter(
        [moved("h1", "drained"), moved("h1", "in_pool"), moved("h2", "drained"), moved("h3", "drained"), lost, ended(HOSTS, lost=["h2"])]
    )
    one.perform(API)
    (told,) = one.conductor.left_drained()
    assert told.hosts == ("h2", "h3")
    assert told.message.startswith("h2, h3 are left drained, so no user is sent there; next: ")


def test_nobody_is_named_where_all_are_back_in_the_pool(stage: Make) -> None:
    one = stage()
    one.world.instead["release"] = lambda _world, _variables: iter([moved("h1", "drained"), moved("h1", "in_pool"), ended(HOSTS)])
    one.perform(API)
    assert list(one.conductor.left_drained()) == []
