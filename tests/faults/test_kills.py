"""kill -9 at any moment, then the same command again: the end is that of an unbroken road.

By default thirty breaks, chosen by a seed: after every step, and anywhere. `SUREFOOT_KILLS=500` breaks off that often, and `SUREFOOT_KILL_SEED=7` chooses
other moments.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import math
import os
import pathlib
import random
import typing as t

import _road
import pytest

from faults import _kills

KILLS = int(os.environ.get("SUREFOOT_KILLS", "30"))
SEED = int(os.environ.get("SUREFOOT_KILL_SEED", "1"))
PER_ROAD = 10
# Breaks of a road, by turns; all others kill everything.
MILDER = (("runner", "playbook", "interrupt"), ("runner", "workers", "interrupt"))


@contextlib.contextmanager
def a_shop(root: pathlib.Path) -> t.Iterator[_road.Shop]:
    """A shop with as many hosts as two batches need."""
    with _road.a_shop(root, probe=False) as shop:
        hosts = shop.hosts[:2]
        shop.write("inventory/hosts.yml", {"app": {"hosts": {host.name: {"port": host.port} for host in hosts}}})
        yield dataclasses.replace(shop, hosts=hosts)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> _kills.Reference:
    with a_shop(tmp_path_factory.mktemp("unbroken") / "shop") as shop:
        return _kills.reference(shop)


def roads(unbroken: _kills.Reference) -> list[list[_kills.Moment]]:
    """The moments of each road: every step has its turn first; of many, half are at boundaries of any kind and half anywhere."""
    chance = random.Random(SEED)
    steps = unbroken.steps(chance)
    others = unbroken.boundaries()
    chance.shuffle(others)
    boundaries = [*steps, *(others[number % len(others)] for number in range(KILLS))]
    wanted = max(len(steps), KILLS // 2)
    chosen = [*boundaries[:wanted], *(unbroken.anywhere(chance) for _ in range(KILLS))][:KILLS]
    count = math.ceil(KILLS / PER_ROAD)
    return [_with_ways(unbroken.in_order(chosen[number::count]), MILDER[number % len(MILDER)], chance) for number in range(count)]


def _with_ways(moments: t.Sequence[_kills.Moment], milder: t.Sequence[str], chance: random.Random) -> list[_kills.Moment]:
    """Some are broken off in milder ways, in the middle of a release, where there is something to break off in them."""
    inside = [number for number, moment in enumerate(moments) if moment.key[0] not in {"SurveyStarted", "ReleaseEnded"}]
    ways = dict(zip(chance.sample(inside, min(len(milder), len(inside))), milder, strict=False))
    return [dataclasses.replace(moment, way=ways.get(number, "everything")) for number, moment in enumerate(moments)]


def agree(shop: _road.Shop, unbroken: _kills.Reference, story: t.Sequence[str]) -> None:
    """The state is that of an unbroken road, and users are served by all of it."""
    differing = _kills.differing(_kills.settled(shop), unbroken.state)
    assert not differing, f"not as after an unbroken road, by place what is there and what should be: {differing}; {story}"
    assert shop.visit() == 200
    check = shop.surefoot("history", "--check")
    assert check.returncode == 0, check.stdout
    plan = shop.surefoot("plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr


def go(root: pathlib.Path, unbroken: _kills.Reference, moments: t.Sequence[_kills.Moment]) -> list[str]:
    """One road with all its breaks."""
    with a_shop(root) as shop:
        story = _kills.broken_road(shop, unbroken, moments)
        agree(shop, unbroken, story)
        left = sorted(path.name for path in (shop.root / "tmp").glob("surefoot-run-*"))
        assert not left, f"directories that hold the environment of killed runs are still there: {left}"
    return story


def test_broken_off_again_and_again_it_comes_to_the_same_end(
    tmp_path: pathlib.Path, unbroken: _kills.Reference, record_property: t.Callable[[str, object], None]
) -> None:
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        gone = [pool.submit(go, tmp_path / f"road{number}", unbroken, moments) for number, moments in enumerate(roads(unbroken))]
    record_property("breaks", [road.result() for road in gone if not road.exception()])
    failures = [error for road in gone if (error := road.exception())]
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(gone)} roads, with SUREFOOT_KILL_SEED={SEED}", t.cast("list[Exception]", failures))
    print("\n".join(line for road in gone for line in road.result()))
