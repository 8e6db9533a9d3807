"""Plain workflows run by the SDK's own worker, as users have them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.common import (
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)

from tests.conformance import orders
from tests.conformance.scenario import scenario
from tests.conformance.world import Run, World

VIRTUAL = "ours waits in virtual time; histories and results tell no difference"

ACTIVITIES = [
    orders.charge,
    orders.charge_at_third_attempt,
    orders.decline,
    orders.pack_slowly,
    orders.ask_a_person,
]
WORKFLOWS: list[type] = [
    orders.Greeting,
    orders.Order,
    orders.StubbornOrder,
    orders.DeclinedOrder,
    orders.Approval,
    orders.Packing,
    orders.Sleeper,
    orders.PersonAsked,
    orders.LocalOrder,
    orders.PatchedOrder,
    orders.LabelledOrder,
    orders.FailingOrder,
    orders.ShortCircuit,
    orders.Clumsy,
    orders.Lost,
]


def run_of(handle: WorkflowHandle[Any, Any]) -> Run:
    """The run that a handle of a started workflow names."""
    return Run(handle.id, handle.first_execution_run_id or "")


async def start(
    world: World, workflow: Any, *args: Any, name: str = "order", **options: Any
) -> WorkflowHandle[Any, Any]:
    """Start a workflow with the SDK's client."""
    return await world.client.start_workflow(
        workflow, args=args, id=world.unique(name), task_queue=world.task_queue, **options
    )


async def observe_outcome(world: World, handle: WorkflowHandle[Any, Any], name: str = "") -> None:
    """Note what a workflow results in, or how it fails, and its history."""
    label = f"{name}: " if name else ""
    try:
        world.observe(f"{label}result", await handle.result())
    except Exception as error:  # noqa: BLE001 - how it fails is what is observed
        world.observations.add_error(f"{label}error", error)
    await world.observe_history(f"{label}history", run_of(handle))


@scenario(
    "event:WorkflowExecutionStarted",
    "event:WorkflowExecutionCompleted",
    "command:CompleteWorkflowExecution",
    clock="virtual",
)
async def test_sdk_a_workflow_returns(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(
            world,
            orders.Greeting.run,
            "Ada",
            memo={"customer": "Ada"},
            static_summary="a greeting",
            static_details="of one person",
        )
        await observe_outcome(world, handle)
        description = await handle.describe()
        world.observe("status", str(description.status))
        world.observe("memo", await description.memo())
        world.observe("summary", await description.static_summary())
        world.observe("description", await world.describe(run_of(handle)))


@scenario("event:WorkflowTaskCompleted", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_workflow_knows_the_build_of_its_code(world: World) -> None:
    async with world.worker(
        workflows=[orders.Built], build_id="first", max_cached_workflows=0
    ) as worker:
        handle = await start(world, orders.Built.run)
        world.observe("asked in the first build", await handle.query(orders.Built.build))
        await worker.shutdown()
    async with world.worker(workflows=[orders.Built], build_id="second", max_cached_workflows=0):
        world.observe("asked in the second build", await handle.query(orders.Built.build))
        await handle.signal(orders.Built.end)
        await observe_outcome(world, handle)
        world.observe("asked at the end", await handle.query(orders.Built.build))


@scenario("event:TimerFired", "event:ActivityTaskCompleted", clock="virtual", differs=VIRTUAL)
async def test_sdk_activities_and_a_timer(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, await start(world, orders.Order.run, "Ada"))


@scenario("event:TimerFired", "event:ActivityTaskCompleted", clock="virtual", differs=VIRTUAL)
async def test_sdk_without_a_cache(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES, max_cached_workflows=0):
        await observe_outcome(world, await start(world, orders.Order.run, "Ada"))


@scenario("event:ActivityTaskStarted", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_activity_succeeds_at_the_third_attempt(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, await start(world, orders.StubbornOrder.run, "Ada"))


@scenario("event:ActivityTaskFailed", "event:WorkflowExecutionFailed", clock="virtual")
async def test_sdk_an_activity_fails(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.DeclinedOrder.run, False, name="failed")
        await observe_outcome(world, handle, "failed")
        handle = await start(world, orders.DeclinedOrder.run, True, name="compensated")
        await observe_outcome(world, handle, "compensated")


@scenario(
    "rpc:SignalWorkflowExecution",
    "rpc:QueryWorkflow",
    "event:TimerCanceled",
    clock="virtual",
)
async def test_sdk_signals_and_queries(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Approval.run, 1000.0)
        world.observe("before", await handle.query(orders.Approval.comments))
        await handle.signal(orders.Approval.comment, "fine")
        world.observe("after a signal", await handle.query(orders.Approval.comments))
        await world.observe_error("failing query", handle.query(orders.Approval.broken))
        await world.observe_error("unknown query", handle.query("unknown"))
        await handle.signal(orders.Approval.approve, "Ada")
        await observe_outcome(world, handle)
        world.observe("after the end", await handle.query(orders.Approval.comments))
        await world.observe_error("late signal", handle.signal(orders.Approval.comment, "late"))


@scenario("event:TimerFired", clock="virtual", differs=VIRTUAL)
async def test_sdk_waiting_with_a_time_limit(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, await start(world, orders.Approval.run, 1.0))


@scenario("rpc:SignalWithStartWorkflowExecution", clock="virtual")
async def test_sdk_signal_with_start(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(
            world, orders.Approval.run, 1000.0, start_signal="approve", start_signal_args=["Ada"]
        )
        await observe_outcome(world, handle)


@scenario(
    "rpc:RequestCancelWorkflowExecution",
    "event:WorkflowExecutionCanceled",
    "event:TimerCanceled",
    clock="virtual",
    differs=VIRTUAL,
)
async def test_sdk_a_workflow_is_cancelled(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Sleeper.run)
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        await handle.cancel()
        await observe_outcome(world, handle)


@scenario(
    "command:RequestCancelActivityTask",
    "event:ActivityTaskCanceled",
    "rpc:RecordActivityTaskHeartbeat",
    clock="virtual",
    differs=VIRTUAL,
)
async def test_sdk_a_running_activity_is_cancelled(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Packing.run, True)
        await world.until_activity(
            run_of(handle), lambda each: each.HasField("last_heartbeat_time")
        )
        await handle.cancel()
        await observe_outcome(world, handle)


@scenario("command:RequestCancelActivityTask", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_activity_is_left_behind_by_a_cancelled_workflow(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Packing.run, False)
        await world.until_activity(
            run_of(handle), lambda each: each.HasField("last_heartbeat_time")
        )
        await handle.cancel()
        await observe_outcome(world, handle)


@scenario("event:WorkflowTaskFailed", "rpc:RespondWorkflowTaskFailed", clock="virtual")
async def test_sdk_a_workflow_has_a_bug(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Clumsy.run)
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        await handle.terminate()
        await observe_outcome(world, handle)


@scenario("event:WorkflowTaskFailed", "rpc:RespondWorkflowTaskFailed", clock="virtual")
async def test_sdk_a_workflow_type_that_no_worker_has(world: World) -> None:
    async with world.worker(workflows=[orders.Greeting]):
        handle = await start(world, "Nobody")
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        await handle.terminate()
        await observe_outcome(world, handle)


@scenario("event:ActivityTaskFailed", clock="virtual")
async def test_sdk_an_activity_type_that_no_worker_has(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, await start(world, orders.Lost.run))


@scenario("rpc:ShutdownWorker", clock="virtual", differs=VIRTUAL)
async def test_sdk_another_worker_takes_over(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Approval.run, 1000.0)
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await handle.signal(orders.Approval.approve, "Ada")
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, handle)


@scenario("rpc:TerminateWorkflowExecution", clock="virtual")
async def test_sdk_a_workflow_is_terminated(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Sleeper.run)
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        await handle.terminate("details", reason="enough")
        await observe_outcome(world, handle)


@scenario("event:WorkflowExecutionTimedOut", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_workflow_times_out(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Sleeper.run, run_timeout=timedelta(seconds=1))
        await observe_outcome(world, handle)


@scenario("option:StartWorkflowExecutionRequest.retry_policy", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_workflow_is_retried(world: World) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(
            world, orders.FailingOrder.run, 2, name="recovers", retry_policy=policy
        )
        await observe_outcome(world, handle, "recovers")
        await world.observe_history("recovers: last run", Run(handle.id))
        handle = await start(
            world, orders.FailingOrder.run, 9, name="gives-up", retry_policy=policy
        )
        await observe_outcome(world, handle, "gives up")
        await world.observe_history("gives up: last run", Run(handle.id))


@scenario("rpc:RespondActivityTaskCompletedById", clock="virtual")
async def test_sdk_an_activity_is_completed_from_outside(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.PersonAsked.run)
        await world.until_activity(run_of(handle), lambda each: each.HasField("last_started_time"))
        person = world.client.get_async_activity_handle(
            workflow_id=handle.id, run_id=handle.first_execution_run_id, activity_id="1"
        )
        await person.heartbeat("thinking")
        await person.complete("yes")
        await observe_outcome(world, handle)


@scenario("command:RecordMarker", "event:MarkerRecorded", clock="virtual")
async def test_sdk_local_activities(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, await start(world, orders.LocalOrder.run, "Ada"))


@scenario("command:RecordMarker", "event:MarkerRecorded", clock="virtual")
async def test_sdk_a_patch(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.PatchedOrder.run)
        await observe_outcome(world, handle)
        world.observe("description", await world.describe(run_of(handle)))


@scenario(
    "command:UpsertWorkflowSearchAttributes",
    "command:ModifyWorkflowProperties",
    "event:UpsertWorkflowSearchAttributes",
    "event:WorkflowPropertiesModified",
    clock="virtual",
    differs=VIRTUAL,
)
async def test_sdk_search_attributes_and_memo(world: World) -> None:
    keyword = SearchAttributeKey.for_keyword("ConformanceKeyword")
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(
            world,
            orders.LabelledOrder.run,
            memo={"dropped": 1, "kept": 1},
            search_attributes=TypedSearchAttributes([SearchAttributePair(keyword, "blue")]),
        )
        await observe_outcome(world, handle)
        world.observe("description", await world.describe(run_of(handle)))


@scenario("event:TimerCanceled", "event:TimerFired", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_timer_is_cancelled(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await observe_outcome(world, await start(world, orders.ShortCircuit.run))


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_id_conflict_policy",
    "option:StartWorkflowExecutionRequest.workflow_id_reuse_policy",
    clock="virtual",
)
async def test_sdk_starting_twice(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        first = await start(world, orders.Sleeper.run)
        await world.observe_error("while it runs", start(world, orders.Sleeper.run))
        second = await start(
            world, orders.Sleeper.run, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        world.observe("the existing one", second.first_execution_run_id)
        await first.terminate()
        world.observe("after it", (await start(world, orders.Greeting.run, "Ada")).id)


@scenario("option:StartWorkflowExecutionRequest.workflow_start_delay", clock="virtual")
async def test_sdk_a_workflow_starts_after_a_delay(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Greeting.run, "Ada", start_delay=timedelta(seconds=1))
        await observe_outcome(world, handle)


@scenario("option:StartWorkflowExecutionRequest.request_eager_execution", clock="virtual")
async def test_sdk_the_client_asks_for_an_eager_start(world: World) -> None:
    async with world.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(world, orders.Greeting.run, "Ada", request_eager_start=True)
        await observe_outcome(world, handle)


@scenario("rpc:QueryWorkflow", "rpc:DescribeWorkflowExecution", clock="virtual")
async def test_sdk_what_does_not_exist(world: World) -> None:
    handle = world.client.get_workflow_handle("unknown")
    await world.observe_error("result", handle.result())
    await world.observe_error("describe", handle.describe())
    await world.observe_error("signal", handle.signal("poke"))
    await world.observe_error("query", handle.query("state"))
    await world.observe_error("cancel", handle.cancel())
    await world.observe_error("terminate", handle.terminate())
