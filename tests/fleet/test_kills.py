"""Whatever breaks at whatever moment, the same command again comes to the end of an unbroken run. Needs root; skipped elsewhere.

By default six breaks, chosen by a seed; `SUREFOOT_KILLS` and `SUREFOOT_KILL_SEED` are those of tests/faults, and a fifth as many breaks are made here.
"""

from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest
from tests.fleet import _faults, test_faults
from tests.fleet._shop import WEB, FleetShop
from tests.fleet.test_faults import PATIENCE

from faults import _kills
from faults.test_kills import KILLS, SEED

pytestmark = pytest.mark.xdist_group("kills")

BREAKS = KILLS // 5
ENDS = {0, 3, 4, 5, 6}
"""How a run may end that something broke in: done all the same, left to a person, refused before it began, or failed."""


@dataclasses.dataclass(frozen=True)
class Break:
    """A moment, and what is broken then: a fault of one host, mended after the run, or the controller's own processes, in one of the ways of tests/faults."""

    moment: _kills.Moment
    fault: _faults.Fault | None = None
    host: str = ""

    def __str__(self) -> str:
        return f"{self.fault.__name__ if self.fault else ''} {self.host} {self.moment}"


@dataclasses.dataclass(frozen=True)
class Unbroken:
    """A run in which nothing broke: its end, its moments, and how many seconds it took."""

    state: dict[str, t.Any]
    reference: _kills.Reference
    took: float


@pytest.fixture(scope="module")
def unbroken(fleet_shop: FleetShop) -> Unbroken:
    fleet_shop.reset()
    test_faults.begin(fleet_shop)
    found = _kills.attempt(fleet_shop)
    assert found.code == 0, str(found)
    return Unbroken(settled(fleet_shop), _kills.Reference({}, found.moments(), WEB), found.took)


def settled(shop: FleetShop) -> dict[str, t.Any]:
    """The state of the shop, without what was taken back."""
    state = test_faults.state(shop)
    state["receipts"] = {name: _kills.not_taken_back(entries) for name, entries in state["receipts"].items()}
    return state


def breaks(unbroken: Unbroken) -> list[Break]:
    """At steps and anywhere by turns, each kind of break by turns too."""
    chance = random.Random(SEED)
    steps = unbroken.reference.steps(chance)
    chance.shuffle(steps)
    moments = [steps[number // 2 % len(steps)] if number % 2 else unbroken.reference.anywhere(chance) for number in range(BREAKS)]
    kinds: list[tuple[_faults.Fault | None, str, str]] = [
        (_faults.without_sshd, chance.choice(WEB), "everything"),
        (_faults.without_database, "data1", "everything"),
        (None, "", "everything"),
        (_faults.cut, chance.choice(WEB), "everything"),
        (None, "", "playbook"),
        (_faults.without_sshd, "data1", "everything"),
    ]
    chosen = []
    for number, moment in enumerate(unbroken.reference.in_order(moments)):
        fault, host, way = kinds[number % len(kinds)]
        chosen.append(Break(dataclasses.replace(moment, way=way), fault, host))
    return chosen


def broken_off(shop: FleetShop, unbroken: Unbroken, one: Break) -> str:
    """A run of the command with this break in it, mended afterwards; what happened. Raises AssertionError for what should not have."""
    after, limit = unbroken.reference.from_then_on(one.moment), 3 * unbroken.took + PATIENCE
    if one.fault is None:
        found = _kills.when_alone(shop, after, one.moment.delay, _kills.WAYS[one.moment.way], limit=limit)
        wrong = _kills.objection(found, one.moment.way)
        assert not wrong, f"{wrong}: {one}: {found}"
        return f"{one}: ended with {found.code}"
    lose, mend = one.fault(shop, one.host)

    def breaking(_pid: int, _marker: str) -> dict[int, str]:
        shop.repair(lose)
        return {0: str(one)}

    try:
        found = _kills.when_alone(shop, after, one.moment.delay, breaking, limit=limit)
    finally:
        shop.repair(mend)
    assert found.code in ENDS, f"{one}: {found}"
    left = {name for name, state in shop.pool().items() if state == "DRAIN"}
    told = set(found.events[-1][1].get("drained", ()))
    assert left <= told, f"{one}: {left} are left drained, told is {told}: {found}"
    return f"{one}: ended with {found.code}"


def test_whatever_breaks_the_same_command_again_comes_to_the_same_end(shop: FleetShop, unbroken: Unbroken) -> None:
    test_faults.begin(shop)
    story: list[str] = []
    for one in breaks(unbroken):
        story.append(broken_off(shop, unbroken, one))
        print(story[-1], flush=True)
    last = _kills.when_alone(shop)
    assert last.code == 0, f"{story}, SUREFOOT_KILL_SEED={SEED}: {last}"
    differing = _kills.differing(settled(shop), unbroken.state)
    assert not differing, f"not as after an unbroken run, by place what is there and what should be: {differing}; {story}, SUREFOOT_KILL_SEED={SEED}"
    assert shop.surefoot("plan").returncode == 0
