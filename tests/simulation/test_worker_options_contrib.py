"""The SDK's contributed modules, process pools and tuners in the direct lane."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    ResourceBasedSlotConfig,
    SharedStateManager,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerTuner,
)

from timeskip import Simulation

with workflow.unsafe.imports_passed_through():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from pydantic import BaseModel, PositiveInt
    from temporalio.contrib.opentelemetry import TracingInterceptor
    from temporalio.contrib.pydantic import pydantic_data_converter

MINUTE = timedelta(minutes=1)


class Item(BaseModel):
    name: str
    count: PositiveInt


@activity.defn
async def double(item: Item) -> Item:
    return Item(name=item.name, count=2 * item.count)


@workflow.defn
class Shop:
    """Doubles an item after a day."""

    @workflow.run
    async def run(self, item: Item) -> Item:
        await workflow.sleep(timedelta(days=1))
        return await workflow.execute_activity(double, item, start_to_close_timeout=MINUTE)


@activity.defn
async def work(number: int) -> int:
    await asyncio.sleep(60)
    return number


@activity.defn
def work_in_process(number: int) -> tuple[int, int]:
    """Returns the process that it ran in."""
    activity.heartbeat(number)
    time.sleep(0)
    return number, os.getpid()


@workflow.defn
class Workload:
    """Runs an activity so many times at once."""

    @workflow.run
    async def run(self, name: str, times: int) -> list[Any]:
        return await asyncio.gather(
            *(
                workflow.execute_activity(
                    name,
                    number,
                    start_to_close_timeout=timedelta(hours=1),
                    heartbeat_timeout=MINUTE if name == "work_in_process" else None,
                )
                for number in range(times)
            )
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("sandboxed", [True, False])
async def test_pydantic_models(sandboxed: bool) -> None:
    options: dict[str, Any] = {} if sandboxed else {"workflow_runner": UnsandboxedWorkflowRunner()}
    async with (
        Simulation(lane="direct", data_converter=pydantic_data_converter) as sim,
        sim.worker(workflows=[Shop], activities=[double], **options),
    ):
        result = await sim.client.execute_workflow(
            Shop.run, Item(name="pen", count=3), id="shop", task_queue=sim.task_queue
        )
    assert result == Item(name="pen", count=6)


@pytest.mark.asyncio
async def test_traces_of_client_workflow_and_activity_are_one() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = TracingInterceptor(provider.get_tracer(__name__))
    async with (
        Simulation(
            lane="direct", interceptors=[tracing], data_converter=pydantic_data_converter
        ) as sim,
        sim.worker(workflows=[Shop], activities=[double]),
    ):
        await sim.client.execute_workflow(
            Shop.run, Item(name="pen", count=3), id="shop", task_queue=sim.task_queue
        )
    spans = {span.name: span for span in exporter.get_finished_spans()}
    started = spans["StartWorkflow:Shop"]
    assert started.context is not None
    for name in ("RunWorkflow:Shop", "StartActivity:double", "RunActivity:double"):
        context = spans[name].context
        assert context is not None
        assert context.trace_id == started.context.trace_id, name


@pytest.mark.slow
@pytest.mark.asyncio
async def test_activities_in_processes() -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as processes:
        async with (
            Simulation(lane="direct") as sim,
            sim.worker(
                workflows=[Workload],
                activities=[work_in_process],
                activity_executor=processes,
                max_concurrent_activities=2,
                shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
                workflow_runner=UnsandboxedWorkflowRunner(),
            ),
        ):
            results = await sim.client.execute_workflow(
                Workload.run,
                args=["work_in_process", 4],
                id="workload",
                task_queue=sim.task_queue,
            )
    assert [number for number, _ in results] == [0, 1, 2, 3]
    assert os.getpid() not in {process for _, process in results}


# -- tuners -----------------------------------------------------------------------------------


class Permit(SlotPermit):
    def __init__(self, number: int) -> None:
        self.number = number


class CountedSlots(CustomSlotSupplier):
    """So many slots, and a book of what became of each permit."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self._given = 0
        self.contexts: list[tuple[str, str, bool]] = []
        self.used: list[Any] = []
        self.open: set[int] = set()
        self.most = 0

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        await self._free.acquire()
        return self._permit(ctx)

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        if self._free.locked():
            return None
        # Nobody waits, so this does not have to either.
        self._free._value -= 1
        return self._permit(ctx)

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self.used.append(ctx.slot_info)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        assert isinstance(ctx.permit, Permit)
        self.open.remove(ctx.permit.number)
        self._free.release()

    def _permit(self, ctx: SlotReserveContext) -> Permit:
        self.contexts.append((ctx.slot_type, ctx.task_queue, ctx.is_sticky))
        self._given += 1
        self.open.add(self._given)
        self.most = max(self.most, len(self.open))
        return Permit(self._given)


async def run_workload(sim: Simulation, tuner: WorkerTuner, times: int) -> list[Any]:
    async with Worker(
        sim.client,
        task_queue=sim.task_queue,
        workflows=[Workload],
        activities=[work],
        workflow_runner=UnsandboxedWorkflowRunner(),
        tuner=tuner,
    ):
        results: list[Any] = await sim.client.execute_workflow(
            Workload.run, args=["work", times], id="workload", task_queue=sim.task_queue
        )
        return results


@pytest.mark.asyncio
async def test_fixed_tuner() -> None:
    tuner = WorkerTuner.create_fixed(workflow_slots=2, activity_slots=2, local_activity_slots=1)
    async with Simulation(lane="direct") as sim:
        assert await run_workload(sim, tuner, 6) == list(range(6))
        assert sim.elapsed == timedelta(minutes=3)


@pytest.mark.asyncio
async def test_resource_based_tuner() -> None:
    tuner = WorkerTuner.create_resource_based(
        target_memory_usage=0.9,
        target_cpu_usage=0.9,
        activity_config=ResourceBasedSlotConfig(1, 3, timedelta(0)),
    )
    async with Simulation(lane="direct") as sim:
        assert await run_workload(sim, tuner, 6) == list(range(6))
        assert sim.elapsed == timedelta(minutes=2)


@pytest.mark.asyncio
async def test_slot_suppliers_of_the_users() -> None:
    workflows, activities = CountedSlots(5), CountedSlots(2)
    tuner = WorkerTuner.create_composite(
        workflow_supplier=workflows,
        activity_supplier=activities,
        local_activity_supplier=FixedSizeSlotSupplier(1),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )
    async with Simulation(lane="direct") as sim:
        assert await run_workload(sim, tuner, 6) == list(range(6))
        assert sim.elapsed == timedelta(minutes=3)
        queue = sim.task_queue
    assert activities.most == 2
    assert [getattr(info, "activity_type", None) for info in activities.used] == ["work"] * 6
    assert {getattr(info, "workflow_type", None) for info in workflows.used} == {"Workload"}
    assert {kind for kind, _, _ in activities.contexts} == {"activity"}
    assert {(kind, sticky) for kind, _, sticky in workflows.contexts} == {
        ("workflow", False),
        ("workflow", True),
    }
    assert {queue for _, queue, _ in workflows.contexts} == {queue}
    # Every permit has been given back, used or not.
    assert workflows.open == activities.open == set()


@activity.defn
async def note(number: int) -> int:
    return number


@workflow.defn
class Notes:
    @workflow.run
    async def run(self, count: int) -> list[int]:
        notes = [
            workflow.execute_local_activity(
                note, number, start_to_close_timeout=timedelta(seconds=5)
            )
            for number in range(count)
        ]
        return list(await asyncio.gather(*notes))


@pytest.mark.asyncio
@pytest.mark.both_lanes
async def test_slots_of_local_activities_are_taken_in_advance(sim: Simulation) -> None:
    slots = CountedSlots(2)
    tuner = WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(5),
        activity_supplier=FixedSizeSlotSupplier(1),
        local_activity_supplier=slots,
        nexus_supplier=FixedSizeSlotSupplier(1),
    )
    async with Worker(
        sim.client,
        task_queue=sim.task_queue,
        workflows=[Notes],
        activities=[note],
        workflow_runner=UnsandboxedWorkflowRunner(),
        tuner=tuner,
    ):
        result = await sim.client.execute_workflow(
            Notes.run, 3, id="notes", task_queue=sim.task_queue
        )
    assert result == [0, 1, 2]
    # One more than was needed, and all are back.
    assert [kind for kind, _, _ in slots.contexts] == ["local-activity"] * 4
    assert [type(info).__name__ for info in slots.used] == ["LocalActivitySlotInfo"] * 3
    assert slots.open == set()


class FaultySlots(CountedSlots):
    """Raises when it is first asked, whatever for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.faults: list[str] = []

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        self._fail_once("reserve_slot")
        return await super().reserve_slot(ctx)

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        self._fail_once("try_reserve_slot")
        return super().try_reserve_slot(ctx)

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self._fail_once("mark_slot_used")
        super().mark_slot_used(ctx)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        super().release_slot(ctx)
        self._fail_once("release_slot")

    def _fail_once(self, name: str) -> None:
        if name not in self.faults:
            self.faults.append(name)
            raise LookupError(f"{name} is out of order")


@pytest.mark.asyncio
async def test_faults_of_slot_suppliers_are_logged_and_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faulty = FaultySlots(2)
    tuner = WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(5),
        activity_supplier=faulty,
        local_activity_supplier=FixedSizeSlotSupplier(1),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )
    async with Simulation(lane="direct") as sim:
        assert await run_workload(sim, tuner, 3) == [0, 1, 2]
    told = [record.getMessage() for record in caplog.records]
    for name in ("reserve_slot", "try_reserve_slot", "mark_slot_used", "release_slot"):
        assert f"Error in custom slot supplier `{name}`" in told
