"""Nexus operations in scenarios: endpoints, and what handlers answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Callback
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    Failure,
    NexusHandlerFailureInfo,
)
from temporalio.api.nexus.v1 import (
    CancelOperationResponse,
    Endpoint,
    EndpointSpec,
    EndpointTarget,
    HandlerError,
    Link,
    Response,
    StartOperationResponse,
)
from temporalio.api.nexus.v1 import Failure as NexusFailure
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.api.workflow.v1 import PendingNexusOperationInfo
from temporalio.api.workflowservice.v1 import PollNexusTaskQueueResponse

from tests.conformance.commands import schedule_nexus_operation
from tests.conformance.payloads import payloads
from tests.conformance.raw_worker import RawWorker
from tests.conformance.world import Run, World

#: Links to an event of another run as handlers send them.
LINK = Link(
    url=(
        "temporal:///namespaces/default/workflows/a%2Fb/c/history"
        "?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference"
    ),
    type="temporal.api.common.v1.Link.WorkflowEvent",
)
REQUEST_LINK = Link(
    url=(
        "temporal:///namespaces/default/workflows/a/b/history"
        "?eventType=WorkflowExecutionOptionsUpdated&referenceType=RequestIdReference&requestID=r"
    ),
    type="temporal.api.common.v1.Link.WorkflowEvent",
)

CANCELLED = Response(cancel_operation=CancelOperationResponse())

#: Fields of descriptions that depend on how long something took, or on chance.
TAKES_TIME = ("next_attempt_schedule_time",)


def worker_target(namespace: str, task_queue: str) -> EndpointTarget:
    """An endpoint's target: the workers of a task queue."""
    return EndpointTarget(worker=EndpointTarget.Worker(namespace=namespace, task_queue=task_queue))


async def create_endpoint(world: World, name: str = "shop", task_queue: str = "") -> Endpoint:
    """An endpoint of the scenario's own: its handlers are on that queue, or on the scenario's."""
    target = worker_target(world.client.namespace, task_queue or world.task_queue)
    response = await world.client.operator_service.create_nexus_endpoint(
        CreateNexusEndpointRequest(spec=EndpointSpec(name=world.unique(name), target=target))
    )
    return response.endpoint


async def start_operation(
    world: World, *argument: Any, workflow: str = "order", **attributes: Any
) -> tuple[Run, PollNexusTaskQueueResponse]:
    """Start a run that schedules an operation, and have the handler take the request.

    The id of the event that schedules it is 5.
    """
    endpoint = await create_endpoint(world)
    run = await world.start(workflow)
    await world.raw.run_workflow_task(
        schedule_nexus_operation(endpoint.spec.name, *argument, **attributes)
    )
    return run, await world.raw.poll_nexus_task()


def result(*value: Any, links: tuple[Link, ...] = ()) -> Response:
    """The answer of a handler that has the result at once; perhaps nothing."""
    payload = payloads(*value).payloads[0] if value else None
    return Response(
        start_operation=StartOperationResponse(
            sync_success=StartOperationResponse.Sync(payload=payload, links=links)
        )
    )


def begun(token: str = "token", links: tuple[Link, ...] = ()) -> Response:
    """The answer of a handler whose operation goes on."""
    return Response(
        start_operation=StartOperationResponse(
            async_success=StartOperationResponse.Async(operation_token=token, links=links)
        )
    )


def application_failure(message: str, **info: Any) -> Failure:
    """A failure as workflows and activities have them."""
    return Failure(message=message, application_failure_info=ApplicationFailureInfo(**info))


def handler_failure(error_type: str, **fields: Any) -> Failure:
    """The error of a handler, in Temporal's words."""
    behavior = fields.pop("retry_behavior", None)
    return Failure(
        **{"message": "no luck", **fields},
        nexus_handler_failure_info=NexusHandlerFailureInfo(
            type=error_type, retry_behavior=behavior
        ),
    )


def handler_error(error_type: str, message: str = "no luck") -> HandlerError:
    """The error of a handler."""
    return HandlerError(error_type=error_type, failure=NexusFailure(message=message))


async def start_handler(
    world: World,
    task: PollNexusTaskQueueResponse,
    token: str = "token",
    workflow: str = "handler",
    **fields: Any,
) -> tuple[Run, RawWorker]:
    """Start the workflow that carries out an operation, with a worker of its own."""
    request_id = task.request.start_operation.request_id
    return await world.start_apart(
        workflow,
        request_id=request_id,
        completion_callbacks=[callback_of(task, token)],
        **fields,
    )


def callback_of(task: PollNexusTaskQueueResponse, token: str = "token") -> Callback:
    """What tells the result of an operation to its caller."""
    started = task.request.start_operation
    callback = Callback(nexus=Callback.Nexus(url=started.callback, header=started.callback_header))
    if token:
        callback.nexus.header["nexus-operation-token"] = token
    return callback


async def until_operation(
    world: World, run: Run, reached: Callable[[PendingNexusOperationInfo], bool]
) -> PendingNexusOperationInfo:
    """Wait until the run has a pending operation that has come this far."""
    while True:
        for operation in (await world.describe(run)).pending_nexus_operations:
            if reached(operation):
                return operation
        await asyncio.sleep(0.02)


def observe_request(world: World, label: str, task: PollNexusTaskQueueResponse) -> None:
    """Note what a handler is asked, but for how much time it has."""
    seen = PollNexusTaskQueueResponse()
    seen.CopyFrom(task)
    for name in ("request-timeout", "Request-Timeout", "operation-timeout"):
        if name in seen.request.header:
            seen.request.header[name] = "some time"
    world.observe(label, seen, without=TAKES_TIME)


async def observe_operations(world: World, label: str, run: Run) -> None:
    """Note the pending operations of a run."""
    description = await world.describe(run)
    operations = [MessageToDict(each) for each in description.pending_nexus_operations]
    for each in operations:
        for field in ("nextAttemptScheduleTime",):
            each.pop(field, None)
            each.get("cancellationInfo", {}).pop(field, None)
    world.observe(label, sorted(operations, key=lambda each: int(each["scheduledEventId"])))
