"""Nexus operations: what is asked of handlers, and what comes of their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import (
    EventType,
    NexusHandlerErrorRetryBehavior,
    PendingNexusOperationState,
    TaskQueueType,
)
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    TimeoutFailureInfo,
)
from temporalio.api.nexus.v1 import Failure as NexusFailure
from temporalio.api.nexus.v1 import (
    HandlerError,
    Response,
    StartOperationResponse,
    UnsuccessfulOperationError,
)
from temporalio.api.operatorservice.v1 import DeleteNexusEndpointRequest
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
)

from tests.conformance.commands import (
    complete_workflow,
    schedule_activity,
    schedule_nexus_operation,
    seconds,
)
from tests.conformance.nexus import (
    CANCELLED,
    LINK,
    REQUEST_LINK,
    application_failure,
    begun,
    create_endpoint,
    handler_error,
    handler_failure,
    observe_operations,
    observe_request,
    result,
    start_operation,
    until_operation,
)
from tests.conformance.payloads import payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

SCHEDULE = "command:ScheduleNexusOperation"
CANCEL = "command:RequestCancelNexusOperation"
ATTRIBUTES = "ScheduleNexusOperationCommandAttributes"

BACKING_OFF = PendingNexusOperationState.PENDING_NEXUS_OPERATION_STATE_BACKING_OFF

STARTED = EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED
COMPLETED = EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED
FAILED = EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED
TIMED_OUT = EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT

JSON = Payload(metadata={"encoding": b"json/plain"}, data=b'"said"')


# --- results


@scenario(
    SCHEDULE,
    "rpc:PollNexusTaskQueue",
    "rpc:RespondNexusTaskCompleted",
    "event:NexusOperationScheduled",
    "event:NexusOperationCompleted",
    *options(ATTRIBUTES, "endpoint", "service", "operation", "input", "nexus_header"),
    *options("RespondNexusTaskCompletedRequest", "namespace", "task_token", "identity", "response"),
    *options("Response", "start_operation"),
    *options("StartOperationResponse", "sync_success"),
    *options("Sync", "payload", "links"),
    *options("Link", "url", "type"),
    *options("Command", "user_metadata"),
)
async def test_an_operation_that_has_its_result_at_once(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    command = schedule_nexus_operation(endpoint.spec.name, "tea", header={"Colour": "green"})
    summary = payloads("buys tea").payloads[0]
    command.user_metadata.CopyFrom(UserMetadata(summary=summary))
    await world.raw.run_workflow_task(command)
    task = await world.raw.poll_nexus_task()
    observe_request(world, "request", task)
    await observe_operations(world, "pending", run)
    world.observe(
        "answered",
        await world.raw.complete_nexus_task(task, result("a cup", links=(LINK, REQUEST_LINK))),
    )
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
    await observe_operations(world, "done", run)
    await world.observe_error("again", world.raw.complete_nexus_task(task, result()))


@scenario(SCHEDULE, "rpc:PollNexusTaskQueue")
async def test_an_operation_without_input_or_result(world: World) -> None:
    run, task = await start_operation(world)
    observe_request(world, "request", task)
    await world.raw.complete_nexus_task(task, result())
    await world.until_event(run, COMPLETED)
    await world.observe_history("done", run)


@pytest.mark.parametrize(
    "payload",
    [
        Payload(),
        Payload(data=b"bytes"),
        Payload(metadata={"encoding": b"binary/null"}),
        Payload(metadata={"encoding": b"binary/plain"}, data=b"bytes"),
        Payload(metadata={"encoding": b"json/protobuf", "messageType": b"a.B"}, data=b"{}"),
        Payload(metadata={"encoding": b"binary/encrypted", "key": b"k"}, data=b"bytes"),
    ],
    ids=["empty", "no encoding", "null", "bytes", "message", "encrypted"],
)
@scenario(SCHEDULE, *options(ATTRIBUTES, "input"))
async def test_payloads_arrive_as_they_were_sent(world: World, payload: Payload) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    command = schedule_nexus_operation(endpoint.spec.name)
    command.schedule_nexus_operation_command_attributes.input.CopyFrom(payload)
    await world.raw.run_workflow_task(command)
    task = await world.raw.poll_nexus_task()
    world.observe("input", task.request.start_operation.payload)
    success = StartOperationResponse.Sync(payload=payload)
    await world.raw.complete_nexus_task(
        task, Response(start_operation=StartOperationResponse(sync_success=success))
    )
    await world.until_event(run, COMPLETED)
    await world.observe_history("done", run)


@scenario(
    SCHEDULE,
    "event:NexusOperationStarted",
    *options("StartOperationResponse", "async_success"),
    *options("Async", "operation_token", "links"),
)
async def test_an_operation_that_goes_on(world: World) -> None:
    run, task = await start_operation(world, "tea", start_to_close=100)
    await world.raw.complete_nexus_task(task, begun(links=(LINK,)))
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
    await observe_operations(world, "pending", run)


@scenario("rpc:RespondNexusTaskCompleted", *options("Async", "operation_id"))
async def test_tokens_of_operations(world: World) -> None:
    run, task = await start_operation(world)
    await world.observe_error("none", world.raw.complete_nexus_task(task, begun("")))
    await world.observe_error("too long", world.raw.complete_nexus_task(task, begun("x" * 4097)))
    old = StartOperationResponse.Async(operation_id="id")
    await world.observe_error(
        "the older field",
        world.raw.complete_nexus_task(
            task, Response(start_operation=StartOperationResponse(async_success=old))
        ),
    )
    await world.until_event(run, STARTED)
    await world.observe_history("history", run)


OPERATION_FAILURES: Mapping[str, StartOperationResponse] = {
    "failed": StartOperationResponse(
        failure=Failure(
            message="sold out",
            stack_trace="line 7",
            application_failure_info=ApplicationFailureInfo(
                type="SoldOut", non_retryable=True, details=payloads("details")
            ),
            cause=application_failure("why", type="Why"),
        )
    ),
    "cancelled": StartOperationResponse(
        failure=Failure(
            message="changed mind",
            canceled_failure_info=CanceledFailureInfo(details=payloads("details")),
        )
    ),
    "of another kind": StartOperationResponse(
        failure=Failure(message="too late", timeout_failure_info=TimeoutFailureInfo())
    ),
    "failed, in older words": StartOperationResponse(
        operation_error=UnsuccessfulOperationError(
            operation_state="failed",
            failure=NexusFailure(message="sold out", metadata={"a": "b"}, details=b'{"c":1}'),
        )
    ),
    "failed, in older words of Temporal's": StartOperationResponse(
        operation_error=UnsuccessfulOperationError(
            operation_state="failed",
            failure=NexusFailure(
                message="sold out",
                metadata={"type": "temporal.api.failure.v1.Failure"},
                details=b'{"applicationFailureInfo":{"type":"SoldOut"}}',
            ),
        )
    ),
    "cancelled, in older words": StartOperationResponse(
        operation_error=UnsuccessfulOperationError(
            operation_state="canceled", failure=NexusFailure(message="changed mind")
        )
    ),
}


@pytest.mark.parametrize("failure", OPERATION_FAILURES)
@scenario(
    "event:NexusOperationFailed",
    "event:NexusOperationCanceled",
    *options("StartOperationResponse", "failure", "operation_error"),
    *options("UnsuccessfulOperationError", "operation_state", "failure"),
)
async def test_operations_that_fail_at_once(world: World, failure: str) -> None:
    run, task = await start_operation(world)
    await world.raw.complete_nexus_task(task, Response(start_operation=OPERATION_FAILURES[failure]))
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@scenario("rpc:RespondNexusTaskCompleted", "event:NexusOperationFailed")
async def test_a_result_that_is_too_large(world: World) -> None:
    run, task = await start_operation(world)
    await world.observe_error(
        "answer", world.raw.complete_nexus_task(task, result("x" * (2 * 1024 * 1024)))
    )
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


# --- errors of handlers

RETRYABLE = NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_RETRYABLE
NOT_RETRYABLE = NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_NON_RETRYABLE

FINAL: Mapping[str, Mapping[str, Any]] = {
    **{
        kind: {"failure": handler_failure(kind)}
        for kind in (
            "BAD_REQUEST",
            "CONFLICT",
            "NOT_FOUND",
            "NOT_IMPLEMENTED",
            "UNAUTHENTICATED",
            "UNAUTHORIZED",
        )
    },
    "with a cause": {
        "failure": handler_failure(
            "BAD_REQUEST", stack_trace="line 7", cause=application_failure("why", type="Why")
        )
    },
    "not retryable": {"failure": handler_failure("INTERNAL", retry_behavior=NOT_RETRYABLE)},
    "in older words": {"error": handler_error("BAD_REQUEST")},
    "in older words, not retryable": {
        "error": HandlerError(error_type="INTERNAL", retry_behavior=NOT_RETRYABLE)
    },
    "in older words, with details": {
        "error": HandlerError(
            error_type="BAD_REQUEST",
            failure=NexusFailure(
                message="no luck",
                stack_trace="line 7",
                details=b'{"c":1}',
                cause=NexusFailure(message="why"),
            ),
        )
    },
}

TRIED_AGAIN: Mapping[str, Mapping[str, Any]] = {
    **{
        kind: {"failure": handler_failure(kind)}
        for kind in (
            "INTERNAL",
            "REQUEST_TIMEOUT",
            "RESOURCE_EXHAUSTED",
            "UNAVAILABLE",
            "UPSTREAM_TIMEOUT",
            "ANYTHING",
        )
    },
    "retryable": {"failure": handler_failure("BAD_REQUEST", retry_behavior=RETRYABLE)},
    "in older words": {"error": handler_error("INTERNAL")},
    "in older words, nothing said": {"error": HandlerError()},
}


@pytest.mark.parametrize("error", FINAL)
@scenario(
    "rpc:RespondNexusTaskFailed",
    "event:NexusOperationFailed",
    *options("RespondNexusTaskFailedRequest", "namespace", "task_token", "identity"),
    *options("RespondNexusTaskFailedRequest", "failure", "error"),
    *options("HandlerError", "error_type", "failure", "retry_behavior"),
    *options("Failure", "message", "stack_trace", "metadata", "details", "cause"),
)
async def test_errors_of_handlers_that_are_final(world: World, error: str) -> None:
    run, task = await start_operation(world)
    world.observe("failed", await world.raw.fail_nexus_task(task, **FINAL[error]))
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@pytest.mark.parametrize("error", TRIED_AGAIN)
@scenario("rpc:RespondNexusTaskFailed")
async def test_errors_of_handlers_that_are_tried_again(world: World, error: str) -> None:
    run, task = await start_operation(world)
    await world.raw.fail_nexus_task(task, **TRIED_AGAIN[error])
    await until_operation(world, run, lambda operation: operation.state == BACKING_OFF)
    await observe_operations(world, "backing off", run)
    if error != "INTERNAL":
        return  # the rest is the same for all
    again = await world.raw.poll_nexus_task()
    observe_request(world, "again", again)
    await observe_operations(world, "tried again", run)
    await world.raw.complete_nexus_task(again, result("a cup"))
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@pytest.mark.parametrize(
    "response",
    [
        Response(),
        Response(start_operation=StartOperationResponse()),
        CANCELLED,
        Response(
            start_operation=StartOperationResponse(
                operation_error=UnsuccessfulOperationError(operation_state="running")
            )
        ),
    ],
    ids=["nothing", "no outcome", "of a cancellation", "a strange state"],
)
@scenario("rpc:RespondNexusTaskCompleted")
async def test_answers_that_make_no_sense(world: World, response: Response) -> None:
    run, task = await start_operation(world)
    await world.observe_error("answer", world.raw.complete_nexus_task(task, response))
    await until_operation(world, run, lambda operation: operation.state == BACKING_OFF)
    await observe_operations(world, "backing off", run)


# --- order, closing


@scenario(SCHEDULE)
async def test_what_happens_while_a_workflow_task_is_open(world: World) -> None:
    run = await world.start()
    shop, bank = [await create_endpoint(world, name, world.unique(name)) for name in ("x", "y")]
    shop_worker, bank_worker = (world.worker_of(world.unique(name)) for name in ("x", "y"))
    await world.raw.run_workflow_task(
        schedule_nexus_operation(shop.spec.name),
        schedule_nexus_operation(bank.spec.name),
        schedule_activity("a", task_queue=world.task_queue, start_to_close=50),
    )
    first, second = await shop_worker.poll_nexus_task(), await bank_worker.poll_nexus_task()
    activity = await world.raw.poll_activity_task()
    await world.signal(run)
    workflow_task = await world.raw.poll_workflow_task()
    await bank_worker.complete_nexus_task(second, result("money"))
    await until_operation(world, run, lambda operation: operation.scheduled_event_id == 5)
    await shop_worker.complete_nexus_task(first, begun())
    await until_operation(world, run, lambda operation: bool(operation.operation_token))
    await world.raw.complete_activity_task(activity, "done")
    await world.signal(run, "again")
    await world.observe_history("buffered", run)
    await world.raw.complete_workflow_task(workflow_task)
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@scenario(SCHEDULE)
async def test_a_run_that_closes_leaves_its_operations(world: World) -> None:
    run, task = await start_operation(world)
    await world.terminate(run)
    await world.raw.complete_nexus_task(task, begun())
    await observe_operations(world, "left", run)
    await world.observe_history("history", run)


@scenario(SCHEDULE)
async def test_an_operation_of_a_run_that_closes_with_it(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name), complete_workflow()
    )
    world.observe("task", (await world.raw.poll_nexus_queue(wait=3)).HasField("request"))
    await observe_operations(world, "left", run)
    await world.observe_history("history", run)


@scenario(SCHEDULE)
async def test_an_endpoint_that_is_deleted_in_between(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(schedule_nexus_operation(endpoint.spec.name))
    task = await world.raw.poll_nexus_task()
    await world.client.operator_service.delete_nexus_endpoint(
        DeleteNexusEndpointRequest(id=endpoint.id, version=1)
    )
    await world.raw.fail_nexus_task(task, failure=handler_failure("INTERNAL"))
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


# --- timeouts


def timeouts(name: str, length: float) -> dict[str, Any]:
    return {name: length}


@scenario(
    SCHEDULE,
    "event:NexusOperationTimedOut",
    *options(
        ATTRIBUTES,
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
    ),
)
async def test_timeouts_are_shortened_to_those_of_the_run(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start(workflow_run_timeout=seconds(30))
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name),
        schedule_nexus_operation(endpoint.spec.name, schedule_to_close=40),
        schedule_nexus_operation(
            endpoint.spec.name, schedule_to_close=20, schedule_to_start=25, start_to_close=26
        ),
        schedule_nexus_operation(endpoint.spec.name, schedule_to_start=45, start_to_close=3),
        schedule_nexus_operation(
            endpoint.spec.name, schedule_to_close=0, schedule_to_start=0, start_to_close=0
        ),
    )
    await world.observe_history("history", run)
    await world.terminate(run)


@pytest.mark.parametrize("timeout", ["schedule_to_close", "start_to_close"])
@scenario(SCHEDULE, "event:NexusOperationTimedOut", clock="virtual")
async def test_an_operation_that_goes_on_for_too_long(world: World, timeout: str) -> None:
    run, task = await start_operation(world, **timeouts(timeout, 4.0))
    await world.raw.complete_nexus_task(task, begun())
    await world.until_event(run, TIMED_OUT)
    await world.observe_history("history", run)


@pytest.mark.parametrize("timeout", ["schedule_to_close", "schedule_to_start"])
@scenario(SCHEDULE, "event:NexusOperationTimedOut", clock="virtual")
async def test_an_operation_that_nobody_handles(world: World, timeout: str) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name, **timeouts(timeout, 2.5))
    )
    await world.until_event(run, TIMED_OUT)
    await world.observe_history("history", run)


@pytest.mark.parametrize("timeout", ["schedule_to_close", "schedule_to_start"])
@scenario(SCHEDULE, "event:NexusOperationTimedOut", clock="virtual")
async def test_no_handler_is_asked_that_would_have_no_time(world: World, timeout: str) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name, **timeouts(timeout, 1.3))
    )
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@scenario(SCHEDULE, "rpc:RespondNexusTaskCompleted")
async def test_a_handler_that_takes_too_long_is_asked_again(world: World) -> None:
    run, task = await start_operation(world)
    await until_operation(world, run, lambda operation: operation.state == BACKING_OFF)
    await observe_operations(world, "backing off", run)
    await world.observe_error("too late", world.raw.complete_nexus_task(task, result()))
    again = await world.raw.poll_nexus_task()
    await world.raw.complete_nexus_task(again, result("a cup"))
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@scenario("rpc:DescribeTaskQueue", "rpc:PollNexusTaskQueue")
async def test_handlers_of_a_queue_are_described(world: World) -> None:
    poll = asyncio.create_task(world.raw.poll_nexus_queue(wait=3))
    await poll
    world.observe(
        "described",
        await world.client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=world.client.namespace,
                task_queue=TaskQueue(name=world.task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_NEXUS,
            )
        ),
    )
