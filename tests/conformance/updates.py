"""Updates as clients request them, and the protocol messages with which a worker answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message as ProtoMessage
from temporalio.api.command.v1 import Command, ProtocolMessageCommandAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.failure.v1 import Failure
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import (
    Acceptance,
    Input,
    Meta,
    Outcome,
    Rejection,
    Request,
    Response,
    UpdateRef,
    WaitPolicy,
)
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowExecutionUpdateResponse,
    PollWorkflowTaskQueueResponse,
    UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
)

from tests.conformance.payloads import application_failure, payloads
from tests.conformance.world import Run, World

UNSPECIFIED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_UNSPECIFIED
ADMITTED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED
ACCEPTED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
COMPLETED = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED

_T = TypeVar("_T")


def update_request(
    world: World,
    run: Run,
    update_id: str = "update",
    *args: Any,
    stage: Stage.ValueType = COMPLETED,
    **fields: Any,
) -> UpdateWorkflowExecutionRequest:
    """A request for the update "change" of a run."""
    request: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_execution": run.execution,
        "wait_policy": WaitPolicy(lifecycle_stage=stage),
        "request": Request(
            meta=Meta(update_id=update_id, identity="updater"),
            input=Input(name="change", args=payloads(*args) if args else None),
        ),
    }
    return UpdateWorkflowExecutionRequest(**{**request, **fields})


async def update(
    world: World,
    run: Run,
    update_id: str = "update",
    *args: Any,
    stage: Stage.ValueType = COMPLETED,
    wait: float = 20,
    **fields: Any,
) -> UpdateWorkflowExecutionResponse:
    """Request an update and wait for it to come to this stage, for `wait` seconds at most."""
    return await world.client.workflow_service.update_workflow_execution(
        update_request(world, run, update_id, *args, stage=stage, **fields),
        timeout=timedelta(seconds=wait),
    )


async def begun(call: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """A call that has had time to arrive at the server; no API tells that an update has."""
    task = asyncio.create_task(call)
    await asyncio.sleep(0.5)
    return task


async def poll_update(
    world: World,
    run: Run,
    update_id: str = "update",
    *,
    stage: Stage.ValueType = COMPLETED,
    wait: float = 20,
) -> PollWorkflowExecutionUpdateResponse:
    """Wait for an update that was requested before to come to this stage."""
    return await world.client.workflow_service.poll_workflow_execution_update(
        PollWorkflowExecutionUpdateRequest(
            namespace=world.client.namespace,
            update_ref=UpdateRef(workflow_execution=run.execution, update_id=update_id),
            identity="poller",
            wait_policy=WaitPolicy(lifecycle_stage=stage),
        ),
        timeout=timedelta(seconds=wait),
    )


def accept(request: Message, *, message_id: str | None = None) -> Message:
    """The message that accepts an update."""
    message = _answer(
        request,
        "accept",
        Acceptance(
            accepted_request_message_id=request.id,
            accepted_request_sequencing_event_id=request.event_id,
            accepted_request=requested(request),
        ),
    )
    if message_id is not None:
        message.id = message_id
    return message


def reject(request: Message, failure: Failure | str = "not now") -> Message:
    """The message that rejects an update."""
    return _answer(
        request,
        "reject",
        Rejection(
            rejected_request_message_id=request.id,
            rejected_request_sequencing_event_id=request.event_id,
            rejected_request=requested(request),
            failure=_failure(failure),
        ),
    )


def respond(request: Message, *result: Any, failure: Failure | str | None = None) -> Message:
    """The message that completes an accepted update, with a result or with a failure."""
    outcome = (
        Outcome(success=payloads(*result))
        if failure is None
        else Outcome(failure=_failure(failure))
    )
    meta = Meta(update_id=request.protocol_instance_id, identity="updater")
    return _answer(request, "complete", Response(meta=meta, outcome=outcome))


def carry(*messages: Message) -> list[Command]:
    """The commands that say where among the commands of a task its messages belong."""
    return [
        Command(
            command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE,
            protocol_message_command_attributes=ProtocolMessageCommandAttributes(
                message_id=message.id
            ),
        )
        for message in messages
    ]


def requested(message: Message) -> Request:
    """The request that a message to a worker carries."""
    request = Request()
    message.body.Unpack(request)
    return request


async def answer(
    world: World,
    task: PollWorkflowTaskQueueResponse,
    *messages: Message,
    commands: tuple[Command, ...] = (),
    **fields: Any,
) -> Any:
    """Complete a workflow task with these messages, all but rejections carried by commands."""
    carried = [message for message in messages if not message.id.endswith("/reject")]
    return await world.raw.complete_workflow_task(
        task, *carry(*carried), *commands, messages=messages, **fields
    )


async def idle_run(world: World, workflow: str = "order") -> Run:
    """A run whose first workflow task is completed, and that waits."""
    run = await world.start(workflow)
    await world.raw.run_workflow_task()
    return run


def _answer(request: Message, kind: str, body: ProtoMessage) -> Message:
    packed = AnyMessage()
    packed.Pack(body)
    return Message(
        id=f"{request.protocol_instance_id}/{kind}",
        protocol_instance_id=request.protocol_instance_id,
        body=packed,
    )


def _failure(failure: Failure | str) -> Failure:
    return application_failure(failure) if isinstance(failure, str) else failure
