"""kill -9 at any moment, then the same command again: the end is that of an unbroken road.

By default a few kills, chosen by a seed. `SUREFOOT_KILLS=500` kills that often, at the boundary of every step among others, and
`SUREFOOT_KILL_SEED=7` chooses other moments.
"""

from __future__ import annotations

import math
import os
import pathlib
import random
import signal
import time
import typing as t

import _road
import pytest

from faults import _kills

KILLS = int(os.environ.get("SUREFOOT_KILLS", "8"))
SEED = int(os.environ.get("SUREFOOT_KILL_SEED", "1"))
PER_ROAD = 8


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> _kills.Reference:
    with _road.a_shop(tmp_path_factory.mktemp("unbroken") / "shop", probe=False) as shop:
        return _kills.reference(shop)


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> t.Iterator[_road.Shop]:
    with _road.a_shop(tmp_path / "shop", probe=False) as found:
        yield found


def moments(unbroken: _kills.Reference, number: int) -> list[_kills.Moment]:
    """The moments of one road: half of them at boundaries, all of which have their turn when there are roads enough, the rest anywhere."""
    boundaries = unbroken.boundaries()
    random.Random(SEED).shuffle(boundaries)
    chance = random.Random(SEED * 1000 + number)
    wanted = min(PER_ROAD, KILLS - number * PER_ROAD)
    first = number * (PER_ROAD // 2)
    chosen = [boundaries[position % len(boundaries)] for position in range(first, first + wanted // 2)]
    return unbroken.in_order([*chosen, *(unbroken.anywhere(chance) for _ in range(wanted - len(chosen)))])


def agree(shop: _road.Shop, unbroken: _kills.Reference, story: t.Sequence[str]) -> None:
    """The state is that of an unbroken road, and users are served by all of it."""
    found, wanted = _kills.flat(shop.state()), _kills.flat(unbroken.state)
    differing = {where: (found.get(where), wanted.get(where)) for where in sorted(found.keys() | wanted.keys()) if found.get(where) != wanted.get(where)}
    assert not differing, f"not as after an unbroken road, by place what is there and what should be: {differing}; {story}"
    assert shop.visit() == 200
    check = shop.surefoot("history", "--check")
    assert check.returncode == 0, check.stdout
    plan = shop.surefoot("plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr


@pytest.mark.parametrize("number", range(math.ceil(KILLS / PER_ROAD)))
def test_killed_again_and_again_it_comes_to_the_same_end(
    shop: _road.Shop, unbroken: _kills.Reference, number: int, record_property: t.Callable[[str, object], None]
) -> None:
    story = _kills.broken_road(shop, unbroken, moments(unbroken, number))
    record_property("kills", story)
    print("\n".join(story))
    agree(shop, unbroken, story)
    left = sorted(path.name for path in (shop.root / "tmp").glob("surefoot-run-*"))
    assert not left, f"directories that hold the environment of killed runs are still there: {left}"


def test_only_the_runner_is_killed_and_what_it_left_at_work_does_no_harm(shop: _road.Shop, unbroken: _kills.Reference) -> None:
    """ansible-playbook is in a session of its own and does not die with the runner. Whatever it still does, two never work at once."""
    shop.feature(*_kills.ROAD)
    moment = next(one for one in unbroken.boundaries() if one.key[:3] == ("StepDone", "reviews", "h1") and "pool_member" in one.key)
    broken = _kills.attempt(shop, {moment.key}, kill=_kills.kill_runner)
    assert broken.code is None, str(broken)
    deadline = time.monotonic() + 90
    while (again := _kills.attempt(shop)).code == 7:
        assert time.monotonic() < deadline, str(again)
        time.sleep(1)
    assert again.code == 0, f"left at work: {broken.killed}; {again}"
    agree(shop, unbroken, [f"left at work: {sorted(broken.killed.values())}"])


def test_ctrl_c_ends_at_once_leaves_nothing_at_work_and_is_gone_on_with(shop: _road.Shop, unbroken: _kills.Reference) -> None:
    """An attempt asserts by itself that no process outlives it."""
    shop.feature(*_kills.ROAD)
    begun = 0.0

    def interrupt(pid: int, marker: str) -> t.Mapping[int, str]:
        nonlocal begun
        begun = time.monotonic()
        os.kill(pid, signal.SIGINT)
        return _kills.marked(marker)

    moment = next(one for one in unbroken.boundaries() if "restart" in one.key)
    cancelled = _kills.attempt(shop, {moment.key}, kill=interrupt)
    took = time.monotonic() - begun
    assert cancelled.code == 3, str(cancelled)
    assert took < 15, f"it took {took:.1f} s"
    assert not {pid for pid in cancelled.killed if pathlib.Path(f"/proc/{pid}").exists()}, "something is still at work"
    again = _kills.attempt(shop)
    assert again.code == 0, str(again)
    agree(shop, unbroken, ["cancelled once"])
