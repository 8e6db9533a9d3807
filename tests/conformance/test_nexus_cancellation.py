"""Nexus operations that are asked to cancel themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import (
    EventType,
    PendingNexusOperationState,
)
from temporalio.api.sdk.v1 import UserMetadata

from tests.conformance.commands import (
    complete_workflow,
    request_cancel_nexus_operation,
    schedule_nexus_operation,
)
from tests.conformance.nexus import (
    CANCELLED,
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


@scenario(
    CANCEL,
    "event:NexusOperationCancelRequested",
    "event:NexusOperationCancelRequestCompleted",
    *options("RequestCancelNexusOperationCommandAttributes", "scheduled_event_id"),
    *options("Response", "cancel_operation"),
)
async def test_an_operation_is_asked_to_cancel_itself(world: World) -> None:
    run, task = await start_operation(world, header={"colour": "green"})
    await world.raw.complete_nexus_task(task, begun())
    command = request_cancel_nexus_operation(5)
    command.user_metadata.CopyFrom(UserMetadata(summary=payloads("why").payloads[0]))
    await world.raw.run_workflow_task(command)
    cancel = await world.raw.poll_nexus_task()
    observe_request(world, "request", cancel)
    await observe_operations(world, "asked", run)
    await world.raw.complete_nexus_task(cancel, CANCELLED)
    await world.raw.poll_workflow_task()
    await observe_operations(world, "answered", run)
    await world.observe_history("history", run)


@scenario(CANCEL)
async def test_an_operation_that_has_not_begun_is_cancelled_once_it_has(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name), request_cancel_nexus_operation(5)
    )
    task = await world.raw.poll_nexus_task()
    await observe_operations(world, "not begun", run)
    await world.raw.complete_nexus_task(task, begun())
    cancel = await world.raw.poll_nexus_task()
    observe_request(world, "request", cancel)
    await observe_operations(world, "begun", run)
    await world.raw.complete_nexus_task(cancel, CANCELLED)
    await world.until_event(run, EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED)
    await world.observe_history("history", run)


ERRORS: Mapping[str, Mapping[str, Any]] = {
    "in a word": {"failure": handler_failure("BAD_REQUEST")},
    "with a cause": {
        "failure": handler_failure(
            "BAD_REQUEST", stack_trace="line 7", cause=application_failure("why", type="Why")
        )
    },
    "in older words": {"error": handler_error("BAD_REQUEST")},
}


@pytest.mark.parametrize("error", ERRORS)
@scenario(CANCEL, "event:NexusOperationCancelRequestFailed")
async def test_a_cancellation_that_fails(world: World, error: str) -> None:
    run, task = await start_operation(world)
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task(request_cancel_nexus_operation(5))
    await world.raw.fail_nexus_task(await world.raw.poll_nexus_task(), **ERRORS[error])
    await world.raw.poll_workflow_task()
    await observe_operations(world, "failed", run)
    await world.observe_history("history", run)


@scenario(CANCEL)
async def test_a_cancellation_is_tried_again(world: World) -> None:
    run, task = await start_operation(world)
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task(request_cancel_nexus_operation(5))
    await world.raw.fail_nexus_task(
        await world.raw.poll_nexus_task(), failure=handler_failure("INTERNAL")
    )
    await until_operation(world, run, lambda each: each.cancellation_info.attempt == 1)
    await observe_operations(world, "backing off", run)
    await world.raw.complete_nexus_task(await world.raw.poll_nexus_task(), CANCELLED)
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@scenario(CANCEL)
async def test_an_operation_that_is_over_without_the_workflow_knowing_is_cancelled(
    world: World,
) -> None:
    run, task = await start_operation(world)
    await world.signal(run)
    workflow_task = await world.raw.poll_workflow_task()
    await world.raw.complete_nexus_task(task, result("a cup"))
    await world.raw.complete_workflow_task(workflow_task, request_cancel_nexus_operation(5))
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)


@scenario(CANCEL)
async def test_nobody_is_asked_on_behalf_of_a_run_that_has_closed(world: World) -> None:
    run, task = await start_operation(world)
    await world.raw.complete_nexus_task(task, begun())
    await world.raw.run_workflow_task(request_cancel_nexus_operation(5), complete_workflow())
    world.observe("task", (await world.raw.poll_nexus_queue(wait=3)).HasField("request"))
    await observe_operations(world, "left", run)
