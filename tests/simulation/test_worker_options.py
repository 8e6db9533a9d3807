"""What users attach to a worker works in the direct lane as it does elsewhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import pytest_asyncio
import temporalio.client
import temporalio.worker
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    PayloadCodec,
)
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    StartActivityInput,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
    WorkflowRunner,
)
from temporalio.workflow import ActivityHandle, _Definition

from tests import sdk
from timeskip import Simulation
from timeskip.lanes.direct import bridge

pytestmark = pytest.mark.asyncio

SECONDS = timedelta(seconds=10)


@pytest_asyncio.fixture
async def direct() -> AsyncIterator[Simulation]:
    async with Simulation(lane="direct") as sim:
        yield sim


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
def greet_in_thread(name: str) -> str:
    time.sleep(60)
    return f"Hello, {name}, from {threading.current_thread().name}!"


@activity.defn
async def fail_once(name: str) -> str:
    if activity.info().attempt == 1:
        raise ApplicationError("not yet")
    return name


@workflow.defn
class Greeting:
    """Greets by an activity after a day."""

    @workflow.run
    async def run(self, name: str, by: str = "greet", task_queue: str | None = None) -> str:
        await workflow.sleep(timedelta(days=1))
        answer: str = await workflow.execute_activity(
            by,
            name,
            start_to_close_timeout=timedelta(minutes=5),
            result_type=str,
            task_queue=task_queue,
        )
        return answer


async def greeted(
    sim: Simulation,
    name: Any = "Ada",
    *arguments: Any,
    id: str = "greeting",
    client: temporalio.client.Client | None = None,
    **options: Any,
) -> Any:
    """Run `Greeting` on a worker with these options."""
    client = client or sim.client
    async with Worker(
        client,
        **{
            "task_queue": sim.task_queue,
            "workflows": [Greeting],
            "activities": [greet, fail_once],
            **options,
        },
    ):
        return await client.execute_workflow(
            Greeting.run, args=[name, *arguments], id=id, task_queue=sim.task_queue
        )


# -- interceptors and plugins -----------------------------------------------------------------


class Notes(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Notes what passes through it, on every side."""

    notes: ClassVar[list[str]] = []

    def intercept_client(
        self, next: temporalio.client.OutboundInterceptor
    ) -> temporalio.client.OutboundInterceptor:
        return _ClientNotes(super().intercept_client(next))

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ActivityNotes(super().intercept_activity(next))

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        input.unsafe_extern_functions["note"] = self.notes.append
        return _WorkflowNotes


class _ClientNotes(temporalio.client.OutboundInterceptor):
    async def start_workflow(
        self, input: temporalio.client.StartWorkflowInput
    ) -> temporalio.client.WorkflowHandle[Any, Any]:
        Notes.notes.append("client starts")
        return await super().start_workflow(input)


class _ActivityNotes(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        Notes.notes.append("activity runs")
        return f"{await super().execute_activity(input)} (noted)"


class _WorkflowNotes(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutboundNotes(outbound))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        workflow.extern_functions()["note"]("workflow runs")
        return await super().execute_workflow(input)


class _WorkflowOutboundNotes(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        workflow.extern_functions()["note"]("workflow starts")
        return super().start_activity(input)


ALL_NOTES = ["client starts", "workflow runs", "workflow starts", "activity runs"]


async def test_interceptors_of_client_and_worker_see_everything(direct: Simulation) -> None:
    Notes.notes.clear()
    client = await direct.connect_client(interceptors=[Notes()])
    assert await greeted(direct, client=client) == "Hello, Ada! (noted)"
    assert Notes.notes == ALL_NOTES


async def test_interceptors_of_the_worker_alone(direct: Simulation) -> None:
    Notes.notes.clear()
    assert await greeted(direct, interceptors=[Notes()]) == "Hello, Ada! (noted)"
    assert Notes.notes == ALL_NOTES[1:]


async def test_plugins_configure_client_and_worker() -> None:
    Notes.notes.clear()
    plugin = SimplePlugin("notes", interceptors=[Notes()])
    async with Simulation(lane="direct", plugins=[plugin], auto_replay=False) as sim:
        assert await greeted(sim) == "Hello, Ada! (noted)"
    assert Notes.notes == ALL_NOTES


@sdk.needs("1.35", "plugins were cut off when a worker ended")
async def test_plugin_of_a_worker_runs_around_it(direct: Simulation) -> None:
    told = []

    @contextlib.asynccontextmanager
    async def around() -> AsyncIterator[None]:
        told.append("before")
        yield
        told.append("after")

    await greeted(direct, plugins=[SimplePlugin("around", run_context=around)])
    assert told == ["before", "after"]


# -- data -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Person:
    name: str


class PersonConverter(EncodingPayloadConverter):
    @property
    def encoding(self) -> str:
        return "text/person"

    def to_payload(self, value: Any) -> Payload | None:
        if not isinstance(value, Person):
            return None
        return Payload(metadata={"encoding": b"text/person"}, data=value.name.encode())

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return Person(payload.data.decode())


class PersonPayloadConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(
            PersonConverter(), *DefaultPayloadConverter.default_encoding_payload_converters
        )


class Base64Codec(PayloadCodec):
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        await asyncio.sleep(0)
        return [
            Payload(
                metadata={"encoding": b"binary/base64"},
                data=base64.b64encode(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        await asyncio.sleep(0)
        return [Payload.FromString(base64.b64decode(payload.data)) for payload in payloads]


def encodings(sim: Simulation) -> set[bytes]:
    """Of the inputs and results in the history of the one run there is."""
    (run,) = sim.runs
    events = run.history.events
    scheduled = next(e for e in events if e.HasField("activity_task_scheduled_event_attributes"))
    return {
        payload.metadata["encoding"]
        for payload in (
            *events[0].workflow_execution_started_event_attributes.input.payloads,
            *scheduled.activity_task_scheduled_event_attributes.input.payloads,
            *events[-1].workflow_execution_completed_event_attributes.result.payloads,
        )
    }


async def test_payload_converter_of_the_users(direct: Simulation) -> None:
    converter = DataConverter(payload_converter_class=PersonPayloadConverter)
    client = await direct.connect_client(data_converter=converter)
    assert await greeted(direct, Person("Ada"), client=client) == "Hello, Person(name='Ada')!"
    assert b"text/person" in encodings(direct)


async def test_payload_codec_encodes_all_that_the_service_sees(direct: Simulation) -> None:
    converter = dataclasses.replace(DataConverter.default, payload_codec=Base64Codec())
    client = await direct.connect_client(data_converter=converter)
    assert await greeted(direct, client=client) == "Hello, Ada!"
    assert encodings(direct) == {b"binary/base64"}


# -- how workflows run ------------------------------------------------------------------------


class CountingRunner(WorkflowRunner):
    def __init__(self) -> None:
        self.created: list[str] = []
        self._runner = UnsandboxedWorkflowRunner()

    def prepare_workflow(self, defn: _Definition) -> None:
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self.created.append(det.info.workflow_id)
        return self._runner.create_instance(det)

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        self._runner.set_worker_level_failure_exception_types(types)


async def test_runner_of_the_users_makes_the_instances(direct: Simulation) -> None:
    runner = CountingRunner()
    assert await greeted(direct, workflow_runner=runner) == "Hello, Ada!"
    assert runner.created == ["greeting"]


@pytest.mark.parametrize(("cache", "instances"), [(0, 3), (1, 1), (1000, 1)])
async def test_cache_limits_how_long_instances_live(
    direct: Simulation, cache: int, instances: int
) -> None:
    runner = CountingRunner()
    answer = await greeted(direct, workflow_runner=runner, max_cached_workflows=cache)
    assert answer == "Hello, Ada!"
    assert len(runner.created) == instances


async def instances_of_five_runs(sim: Simulation, **options: Any) -> int:
    """How many instances workflows have that run at the same time: of whichever is evicted, two."""
    runner = CountingRunner()
    async with sim.worker(
        workflows=[Greeting], activities=[greet], workflow_runner=runner, **options
    ):
        answers = await asyncio.gather(
            *(
                sim.client.execute_workflow(
                    Greeting.run, str(number), id=str(number), task_queue=sim.task_queue
                )
                for number in range(5)
            )
        )
    assert answers == [f"Hello, {number}!" for number in range(5)]
    return len(runner.created)


async def test_small_cache_evicts_runs_and_rebuilds_them(direct: Simulation) -> None:
    assert await instances_of_five_runs(direct, max_cached_workflows=2) > 5


async def test_what_the_sdk_sets_unless_told_limits_no_cache(
    direct: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,000 that it is: a test with more runs takes seconds."""
    monkeypatch.setattr(bridge, "_CACHED_UNLESS_TOLD", 2)
    assert await instances_of_five_runs(direct, max_cached_workflows=2) == 5


async def test_debug_mode(direct: Simulation) -> None:
    assert await greeted(direct, debug_mode=True) == "Hello, Ada!"


# -- how activities run -----------------------------------------------------------------------


async def test_threads_of_the_users_run_activities_in_virtual_time(direct: Simulation) -> None:
    with ThreadPoolExecutor(2, thread_name_prefix="users") as pool:
        answer = await greeted(
            direct,
            "Ada",
            "greet_in_thread",
            activities=[greet_in_thread],
            activity_executor=pool,
        )
    assert answer.startswith("Hello, Ada, from users_")
    assert direct.elapsed == timedelta(days=1, minutes=1)


async def test_activities_are_tried_again(direct: Simulation) -> None:
    assert await greeted(direct, "Ada", "fail_once") == "Ada"
    assert direct.elapsed == timedelta(days=1, seconds=1)


@pytest.mark.parametrize("limit", [1, 2])
async def test_limit_of_concurrent_activities(direct: Simulation, limit: int) -> None:
    running = most = 0

    @activity.defn
    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(60)
        running -= 1

    async with direct.worker(
        workflows=[Spread],
        activities=[work],
        max_concurrent_activities=limit,
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await direct.client.execute_workflow(
            Spread.run, args=["work", 4], id="spread", task_queue=direct.task_queue
        )
    assert most == limit
    assert direct.elapsed == timedelta(minutes=4 / limit)


@workflow.defn
class Spread:
    """Runs an activity so many times at once."""

    @workflow.run
    async def run(self, name: str, times: int) -> list[Any]:
        return await asyncio.gather(
            *(
                workflow.execute_activity(name, start_to_close_timeout=timedelta(hours=1))
                for _ in range(times)
            )
        )


# -- life and queues --------------------------------------------------------------------------


async def test_run_and_shutdown_of_a_worker(direct: Simulation) -> None:
    worker = Worker(
        direct.client, task_queue=direct.task_queue, workflows=[Greeting], activities=[greet]
    )
    running = asyncio.create_task(worker.run())
    answer = await direct.client.execute_workflow(
        Greeting.run, "Ada", id="greeting", task_queue=direct.task_queue
    )
    assert answer == "Hello, Ada!"
    assert worker.is_running
    await worker.shutdown()
    await running
    assert worker.is_shutdown


async def test_cancelled_run_of_a_worker_ends_it(direct: Simulation) -> None:
    worker = Worker(direct.client, task_queue=direct.task_queue, workflows=[Greeting])
    running = asyncio.create_task(worker.run())
    await direct.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_worker_that_comes_later_takes_over(direct: Simulation) -> None:
    handle = await direct.client.start_workflow(
        Greeting.run, "Ada", id="greeting", task_queue=direct.task_queue
    )
    async with direct.worker(workflows=[Greeting], activities=[greet]):
        await direct.sleep(3600)
    async with direct.worker(workflows=[Greeting], activities=[greet]):
        assert await handle.result() == "Hello, Ada!"


async def test_workers_share_a_queue(direct: Simulation) -> None:
    served: list[str] = []

    def worker(name: str) -> Any:
        @activity.defn(name="serve")
        async def serve() -> None:
            served.append(name)
            await asyncio.sleep(60)

        return direct.worker(
            workflows=[Spread],
            activities=[serve],
            max_concurrent_activities=2,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )

    async with worker("one"), worker("two"):
        await direct.client.execute_workflow(
            Spread.run, args=["serve", 8], id="spread", task_queue=direct.task_queue
        )
    assert sorted(served) == ["one"] * 4 + ["two"] * 4
    assert direct.elapsed == timedelta(minutes=2)


@pytest.mark.parametrize("cache", [0, 1, 2])
async def test_runs_that_get_news_while_they_are_to_be_forgotten(
    direct: Simulation, cache: int
) -> None:
    async with direct.worker(workflows=[Counting], max_cached_workflows=cache):
        handles = [
            await direct.client.start_workflow(
                Counting.run, id=f"counting-{number}", task_queue=direct.task_queue
            )
            for number in range(4)
        ]
        for handle in handles:
            await handle.signal(Counting.count)
        assert [await handle.query(Counting.counted) for handle in handles] == [1] * 4
        for handle in handles:
            await handle.signal(Counting.count)
        assert [await handle.result() for handle in handles] == [2] * 4


async def test_all_that_waits_when_a_run_is_forgotten_is_answered(direct: Simulation) -> None:
    async with direct.worker(workflows=[Counting], max_cached_workflows=0):
        handle = await direct.client.start_workflow(
            Counting.run, id="counting", task_queue=direct.task_queue
        )
        await direct.sleep(timedelta(seconds=1))
        queries = [handle.query(Counting.counted) for _ in range(3)]
        await asyncio.gather(*queries, handle.signal(Counting.count))
        await handle.signal(Counting.count)
        assert await handle.result() == 2
    assert direct.elapsed == timedelta(seconds=1)


@workflow.defn(sandboxed=False)
class Counting:
    """Counts to two."""

    def __init__(self) -> None:
        self._count = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self._count == 2)
        return self._count

    @workflow.signal
    def count(self) -> None:
        self._count += 1

    @workflow.query
    def counted(self) -> int:
        return self._count


async def test_queue_of_one_worker(direct: Simulation) -> None:
    """The pattern of the SDK's samples: activities on a queue that only one worker polls."""

    @activity.defn
    async def where() -> str:
        return activity.info().task_queue

    async with (
        direct.worker(workflows=[Greeting]),
        direct.worker(task_queue="host-1", activities=[greet]),
        direct.worker(task_queue="host-2", activities=[fail_once]),
    ):
        for queue, by in (("host-1", "greet"), ("host-2", "fail_once")):
            await direct.client.execute_workflow(
                Greeting.run, args=["Ada", by, queue], id=queue, task_queue=direct.task_queue
            )
    queues = [
        event.activity_task_scheduled_event_attributes.task_queue.name
        for run in direct.runs
        for event in run.history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert queues == ["host-1", "host-2"]


async def test_clients_and_workers_in_other_namespaces() -> None:
    async with Simulation(lane="direct", namespace="shop") as sim:
        assert await greeted(sim) == "Hello, Ada!"
