"""One fleet with a shop for all tests that release to it, in each process that runs tests; every test begins with 1.0.0 everywhere.

FLEET_SHOP=DIRECTORY keeps the fleet there, and uses it the next time; `script/fleet down --dir DIRECTORY` removes it.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from tests.fleet._shop import FleetShop, a_fleet_shop
from tests.fleet.errors import NotPossible


@pytest.fixture(scope="session")
def fleet_shop(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> t.Iterator[FleetShop]:
    kept = os.environ.get("FLEET_SHOP")
    directory = pathlib.Path(kept, worker_id) if kept else tmp_path_factory.mktemp("fleet") / "shop"
    try:
        with a_fleet_shop(directory, keep=bool(kept)) as shop:
            yield shop
    except NotPossible as error:
        pytest.skip(str(error))


@pytest.fixture
def shop(fleet_shop: FleetShop) -> FleetShop:
    fleet_shop.reset()
    return fleet_shop


@pytest.fixture(params=["runner", "playbook"])
def way(request: pytest.FixtureRequest, shop: FleetShop) -> str:
    """By the runner as root, and by ansible-playbook alone as an ordinary user with sudo."""
    if request.param == "playbook":
        shop.work_as("deploy")
    return str(request.param)
