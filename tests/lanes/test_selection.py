"""The direct lane is taken only where it fits the installed SDK; elsewhere wire is, with a warning."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import temporalio.bridge.worker
import temporalio.service
import temporalio.worker._workflow
from temporalio.bridge.worker import Worker

from tests.simulation.workflows import Greeter, greet
from timeskip import DirectLaneUnavailable, Simulation
from timeskip.lanes import selection
from timeskip.lanes.direct.sdk_shape import differences
from timeskip.lanes.direct.worker_access import WorkerAccess


@pytest.fixture(autouse=True)
def fresh_look() -> Iterator[None]:
    """Look at the SDK again, before and after what a test has done to it."""
    selection._direct.cache_clear()
    yield
    selection._direct.cache_clear()


def test_installed_sdk_is_as_the_lane_expects() -> None:
    assert differences() == []


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (temporalio.service, "_BridgeServiceClient", "temporalio.service has no _Bridge"),
        (temporalio.worker._workflow, "_RunningWorkflow", "has no _RunningWorkflow"),
        (Worker, "create", "a worker's core is not made by Worker.create"),
        (Worker, "poll_activity_task", "a worker's core cannot poll_activity_task"),
        (
            temporalio.worker._workflow._RunningWorkflow,
            "attempt_deadlock_interruption",
            "_RunningWorkflow has no attempt_deadlock_interruption",
        ),
    ],
)
def test_what_the_sdk_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, told: str
) -> None:
    monkeypatch.delattr(owner, name)
    (difference,) = differences()
    assert told in difference


def test_what_the_sdk_asks_for_in_addition_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "poll_weather", lambda self: None, raising=False)
    assert differences() == ["a worker's core is asked to poll_weather"]


def test_other_call_of_the_service_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(self: object, method: str) -> None: ...

    monkeypatch.setattr(temporalio.service.ServiceClient, "_rpc_call", call)
    assert differences() == ["ServiceClient._rpc_call takes self, method"]


def test_missing_option_of_workers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = dict(temporalio.bridge.worker.WorkerConfig.__dataclass_fields__)
    del fields["tuner"]
    monkeypatch.setattr(temporalio.bridge.worker.WorkerConfig, "__dataclass_fields__", fields)
    assert differences() == ["a worker has no tuner"]


def test_wire_takes_over_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "poll_weather", lambda self: None, raising=False)

    async def greeted() -> tuple[str, str]:
        async with (
            Simulation(lane="direct") as sim,
            sim.worker(workflows=[Greeter], activities=[greet]),
        ):
            greeting = await sim.client.execute_workflow(
                Greeter.run, "Ada", id="greeter", task_queue=sim.task_queue
            )
            return sim.lane, greeting

    with pytest.warns(DirectLaneUnavailable, match="is asked to poll_weather") as caught:
        assert asyncio.run(greeted()) == ("wire", "Hello, Ada!")
    (warning,) = caught
    assert warning.filename == __file__


def test_name_that_has_moved_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise ImportError("cannot import name 'x'")

    monkeypatch.setattr("timeskip.lanes.direct.sdk_shape.differences", gone)
    with pytest.warns(DirectLaneUnavailable, match="cannot import name 'x'"):
        assert Simulation(lane="direct").lane == "wire"


def test_wire_is_chosen_without_a_look() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Simulation(lane="wire").lane == "wire"


def test_lane_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no lane 'tunnel'"):
        Simulation(lane="tunnel")  # type: ignore[arg-type]


def test_core_of_the_lane_can_all_that_it_is_asked_to() -> None:
    asked = {name for name in vars(Worker) if not name.startswith("_")} - {"create", "for_replay"}
    assert asked <= set(dir(WorkerAccess))
