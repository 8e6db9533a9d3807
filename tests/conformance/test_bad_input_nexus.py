"""Commands about Nexus operations, and answers to Nexus tasks, that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.command.v1 import (
    Command,
)
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import (
    CommandType,
    EventType,
    PendingNexusOperationState,
)
from temporalio.api.failure.v1 import (
    Failure,
)
from temporalio.api.nexus.v1 import (
    HandlerError,
)
from temporalio.api.workflowservice.v1 import (
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest,
)

from tests.conformance.commands import (
    request_cancel_nexus_operation,
    schedule_nexus_operation,
)
from tests.conformance.nexus import (
    begun,
    create_endpoint,
    result,
    start_operation,
)
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


def without_attributes(kind: str) -> Command:
    return Command(command_type=CommandType.Value(f"COMMAND_TYPE_{kind}_NEXUS_OPERATION"))


COMMANDS: Mapping[str, Command | Mapping[str, Any]] = {
    "no attributes": without_attributes("SCHEDULE"),
    "no attributes of a cancellation": without_attributes("REQUEST_CANCEL"),
    "service too long": {"service": "x" * 1001},
    "operation too long": {"operation": "x" * 1001},
    "operation too long in bytes": {"operation": "é" * 501},
    "negative schedule to close": {"schedule_to_close": -1},
    "negative schedule to start": {"schedule_to_start": -1},
    "negative start to close": {"start_to_close": -1},
    "header too large": {"header": {"a": "x" * 8192}},
    **{
        f"header {name}": {"header": {name: "x"}}
        for name in (
            "Request-Timeout",
            "xdc-redirection",
            "xdc-redirection-api",
            "caller-name",
            "caller-type",
            "call-initiation",
            "Temporal-Principal-Type",
            "temporal-principal-name",
        )
    },
    "first service, then operation": {"service": "x" * 1001, "operation": "x" * 1001},
    "first operation, then timeout": {"operation": "x" * 1001, "start_to_close": -1},
    "first timeout, then header": {"start_to_close": -1, "header": {"request-timeout": "x"}},
    "large input": {"argument": "x" * (2 * 1024 * 1024)},
    "cancellation of nothing": request_cancel_nexus_operation(0),
    "cancellation of another event": request_cancel_nexus_operation(3),
}


@pytest.mark.parametrize("case", COMMANDS)
@scenario(SCHEDULE, CANCEL)
async def test_commands_that_are_refused(world: World, case: str) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    command = COMMANDS[case]
    if not isinstance(command, Command):
        fields = dict(command)
        argument = [fields.pop("argument")] if "argument" in fields else []
        command = schedule_nexus_operation(endpoint.spec.name, *argument, **fields)
    await world.observe_error("answer", world.raw.run_workflow_task(command))
    await world.observe_history("history", run)


@pytest.mark.parametrize("name", ["", "nowhere", "Shop"])
@scenario(SCHEDULE)
async def test_an_endpoint_that_does_not_exist(world: World, name: str) -> None:
    await create_endpoint(world)
    run = await world.start()
    command = schedule_nexus_operation(name, service="x" * 1001)
    await world.observe_error("answer", world.raw.run_workflow_task(command))
    await world.observe_history("history", run)


@scenario(CANCEL)
async def test_a_cancellation_is_asked_for_only_once(world: World) -> None:
    run, task = await start_operation(world)
    await world.raw.complete_nexus_task(task, begun())
    cancel = request_cancel_nexus_operation(5)
    await world.observe_error("twice at once", world.raw.run_workflow_task(cancel, cancel))
    await world.raw.run_workflow_task(cancel)
    await world.signal(run)
    await world.observe_error("again", world.raw.run_workflow_task(cancel))
    await world.observe_history("history", run)


@scenario(SCHEDULE)
async def test_names_may_be_empty(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name, service="", operation="")
    )
    await world.observe_history("history", run)
    await world.terminate(run)


@scenario(SCHEDULE, real="dev server with low limits")
async def test_more_pending_operations_than_are_allowed(world: World) -> None:
    endpoint = await create_endpoint(world)
    run = await world.start()
    schedule = schedule_nexus_operation(endpoint.spec.name)
    await world.observe_error("three", world.raw.run_workflow_task(schedule, schedule, schedule))
    await world.raw.run_workflow_task(schedule, schedule)
    await world.observe_history("history", run)
    await world.terminate(run)


@scenario(
    "rpc:RespondNexusTaskCompleted",
    "rpc:RespondNexusTaskFailed",
    *options("RespondNexusTaskCompletedRequest", "poller_group_id"),
    *options("RespondNexusTaskFailedRequest", "poller_group_id"),
)
async def test_answers_that_are_refused(world: World) -> None:
    service = world.client.workflow_service
    _, task = await start_operation(world)
    good = {"namespace": "default", "identity": "worker", "task_token": task.task_token}
    error = HandlerError(error_type="INTERNAL")

    async def complete(label: str, **fields: Any) -> None:
        request = RespondNexusTaskCompletedRequest(**{**good, "response": result(), **fields})
        await world.observe_error(
            f"complete: {label}", service.respond_nexus_task_completed(request)
        )

    async def fail(label: str, **fields: Any) -> None:
        request = RespondNexusTaskFailedRequest(**{**good, "error": error, **fields})
        await world.observe_error(f"fail: {label}", service.respond_nexus_task_failed(request))

    for answer in (complete, fail):
        await answer("no token", task_token=b"")
        await answer("nonsense for a token", task_token=b"nonsense")
        await answer("unknown namespace", namespace="nowhere")
        await answer("unknown namespace and no token", namespace="nowhere", task_token=b"")
    await fail("nothing", error=None)
    await fail("a failure of another kind", error=None, failure=Failure(message="no"))
    await fail("nothing, and no token", error=None, task_token=b"")
    await complete("no namespace", namespace="", poller_group_id="group")
    await complete("too late")
    await fail("too late", poller_group_id="group")
