"""Tests as people write them for `WorkflowEnvironment.start_time_skipping()`, on a simulation.

Nothing in them is timeskip's own but the fixture that makes the environment.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import temporalio.client
import temporalio.worker
from temporalio import activity, exceptions, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHistory,
    WorkflowUpdateFailedError,
)
from temporalio.common import RetryPolicy, SearchAttributeKey, TypedSearchAttributes
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    WorkflowAlreadyStartedError,
)
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from tests import sdk
from timeskip import Simulation
from timeskip.lanes.selection import LaneName

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]


@pytest_asyncio.fixture
async def env(lane: LaneName) -> AsyncIterator[WorkflowEnvironment]:
    async with Simulation(lane=lane) as environment:
        yield environment


# -- the code under test ----------------------------------------------------------------------


@dataclasses.dataclass
class Greeting:
    salutation: str
    name: str


@activity.defn
async def compose_greeting(greeting: Greeting) -> str:
    return f"{greeting.salutation}, {greeting.name}!"


@activity.defn
def compose_in_a_thread(greeting: Greeting) -> str:
    time.sleep(3600)
    return f"{greeting.salutation}, {greeting.name}, from {threading.current_thread().name}!"


@activity.defn
async def heartbeat_until_cancelled() -> str:
    try:
        while True:
            activity.heartbeat("alive")
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        cancelled_activities.append(activity.info().workflow_id)
        raise


@activity.defn
def heartbeat_in_a_thread_until_cancelled() -> None:
    try:
        while True:
            activity.heartbeat()
            time.sleep(1)
    except CancelledError:
        cancelled_activities.append(activity.info().workflow_id)
        raise


@activity.defn
async def stop_answering() -> None:
    activity.heartbeat()
    await asyncio.sleep(3600)


cancelled_activities: list[str | None] = []


@activity.defn
async def succeed_at_the_third_attempt() -> int:
    if activity.info().attempt < 3:
        raise ApplicationError("not yet")
    return activity.info().attempt


@activity.defn
async def leave_it_to_others() -> str:
    left_to_others.append(activity.info().task_token)
    activity.raise_complete_async()


left_to_others: list[bytes] = []


@workflow.defn
class GreetingWorkflow:
    @workflow.run
    async def run(self, name: str, local: bool = False) -> str:
        execute = workflow.execute_local_activity if local else workflow.execute_activity
        return await execute(
            compose_greeting,
            Greeting("Hello", name),
            start_to_close_timeout=timedelta(seconds=10),
        )


@workflow.defn
class ThreadedWorkflow:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            compose_in_a_thread,
            Greeting("Hello", name),
            start_to_close_timeout=timedelta(hours=2),
        )


@workflow.defn
class SubscriptionWorkflow:
    """Charges every thirty days until it is cancelled by signal."""

    def __init__(self) -> None:
        self._charges = 0
        self._cancelled = False

    @workflow.run
    async def run(self) -> int:
        while not await self._cancelled_within(timedelta(days=30)):
            self._charges += 1
        return self._charges

    async def _cancelled_within(self, period: timedelta) -> bool:
        try:
            await workflow.wait_condition(lambda: self._cancelled, timeout=period)
        except asyncio.TimeoutError:
            return False
        return True

    @workflow.signal
    def cancel(self) -> None:
        self._cancelled = True

    @workflow.query
    def charges(self) -> int:
        return self._charges


@workflow.defn
class CallingWorkflow:
    """Calls the activity that it is told to."""

    @workflow.run
    async def run(self, name: str, heartbeat_seconds: float | None = None) -> Any:
        return await workflow.execute_activity(
            name,
            start_to_close_timeout=timedelta(days=1),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None,
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=1), maximum_attempts=5),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class AssertingWorkflow:
    @workflow.run
    async def run(self, number: int) -> None:
        await asyncio.sleep(60)
        assert number > 5, f"{number} is not enough"

    @workflow.signal
    def check(self, number: int) -> None:
        assert number > 5, f"{number} is not enough"


@workflow.defn
class ParentWorkflow:
    @workflow.run
    async def run(self, name: str) -> str:
        greeting: str = await workflow.execute_child_workflow(
            GreetingWorkflow.run, name, id=f"child-of-{workflow.info().workflow_id}"
        )
        return f"The child says: {greeting}"


@workflow.defn
class CountingWorkflow:
    """Counts to five, in runs of their own."""

    @workflow.run
    async def run(self, count: int = 0) -> int:
        await asyncio.sleep(86_400)
        if count < 5:
            workflow.continue_as_new(count + 1)
        return count


@workflow.defn
class ApprovalWorkflow:
    def __init__(self) -> None:
        self._approver = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self._approver))
        return self._approver

    @workflow.update
    async def approve(self, approver: str) -> str:
        await asyncio.sleep(3600)
        self._approver = approver
        return f"thank you, {approver}"

    @approve.validator
    def check_approver(self, approver: str) -> None:
        if not approver:
            raise ValueError("nobody approves")


def new_id() -> str:
    return f"workflow-{uuid.uuid4()}"


def new_worker(
    client: Client, workflows: list[type], activities: list[Any] | None = None, **options: Any
) -> Worker:
    return Worker(
        client, task_queue="queue", workflows=workflows, activities=activities or [], **options
    )


# -- results, mocks, time ---------------------------------------------------------------------


@pytest.mark.parametrize("local", [False, True])
async def test_greeting(env: WorkflowEnvironment, local: bool) -> None:
    async with new_worker(env.client, [GreetingWorkflow], [compose_greeting]):
        greeting = await env.client.execute_workflow(
            GreetingWorkflow.run, args=["Ada", local], id=new_id(), task_queue="queue"
        )
    assert greeting == "Hello, Ada!"


async def test_activity_is_replaced_by_another_of_its_name(env: WorkflowEnvironment) -> None:
    @activity.defn(name="compose_greeting")
    async def compose_mocked(greeting: Greeting) -> str:
        return f"Mocked {greeting.name}"

    async with new_worker(env.client, [GreetingWorkflow], [compose_mocked]):
        greeting = await env.client.execute_workflow(
            GreetingWorkflow.run, "Ada", id=new_id(), task_queue="queue"
        )
    assert greeting == "Mocked Ada"


async def test_sync_activity_runs_in_a_thread(env: WorkflowEnvironment) -> None:
    with ThreadPoolExecutor(2, thread_name_prefix="mine") as executor:
        async with new_worker(
            env.client, [ThreadedWorkflow], [compose_in_a_thread], activity_executor=executor
        ):
            greeting = await env.client.execute_workflow(
                ThreadedWorkflow.run, "Ada", id=new_id(), task_queue="queue"
            )
    assert greeting == "Hello, Ada, from mine_0!"


async def test_time_is_skipped_by_hand(env: WorkflowEnvironment) -> None:
    began = await env.get_current_time()
    async with new_worker(env.client, [SubscriptionWorkflow]):
        handle = await env.client.start_workflow(
            SubscriptionWorkflow.run, id=new_id(), task_queue="queue"
        )
        assert await handle.query(SubscriptionWorkflow.charges) == 0
        await env.sleep(timedelta(days=45))
        assert await handle.query(SubscriptionWorkflow.charges) == 1
        await env.sleep(45 * 86_400)
        assert await handle.query(SubscriptionWorkflow.charges) == 3
        await handle.signal(SubscriptionWorkflow.cancel)
        assert await handle.result() == 3
    assert await env.get_current_time() - began == timedelta(days=90)


async def test_environment_says_that_it_skips_time(env: WorkflowEnvironment) -> None:
    assert env.supports_time_skipping


@sdk.needs("1.35", "one way to skip time was known")
async def test_environment_says_in_which_way_it_skips_time(env: WorkflowEnvironment) -> None:
    assert env.supports_time_skipping_v1
    assert not env.supports_time_skipping_v2


async def test_time_skipping_is_disabled(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [SubscriptionWorkflow]):
        with env.auto_time_skipping_disabled():
            handle = await env.client.start_workflow(
                SubscriptionWorkflow.run, id=new_id(), task_queue="queue"
            )
            result = asyncio.create_task(handle.result())
            await env.sleep(timedelta(days=70))
            await handle.signal(SubscriptionWorkflow.cancel)
            assert await result == 2


# -- failures ---------------------------------------------------------------------------------


async def test_assertion_in_a_workflow_fails_the_workflow(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [AssertingWorkflow]):
        with pytest.raises(WorkflowFailureError) as failed:
            await env.client.execute_workflow(
                AssertingWorkflow.run, 3, id=new_id(), task_queue="queue"
            )
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.message.startswith("3 is not enough")
    assert failed.value.cause.type == "AssertionError"


async def test_assertion_in_a_signal_handler_fails_the_workflow(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [AssertingWorkflow]):
        handle = await env.client.start_workflow(
            AssertingWorkflow.run, 6, id=new_id(), task_queue="queue"
        )
        await handle.signal(AssertingWorkflow.check, 4)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.message.startswith("4 is not enough")


async def test_activity_is_tried_again_until_it_succeeds(env: WorkflowEnvironment) -> None:
    began = await env.get_current_time()
    async with new_worker(env.client, [CallingWorkflow], [succeed_at_the_third_attempt]):
        attempts = await env.client.execute_workflow(
            CallingWorkflow.run,
            "succeed_at_the_third_attempt",
            id=new_id(),
            task_queue="queue",
        )
    assert attempts == 3
    assert await env.get_current_time() - began == timedelta(minutes=1 + 2)


async def test_activity_that_stops_answering_times_out(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [CallingWorkflow], [stop_answering]):
        with pytest.raises(WorkflowFailureError) as failed:
            await env.client.execute_workflow(
                CallingWorkflow.run, args=["stop_answering", 30], id=new_id(), task_queue="queue"
            )
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, exceptions.TimeoutError)


async def test_workflow_of_the_same_id_is_refused(env: WorkflowEnvironment) -> None:
    await env.client.start_workflow(SubscriptionWorkflow.run, id="one", task_queue="queue")
    with pytest.raises(WorkflowAlreadyStartedError):
        await env.client.start_workflow(SubscriptionWorkflow.run, id="one", task_queue="queue")


# -- cancellation -----------------------------------------------------------------------------


async def test_workflow_is_cancelled(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [SubscriptionWorkflow]):
        handle = await env.client.start_workflow(
            SubscriptionWorkflow.run, id=new_id(), task_queue="queue"
        )
        await env.sleep(timedelta(days=31))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, CancelledError)


async def test_workflow_is_terminated(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [SubscriptionWorkflow]):
        handle = await env.client.start_workflow(
            SubscriptionWorkflow.run, id=new_id(), task_queue="queue"
        )
        await handle.terminate(reason="enough")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert str(failed.value.cause) == "enough"


@pytest.mark.parametrize(
    "name", ["heartbeat_until_cancelled", "heartbeat_in_a_thread_until_cancelled"]
)
async def test_heartbeating_activity_is_cancelled(env: WorkflowEnvironment, name: str) -> None:
    began = await env.get_current_time()
    workflow_id = new_id()
    with ThreadPoolExecutor(2) as executor:
        async with new_worker(
            env.client,
            [CallingWorkflow],
            [heartbeat_until_cancelled, heartbeat_in_a_thread_until_cancelled],
            activity_executor=executor,
        ):
            handle = await env.client.start_workflow(
                CallingWorkflow.run, args=[name, 30], id=workflow_id, task_queue="queue"
            )
            await env.sleep(100)
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failed:
                await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert workflow_id in cancelled_activities
    # It hears of it with the next heartbeat, and in a thread only when it wakes up from its sleep.
    assert await env.get_current_time() - began <= timedelta(seconds=102)


async def test_worker_is_shut_down_in_the_middle(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [SubscriptionWorkflow]):
        handle = await env.client.start_workflow(
            SubscriptionWorkflow.run, id=new_id(), task_queue="queue"
        )
        await env.sleep(timedelta(days=40))
    await env.sleep(timedelta(days=40))
    async with new_worker(env.client, [SubscriptionWorkflow]):
        await env.sleep(timedelta(days=40))
        await handle.signal(SubscriptionWorkflow.cancel)
        assert await handle.result() == 3


async def test_activity_is_told_of_the_shutdown_of_its_worker(env: WorkflowEnvironment) -> None:
    workflow_id = new_id()
    async with new_worker(env.client, [CallingWorkflow], [heartbeat_until_cancelled]):
        handle = await env.client.start_workflow(
            CallingWorkflow.run,
            args=["heartbeat_until_cancelled", 30],
            id=workflow_id,
            task_queue="queue",
        )
        await env.sleep(100)
    assert workflow_id in cancelled_activities
    assert (await handle.describe()).close_time is None


# -- more of the service ----------------------------------------------------------------------


async def test_activity_is_completed_by_somebody_else(env: WorkflowEnvironment) -> None:
    left_to_others.clear()
    async with new_worker(env.client, [CallingWorkflow], [leave_it_to_others]):
        handle = await env.client.start_workflow(
            CallingWorkflow.run, "leave_it_to_others", id=new_id(), task_queue="queue"
        )
        await env.sleep(timedelta(hours=3))
        await env.client.get_async_activity_handle(task_token=left_to_others[0]).complete("done")
        assert await handle.result() == "done"


async def test_child_workflow(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [ParentWorkflow, GreetingWorkflow], [compose_greeting]):
        told = await env.client.execute_workflow(
            ParentWorkflow.run, "Ada", id=new_id(), task_queue="queue"
        )
    assert told == "The child says: Hello, Ada!"


async def test_workflow_continues_as_new(env: WorkflowEnvironment) -> None:
    began = await env.get_current_time()
    async with new_worker(env.client, [CountingWorkflow]):
        count = await env.client.execute_workflow(
            CountingWorkflow.run, id=new_id(), task_queue="queue"
        )
    assert count == 5
    assert await env.get_current_time() - began == timedelta(days=6)


async def test_update(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [ApprovalWorkflow]):
        handle = await env.client.start_workflow(
            ApprovalWorkflow.run, id=new_id(), task_queue="queue"
        )
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(ApprovalWorkflow.approve, "")
        told = await handle.execute_update(ApprovalWorkflow.approve, "Ada")
        assert told == "thank you, Ada"
        assert await handle.result() == "Ada"


async def test_history_is_replayed(env: WorkflowEnvironment) -> None:
    async with new_worker(env.client, [GreetingWorkflow], [compose_greeting]):
        handle = await env.client.start_workflow(
            GreetingWorkflow.run, "Ada", id=new_id(), task_queue="queue"
        )
        await handle.result()
        history = await handle.fetch_history()
    again = WorkflowHistory.from_json(handle.id, history.to_json())
    await Replayer(workflows=[GreetingWorkflow]).replay_workflow(again)


async def test_workflow_is_described(env: WorkflowEnvironment) -> None:
    handle = await env.client.start_workflow(
        SubscriptionWorkflow.run, id=new_id(), task_queue="queue", memo={"plan": "yearly"}
    )
    description = await handle.describe()
    assert description.workflow_type == "SubscriptionWorkflow"
    assert description.start_time == await env.get_current_time()
    assert await description.memo() == {"plan": "yearly"}


_CUSTOMER = SearchAttributeKey.for_keyword("Customer")


async def test_workflow_has_search_attributes(lane: LaneName) -> None:
    async with Simulation(lane=lane, search_attributes=[_CUSTOMER]) as env:
        handle = await env.client.start_workflow(
            SubscriptionWorkflow.run,
            id=new_id(),
            task_queue="queue",
            search_attributes=TypedSearchAttributes(
                [temporalio.common.SearchAttributePair(_CUSTOMER, "Ada")]
            ),
        )
        assert (await handle.describe()).typed_search_attributes[_CUSTOMER] == "Ada"


# -- clients of one's own ---------------------------------------------------------------------


class Reversing(PayloadCodec):
    """Stands for encryption."""

    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"reversed"}, data=payload.SerializeToString()[::-1])
            for payload in payloads
        ]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [Payload.FromString(payload.data[::-1]) for payload in payloads]


class Noting(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Notes what goes through it, as a tracing interceptor does."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def intercept_client(
        self, next: temporalio.client.OutboundInterceptor
    ) -> temporalio.client.OutboundInterceptor:
        return _NotingClient(next, self.notes)

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _NotingActivity(next, self.notes)


class _NotingClient(temporalio.client.OutboundInterceptor):
    def __init__(self, next: temporalio.client.OutboundInterceptor, notes: list[str]) -> None:
        super().__init__(next)
        self._notes = notes

    async def start_workflow(
        self, input: temporalio.client.StartWorkflowInput
    ) -> temporalio.client.WorkflowHandle[Any, Any]:
        self._notes.append(f"start {input.workflow}")
        return await super().start_workflow(input)


class _NotingActivity(temporalio.worker.ActivityInboundInterceptor):
    def __init__(
        self, next: temporalio.worker.ActivityInboundInterceptor, notes: list[str]
    ) -> None:
        super().__init__(next)
        self._notes = notes

    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        self._notes.append(f"execute {input.fn.__name__}")
        return await super().execute_activity(input)


async def greet_through(client: Client) -> str:
    async with new_worker(client, [GreetingWorkflow], [compose_greeting]):
        return await client.execute_workflow(
            GreetingWorkflow.run, "Ada", id=new_id(), task_queue="queue"
        )


async def test_client_with_another_data_converter(env: WorkflowEnvironment) -> None:
    config = env.client.config()
    config["data_converter"] = dataclasses.replace(DataConverter.default, payload_codec=Reversing())
    client = Client(**config)
    assert await greet_through(client) == "Hello, Ada!"
    [run] = [each async for each in client.list_workflows()]
    history = await client.get_workflow_handle(run.id).fetch_history()
    assert "Ada" not in history.to_json()


async def test_client_with_interceptors(env: WorkflowEnvironment) -> None:
    config = env.client.config()
    noting = Noting()
    config["interceptors"] = [*config["interceptors"], noting]
    assert await greet_through(Client(**config)) == "Hello, Ada!"
    assert noting.notes == ["start GreetingWorkflow", "execute compose_greeting"]


async def test_environment_with_data_converter_and_interceptors(lane: LaneName) -> None:
    noting = Noting()
    converter = dataclasses.replace(DataConverter.default, payload_codec=Reversing())
    async with Simulation(lane=lane, data_converter=converter, interceptors=[noting]) as env:
        assert await greet_through(env.client) == "Hello, Ada!"
    assert noting.notes == ["start GreetingWorkflow", "execute compose_greeting"]


async def test_second_client_is_connected(env: WorkflowEnvironment) -> None:
    noting = Noting()
    other = await env.connect_client(interceptors=[noting])
    assert other.namespace == env.client.namespace
    began = await env.get_current_time()
    async with new_worker(other, [SubscriptionWorkflow]):
        handle = await other.start_workflow(
            SubscriptionWorkflow.run, id=new_id(), task_queue="queue"
        )
        result = asyncio.create_task(handle.result())
        for _ in range(20):
            await handle.query(SubscriptionWorkflow.charges)
            assert await env.get_current_time() == began
        await handle.signal(SubscriptionWorkflow.cancel)
        assert await result == 0
    assert noting.notes == ["start SubscriptionWorkflow"]


async def test_two_environments_live_side_by_side(env: WorkflowEnvironment, lane: LaneName) -> None:
    async with Simulation(lane=lane) as other:
        for each in (env, other):
            await each.client.start_workflow(
                SubscriptionWorkflow.run, id="same", task_queue="queue"
            )
        async with new_worker(env.client, [SubscriptionWorkflow]):
            await env.sleep(timedelta(days=100))
            assert await env.client.get_workflow_handle("same").query("charges") == 3
        async with new_worker(other.client, [SubscriptionWorkflow]):
            assert await other.client.get_workflow_handle("same").query("charges") == 0


async def test_worker_in_an_unknown_namespace_does_not_begin(env: WorkflowEnvironment) -> None:
    config = env.client.config()
    config["namespace"] = "nowhere"
    worker = Worker(Client(**config), task_queue="any", activities=[compose_greeting])
    with pytest.raises(RuntimeError, match="Worker validation failed: "):
        await worker.run()
