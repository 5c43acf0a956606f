"""One fleet with the bookshop for all tests that release to it; every test begins with 1.0.0 everywhere.

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
def fleet_shop(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[FleetShop]:
    kept = os.environ.get("FLEET_SHOP")
    try:
        with a_fleet_shop(pathlib.Path(kept) if kept else tmp_path_factory.mktemp("fleet") / "shop", keep=bool(kept)) as shop:
            yield shop
    except NotPossible as error:
        pytest.skip(str(error))


@pytest.fixture
def shop(fleet_shop: FleetShop) -> FleetShop:
    fleet_shop.reset()
    return fleet_shop
