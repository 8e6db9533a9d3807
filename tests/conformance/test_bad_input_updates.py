"""Requests for updates that cannot be, and messages that no worker should send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message as ProtoMessage
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
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
    UpdateWorkflowExecutionRequest,
)

from tests.conformance.commands import complete_workflow
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, Fields, observe_refusal, with_fields
from tests.conformance.scenario import scenario
from tests.conformance.updates import (
    ADMITTED,
    COMPLETED,
    accept,
    begun,
    carry,
    idle_run,
    reject,
    requested,
    respond,
    update,
)
from tests.conformance.world import World

META = Meta(update_id="update")
INPUT = Input(name="change")

BAD_UPDATES: dict[str, Fields] = {
    "no namespace": {"namespace": None},
    "an unknown namespace": {"namespace": "nope"},
    "no execution": {"workflow_execution": None},
    "no workflow id": {"workflow_execution": WorkflowExecution()},
    "a malformed run id": {
        "workflow_execution": WorkflowExecution(workflow_id="x", run_id="first")
    },
    "an unknown workflow": {"workflow_execution": WorkflowExecution(workflow_id="unknown")},
    "an unknown run": {
        "workflow_execution": WorkflowExecution(workflow_id="unknown", run_id=UNKNOWN_RUN_ID)
    },
    "no request": {"request": None},
    "no meta": {"request": Request(input=INPUT)},
    "no input": {"request": Request(meta=META)},
    "no name": {"request": Request(meta=META, input=Input())},
    "a long id": {"request": Request(meta=Meta(update_id=LONG), input=INPUT)},
    "a wait for admission": {"wait_policy": WaitPolicy(lifecycle_stage=ADMITTED)},
}


@pytest.mark.parametrize("case", BAD_UPDATES)
@scenario("rpc:UpdateWorkflowExecution")
async def test_an_update_is_refused(world: World, case: str) -> None:
    run = await idle_run(world)
    good: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_execution": run.execution,
        "wait_policy": WaitPolicy(lifecycle_stage=COMPLETED),
        "request": Request(meta=META, input=INPUT),
    }
    request = UpdateWorkflowExecutionRequest(**with_fields(good, BAD_UPDATES[case]))
    await observe_refusal(
        world, world.client.workflow_service.update_workflow_execution(request), run
    )


BAD_POLLS: dict[str, Fields] = {
    "no namespace": {"namespace": None},
    "an unknown namespace": {"namespace": "nope"},
    "no update": {"update_ref": None},
    "no execution": {"update_ref": UpdateRef(update_id="update")},
    "a malformed run id": {
        "update_ref": UpdateRef(
            workflow_execution=WorkflowExecution(workflow_id="x", run_id="first")
        )
    },
    "an unknown workflow": {
        "update_ref": UpdateRef(workflow_execution=WorkflowExecution(workflow_id="unknown"))
    },
}


@pytest.mark.parametrize("case", BAD_POLLS)
@scenario("rpc:PollWorkflowExecutionUpdate")
async def test_a_poll_for_an_update_is_refused(world: World, case: str) -> None:
    good: dict[str, Any] = {
        "namespace": world.client.namespace,
        "update_ref": UpdateRef(
            workflow_execution=WorkflowExecution(workflow_id="unknown"), update_id="update"
        ),
        "wait_policy": WaitPolicy(lifecycle_stage=COMPLETED),
    }
    request = PollWorkflowExecutionUpdateRequest(**with_fields(good, BAD_POLLS[case]))
    await observe_refusal(
        world, world.client.workflow_service.poll_workflow_execution_update(request)
    )


@scenario("rpc:PollWorkflowExecutionUpdate")
async def test_a_poll_for_an_update_without_an_id(world: World) -> None:
    run = await idle_run(world)
    request = PollWorkflowExecutionUpdateRequest(
        namespace=world.client.namespace, update_ref=UpdateRef(workflow_execution=run.execution)
    )
    await observe_refusal(
        world, world.client.workflow_service.poll_workflow_execution_update(request), run
    )


@scenario("rpc:UpdateWorkflowExecution")
async def test_a_run_takes_so_many_updates_at_once(world: World) -> None:
    run = await idle_run(world)
    calls = [await begun(update(world, run, f"update-{number}")) for number in range(10)]
    await world.observe_error("one too many", update(world, run, "too many"))
    for call in calls:
        call.cancel()


def message(body: ProtoMessage, message_id: str = "message", **fields: Any) -> Message:
    """A message of the worker about the update of these scenarios."""
    packed = AnyMessage()
    packed.Pack(body)
    return Message(**{"id": message_id, "protocol_instance_id": "update", "body": packed, **fields})


def response(**fields: Any) -> Message:
    """A message that completes the update, altered."""
    good = {"meta": META, "outcome": Outcome(success=Payloads())}
    return message(Response(**with_fields(good, fields)))


Sent = tuple[Sequence[Message], Sequence[Command]]

BAD_ANSWERS: dict[str, Callable[[Message], Sent]] = {
    "an absent message": lambda _: ([], carry(Message(id="absent"))),
    "a command without a message id": lambda _: ([], carry(Message())),
    "an unknown update": lambda _: (
        [message(Response(), protocol_instance_id="unknown")],
        [],
    ),
    "a foreign body": lambda _: ([message(Payload())], []),
    "a request": lambda got: ([message(requested(got))], []),
    "a response first": lambda got: ([respond(got)], carry(respond(got))),
    "a second acceptance": lambda got: ([accept(got), message(Acceptance())], []),
    "a rejection after the acceptance": lambda got: ([accept(got), reject(got)], []),
    "a second response": lambda got: ([accept(got), respond(got), response()], []),
    "a response without an outcome": lambda got: ([accept(got), response(outcome=None)], []),
    "a response without meta": lambda got: ([accept(got), response(meta=None)], []),
    "a response without an id": lambda got: ([accept(got), response(meta=Meta())], []),
    "a response to another update": lambda got: (
        [accept(got), response(meta=Meta(update_id="other"))],
        [],
    ),
    "an empty acceptance": lambda _: ([message(Acceptance())], []),
    "an acceptance of no message": lambda got: (
        [message(Acceptance(accepted_request_sequencing_event_id=got.event_id))],
        [],
    ),
    "an empty rejection": lambda _: ([message(Rejection())], []),
    "messages without commands": lambda got: ([accept(got), respond(got, "done")], []),
    "a message without an id": lambda got: (
        [accept(got, message_id="")],
        [],
    ),
    "a response after the end": lambda got: (
        [accept(got), respond(got, "done")],
        [*carry(accept(got)), complete_workflow()],
    ),
    "a rejection after the end": lambda got: ([reject(got)], [complete_workflow()]),
    "an update that the service forgot": lambda got: (
        [
            message(
                Acceptance(
                    accepted_request=Request(meta=Meta(update_id="forgotten"), input=INPUT),
                    accepted_request_message_id="forgotten/request",
                    accepted_request_sequencing_event_id=got.event_id,
                ),
                protocol_instance_id="forgotten",
            )
        ],
        [],
    ),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
@scenario("option:RespondWorkflowTaskCompletedRequest.messages")
async def test_a_worker_sends_strange_messages(world: World, case: str) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    messages, commands = BAD_ANSWERS[case](task.messages[0])
    await world.observe_error(
        "task's answer",
        world.raw.complete_workflow_task(task, *commands, messages=messages),
    )
    await world.observe_history("history", run)
    await world.terminate_if_running(run)
    await world.observe_error("answer", call)
