"""Running scenarios on a server, the real one or one of ours, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

import timeskip
from tests.conformance.low_limits import DYNAMIC_CONFIG, LIMITS
from tests.conformance.observations import Observation
from tests.conformance.real_server import (
    SEARCH_ATTRIBUTES,
    start_real_server,
    start_test_server,
)
from tests.conformance.replays import require_replayable
from tests.conformance.world import World

ClockName = Literal["real", "virtual"]
RealServer = Literal["dev server", "dev server with low limits", "test server"]

#: The lane that shows that the clock makes no difference: the wire lane again, but for those scenarios
#: that ran on a virtual clock there.
IN_REAL_TIME = "wire in real time"

#: How many scenarios run at once. They mostly wait for timers of about a second, so this is more
#: than the machine has cores, but few enough that none of them times out for want of one. The direct
#: lane has neither threads nor sockets, and needs little of a core.
_AT_ONCE = {"real": 12, "wire": 12, "direct": 30, IN_REAL_TIME: 12}

#: Seconds after which a scenario is given up.
_PATIENCE = 60


@dataclass(frozen=True)
class Scenario:
    """A scenario as it is run.

    Its test's name, its body, the clock that it needs of ours, and the real server.
    """

    name: str
    body: Callable[[World], Coroutine[Any, Any, None]]
    clock: ClockName
    real: RealServer


@dataclass(frozen=True)
class Record:
    """What a scenario observed on one server, and the traceback of what ended it early, if any."""

    observations: tuple[Observation, ...]
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """The record as JSON data."""
        return {
            "observations": [observation.to_json() for observation in self.observations],
            "error": self.error,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Record:
        """The record of this JSON data."""
        return Record(tuple(map(Observation.from_json, data["observations"])), data["error"])


def is_tried_in_real_time(clock: ClockName, real: RealServer) -> bool:
    """Whether a scenario runs on a virtual clock although it is not about skipped time."""
    return clock == "virtual" and real != "test server"


def run_scenarios(lane: str, scenarios: Sequence[Scenario]) -> dict[str, Record]:
    """Run scenarios on a server, many at once, and say what each of them observed."""
    return asyncio.run(_run_scenarios(lane, scenarios))


async def _run_scenarios(lane: str, scenarios: Sequence[Scenario]) -> dict[str, Record]:
    limit = asyncio.Semaphore(_AT_ONCE[lane])

    async def run(scenario: Scenario) -> Record:
        async with limit:
            return await _run_scenario(scenario, worlds)

    async with _LANES[lane]() as worlds:
        records = await asyncio.gather(*map(run, scenarios))
    return {scenario.name: record for scenario, record in zip(scenarios, records, strict=True)}


async def _run_scenario(scenario: Scenario, worlds: Worlds) -> Record:
    observations: list[Observation] = []
    error = None
    try:
        async with worlds(scenario) as world:
            observations = world.observations.noted
            await asyncio.wait_for(scenario.body(world), _PATIENCE)
    except Exception:  # noqa: BLE001 - whatever it is, the scenario's test reports it
        error = traceback.format_exc()
    return Record(tuple(observations), error)


Worlds = Callable[[Scenario], contextlib.AbstractAsyncContextManager[World]]


@contextlib.asynccontextmanager
async def _real_lane() -> AsyncIterator[Worlds]:
    """One dev server for all scenarios, another with low limits, and test servers for one each."""
    environments: dict[RealServer, WorkflowEnvironment] = {}
    starting = asyncio.Lock()

    async def shared(real: RealServer) -> WorkflowEnvironment:
        async with starting:
            if real not in environments:
                low = real == "dev server with low limits"
                environments[real] = await start_real_server(DYNAMIC_CONFIG if low else ())
            return environments[real]

    @contextlib.asynccontextmanager
    async def world(scenario: Scenario) -> AsyncIterator[World]:
        if scenario.real == "test server":
            async with await start_test_server() as own:
                # Without the environment's own interceptors, which lock and unlock time.
                client = Client(own.client.service_client)
                yield World(client, "real", asyncio.sleep)
        else:
            yield World((await shared(scenario.real)).client, "real", asyncio.sleep)

    try:
        yield world
    finally:
        for environment in environments.values():
            await environment.shutdown()


@contextlib.asynccontextmanager
async def _our_lane(
    lane: Literal["wire", "direct"], clock: ClockName | None = None
) -> AsyncIterator[Worlds]:
    """A simulation for each scenario, with the clock that it needs unless another is to be tried."""

    @contextlib.asynccontextmanager
    async def world(scenario: Scenario) -> AsyncIterator[World]:
        low = scenario.real == "dev server with low limits"
        async with timeskip.Simulation(
            lane=lane,
            clock=clock or scenario.clock,
            search_attributes=SEARCH_ATTRIBUTES,
            limits=LIMITS if low else timeskip.Limits(),
            # Some scenarios change the code of workflows; what comes of it is what they are about.
            auto_replay=False,
        ) as simulation:
            with simulation.expect_workflow_task_failures():
                world = World(simulation.client, lane, simulation.sleep)
                yield world
            if lane == "direct" and world.workflows:
                await require_replayable(simulation.runs, world.workflows)

    yield world


_LANES: dict[str, Callable[[], contextlib.AbstractAsyncContextManager[Worlds]]] = {
    "real": _real_lane,
    "wire": lambda: _our_lane("wire"),
    "direct": lambda: _our_lane("direct"),
    IN_REAL_TIME: lambda: _our_lane("wire", "real"),
}
