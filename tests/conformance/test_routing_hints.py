"""Options with which workers and clients help a large cluster, and that change nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowType
from temporalio.api.enums.v1 import (
    ActivityTaskFailedCause,
    ApplicationErrorCategory,
    QueryResultType,
    TaskQueueType,
    WorkflowIdConflictPolicy,
)
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.protocol.v1 import Message
from temporalio.api.sdk.v1 import EventGroupMarker
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    ExecuteMultiOperationRequest,
    GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    ShutdownWorkerRequest,
    SignalWithStartWorkflowExecutionRequest,
)

from tests.conformance.commands import request_cancel_activity, schedule_activity
from tests.conformance.payloads import application_failure, payload, payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import accept, answer, begun, respond, update_request
from tests.conformance.world import Run, World

USE_EXISTING = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING


class HintingWorker:
    """A worker that gives every hint that it can."""

    def __init__(self, world: World) -> None:
        self._service = world.client.workflow_service
        self._queue = TaskQueue(name=world.task_queue)
        self._poll: dict[str, Any] = {
            "namespace": world.client.namespace,
            "task_queue": self._queue,
            "identity": "hinting",
            "poller_group_id": "group",
            "worker_instance_key": "instance",
            "worker_control_task_queue": world.unique("control"),
        }
        self.answer: dict[str, Any] = {
            "namespace": world.client.namespace,
            "identity": "hinting",
            "resource_id": "workflow:order",
        }

    async def workflow_task(self) -> PollWorkflowTaskQueueResponse:
        return await self._service.poll_workflow_task_queue(
            PollWorkflowTaskQueueRequest(**self._poll), timeout=timedelta(seconds=20)
        )

    async def activity_task(self) -> PollActivityTaskQueueResponse:
        return await self._service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(**self._poll), timeout=timedelta(seconds=20)
        )


@scenario(
    "rpc:PollWorkflowTaskQueue",
    "rpc:RespondWorkflowTaskCompleted",
    "rpc:RespondWorkflowTaskFailed",
    "rpc:GetWorkflowExecutionHistory",
    *options(
        "PollWorkflowTaskQueueRequest",
        "poller_group_id",
        "worker_instance_key",
        "worker_control_task_queue",
    ),
    *options(
        "RespondWorkflowTaskCompletedRequest",
        "resource_id",
        "worker_instance_key",
        "worker_control_task_queue",
    ),
    *options("RespondWorkflowTaskFailedRequest", "resource_id"),
    *options("GetWorkflowExecutionHistoryRequest", "skip_archival"),
)
async def test_hints_for_workflow_tasks(world: World) -> None:
    run = await world.start()
    worker = HintingWorker(world)
    service = world.client.workflow_service
    first = await worker.workflow_task()
    world.observe_task("first", first)
    await service.respond_workflow_task_failed(
        RespondWorkflowTaskFailedRequest(
            task_token=first.task_token, failure=application_failure("no"), **worker.answer
        )
    )
    second = await worker.workflow_task()
    await service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            task_token=second.task_token,
            worker_instance_key="instance",
            worker_control_task_queue=world.unique("control"),
            **worker.answer,
        )
    )
    page = await service.get_workflow_execution_history(
        GetWorkflowExecutionHistoryRequest(
            namespace=world.client.namespace, execution=run.execution, skip_archival=True
        )
    )
    world.observations.add_history("history", page.history)


async def scheduled(world: World) -> tuple[Run, dict[str, int]]:
    """A run with three activities to be polled; their scheduled events by their ids."""
    run = await world.start()
    names = ("completed", "failed", "cancelled")
    await world.raw.run_workflow_task(
        *(
            schedule_activity(name, task_queue=world.task_queue, start_to_close=100, heartbeat=100)
            for name in names
        )
    )
    events = {
        event.activity_task_scheduled_event_attributes.activity_id: event.event_id
        for event in (await world.history(run)).events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    return run, events


async def cancelled(world: World, run: Run, scheduled_event_id: int) -> None:
    """Ask for the cancellation of an activity."""
    await world.signal(run)
    await world.raw.run_workflow_task(request_cancel_activity(scheduled_event_id))


def final_failure() -> Failure:
    return Failure(
        message="no",
        application_failure_info=ApplicationFailureInfo(
            type="Refused",
            non_retryable=True,
            category=ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN,
        ),
    )


@scenario(
    "rpc:PollActivityTaskQueue",
    "rpc:RecordActivityTaskHeartbeat",
    "rpc:RespondActivityTaskCompleted",
    "rpc:RespondActivityTaskFailed",
    "rpc:RespondActivityTaskCanceled",
    *options(
        "PollActivityTaskQueueRequest",
        "poller_group_id",
        "worker_instance_key",
        "worker_control_task_queue",
    ),
    *options("RecordActivityTaskHeartbeatRequest", "resource_id"),
    *options("RespondActivityTaskCompletedRequest", "resource_id"),
    *options("RespondActivityTaskFailedRequest", "resource_id"),
    *options("RespondActivityTaskCanceledRequest", "resource_id"),
    *options("ApplicationFailureInfo", "category"),
)
async def test_hints_for_activity_tasks(world: World) -> None:
    worker = HintingWorker(world)
    service = world.client.workflow_service
    run, events = await scheduled(world)
    tasks = {task.activity_id: task for task in [await worker.activity_task() for _ in events]}
    tokens = {name: task.task_token for name, task in tasks.items()}
    await cancelled(world, run, events["cancelled"])
    world.observe(
        "heartbeat",
        await service.record_activity_task_heartbeat(
            RecordActivityTaskHeartbeatRequest(task_token=tokens["cancelled"], **worker.answer)
        ),
    )
    await service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(
            task_token=tokens["completed"], result=payloads("done"), **worker.answer
        )
    )
    await service.respond_activity_task_failed(
        RespondActivityTaskFailedRequest(
            task_token=tokens["failed"], failure=final_failure(), **worker.answer
        )
    )
    await service.respond_activity_task_canceled(
        RespondActivityTaskCanceledRequest(
            task_token=tokens["cancelled"], details=payloads("stopped"), **worker.answer
        )
    )
    await world.observe_history("history", run)


@scenario(
    "rpc:RecordActivityTaskHeartbeatById",
    "rpc:RespondActivityTaskCompletedById",
    "rpc:RespondActivityTaskFailedById",
    "rpc:RespondActivityTaskCanceledById",
    *options("RecordActivityTaskHeartbeatByIdRequest", "resource_id"),
    *options("RespondActivityTaskCompletedByIdRequest", "resource_id"),
    *options(
        "RespondActivityTaskFailedByIdRequest", "run_id", "last_heartbeat_details", "resource_id"
    ),
    *options("RespondActivityTaskCanceledByIdRequest", "run_id", "resource_id"),
)
async def test_hints_for_activities_by_id(world: World) -> None:
    worker = HintingWorker(world)
    service = world.client.workflow_service
    run, events = await scheduled(world)
    for _ in events:
        await world.raw.poll_activity_task()
    await cancelled(world, run, events["cancelled"])

    def of(activity_id: str) -> dict[str, Any]:
        whose = {"workflow_id": run.workflow_id, "run_id": run.run_id, "activity_id": activity_id}
        return {**worker.answer, **whose}

    world.observe(
        "heartbeat",
        await service.record_activity_task_heartbeat_by_id(
            RecordActivityTaskHeartbeatByIdRequest(**of("cancelled"))
        ),
    )
    await service.respond_activity_task_completed_by_id(
        RespondActivityTaskCompletedByIdRequest(**of("completed"), result=payloads("done"))
    )
    await service.respond_activity_task_failed_by_id(
        RespondActivityTaskFailedByIdRequest(
            **of("failed"),
            failure=application_failure("again"),
            last_heartbeat_details=payloads("half"),
        )
    )
    await service.respond_activity_task_canceled_by_id(
        RespondActivityTaskCanceledByIdRequest(**of("cancelled"), details=payloads("stopped"))
    )
    world.observe("the failed one is tried again", await world.describe(run))
    again = await worker.activity_task()
    world.observe_task("with its heartbeat", again)
    await world.observe_history("history", run)


@scenario(
    "rpc:RespondQueryTaskCompleted",
    *options("RespondQueryTaskCompletedRequest", "poller_group_id", "cause"),
)
async def test_hints_for_queries(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task()
    asking = await begun(world.query(run))
    task = await world.raw.poll_workflow_task()
    await world.client.workflow_service.respond_query_task_completed(
        RespondQueryTaskCompletedRequest(
            namespace=world.client.namespace,
            task_token=task.task_token,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED,
            query_result=payloads("fine"),
            poller_group_id="group",
        )
    )
    world.observe("answer", await asking)
    asking = await begun(world.query(run))
    task = await world.raw.poll_workflow_task()
    await world.client.workflow_service.respond_query_task_completed(
        RespondQueryTaskCompletedRequest(
            namespace=world.client.namespace,
            task_token=task.task_token,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_FAILED,
            error_message="lost",
            cause=1,  # type: ignore[arg-type]
        )
    )
    await world.observe_error("failure", asking)


@scenario(
    "rpc:ExecuteMultiOperation",
    *options("ExecuteMultiOperationRequest", "resource_id"),
)
async def test_hints_for_an_update_with_start(world: World) -> None:
    start = world.start_request(workflow_id_conflict_policy=USE_EXISTING)
    wanted = update_request(world, Run(start.workflow_id))
    sending = await begun(
        world.client.workflow_service.execute_multi_operation(
            ExecuteMultiOperationRequest(
                namespace=world.client.namespace,
                operations=[
                    ExecuteMultiOperationRequest.Operation(start_workflow=start),
                    ExecuteMultiOperationRequest.Operation(update_workflow=wanted),
                ],
                resource_id="workflow:another",
            )
        )
    )
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "done"))
    world.observe("answer", await sending)


@scenario(
    "rpc:RespondActivityTaskFailed",
    "rpc:RespondActivityTaskFailedById",
    *options("RespondActivityTaskFailedRequest", "cause"),
    *options("RespondActivityTaskFailedByIdRequest", "cause"),
)
async def test_causes_of_failed_activities(world: World) -> None:
    service = world.client.workflow_service
    run = await world.start()
    await world.raw.run_workflow_task(
        *(
            schedule_activity(f"activity-{number}", task_queue=world.task_queue, start_to_close=100)
            for number in range(2)
        )
    )
    cause = ActivityTaskFailedCause.ACTIVITY_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE
    first, second = [await world.raw.poll_activity_task() for _ in range(2)]
    await service.respond_activity_task_failed(
        RespondActivityTaskFailedRequest(
            namespace=world.client.namespace,
            task_token=first.task_token,
            failure=final_failure(),
            cause=cause,
        )
    )
    await service.respond_activity_task_failed_by_id(
        RespondActivityTaskFailedByIdRequest(
            namespace=world.client.namespace,
            workflow_id=run.workflow_id,
            activity_id=second.activity_id,
            failure=application_failure("again"),
            cause=cause,
        )
    )
    description = await world.describe(run)
    world.observe("description", description, without=["activity_id"])
    kinds = [event.event_type for event in (await world.history(run)).events]
    world.observe("events", kinds)


@scenario(
    "option:SignalWorkflowExecutionRequest.control",
    "option:SignalWithStartWorkflowExecutionRequest.control",
    "option:RespondWorkflowTaskFailedRequest.messages",
    "option:Command.event_group_markers",
    "option:ScheduleActivityTaskCommandAttributes.use_workflow_build_id",
)
async def test_what_no_server_acts_on(world: World) -> None:
    run = await world.start()
    await world.signal(run, control="control")
    task = await world.raw.poll_workflow_task()
    await world.raw.fail_workflow_task(task, messages=[Message(id="1")])
    scheduling = schedule_activity(
        "a", task_queue=world.task_queue, start_to_close=100, use_workflow_build_id=True
    )
    scheduling.event_group_markers.add(label=EventGroupMarker.Label(label=payload("all")))
    await world.raw.run_workflow_task(scheduling)
    await world.client.workflow_service.signal_with_start_workflow_execution(
        SignalWithStartWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_id=run.workflow_id,
            workflow_type=WorkflowType(name="Order"),
            task_queue=TaskQueue(name=world.task_queue),
            signal_name="poke",
            control="control",
            identity="signaller",
            request_id=world.unique("request"),
        )
    )
    world.observe_task("activity", await world.raw.poll_activity_task())
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "rpc:DescribeTaskQueue",
    *options("DescribeTaskQueueRequest", "report_config"),
)
async def test_a_queue_tells_its_configuration(world: World) -> None:
    world.observe(
        "description",
        await world.client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=world.client.namespace,
                task_queue=TaskQueue(name=world.task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
                report_config=True,
            )
        ),
    )


@scenario(
    "rpc:ShutdownWorker",
    *options("ShutdownWorkerRequest", "worker_instance_key", "task_queue", "task_queue_types"),
)
async def test_a_worker_that_has_never_polled_shuts_down(world: World) -> None:
    world.observe(
        "answer",
        await world.client.workflow_service.shutdown_worker(
            ShutdownWorkerRequest(
                namespace=world.client.namespace,
                sticky_task_queue=world.unique("sticky"),
                identity="hinting",
                worker_instance_key="instance",
                task_queue=world.task_queue,
                task_queue_types=[TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW],
            )
        ),
    )
    await world.start()
    world.observe_task("others go on", await world.raw.poll_workflow_task())
