"""Every test of faults runs in both lanes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import orders
from timeskip import Simulation
from timeskip.lanes.selection import LaneName


@pytest.fixture(params=["direct", "wire"])
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    lane: LaneName = request.param
    orders.ledger.entries = []
    with Simulation(lane=lane) as simulation:
        yield simulation
        simulation.check()
