"""The protocol messages by which a worker hears of updates, and by which it answers them.

Like commands, all messages of a workflow task's answer are checked before the first is acted upon.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionUpdateAcceptedEventAttributes,
    WorkflowExecutionUpdateCompletedEventAttributes,
)
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response

from timeskip.server import updates
from timeskip.server.applied_events import applies
from timeskip.server.errors import invalid_argument
from timeskip.server.updates import State, Update
from timeskip.server.validation.bad_commands import BadCommand
from timeskip.server.validation.limits import MAX_PAYLOAD_SIZE

if TYPE_CHECKING:
    from timeskip.server.run import Run

_PROTOCOL = "temporal.api.update.v1"


def to_worker(run: Run, sequencing_event_id: int, *, again: bool) -> list[Message]:
    """The requests that travel with a workflow task, those that were sent before only `again`.

    A request that is in the history is not told twice.
    """
    messages = []
    for update in run.updates_in_flight.values():
        if update.state is State.ADMITTED or (again and update.state is State.SENT):
            update.state = State.SENT
            if update.in_history:
                continue
            body = AnyMessage()
            body.Pack(update.request)
            messages.append(
                Message(
                    id=_request_id(update),
                    protocol_instance_id=update.id,
                    event_id=sequencing_event_id,
                    body=body,
                )
            )
    return messages


def only_rejects(messages: Iterable[Message]) -> bool:
    """Whether nothing but rejections is among the messages."""
    return all(message.body.Is(Rejection.DESCRIPTOR) for message in messages)


class Answers:
    """The messages of one answer; each is acted upon once, where a command says or at the end."""

    def __init__(self, run: Run, messages: Iterable[Message]) -> None:
        self._run = run
        self._messages = list(messages)
        for message in self._messages:
            if not message.HasField("body"):
                raise invalid_argument("nil message body")

    def check(self) -> Check:
        return Check(self._run, self._messages)

    def carry_out(self, message_id: str) -> None:
        """Act upon the message that a command names."""
        self._act(_take(self._messages, message_id))

    def carry_out_rest(self) -> None:
        while self._messages:
            self._act(self._messages.pop(0))

    def _act(self, message: Message) -> None:
        run = self._run
        body = _unpack(message)
        update = run.updates.get(message.protocol_instance_id)
        if update is None:
            request = _request_in(body)
            assert request is not None
            update = updates.admit(run, request)
        if isinstance(body, Rejection):
            update.reject(body.failure)
        elif not run.is_open:
            return
        elif isinstance(body, Acceptance):
            run.add(
                EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
                WorkflowExecutionUpdateAcceptedEventAttributes(
                    protocol_instance_id=update.id,
                    accepted_request_message_id=_request_id(update),
                    accepted_request_sequencing_event_id=body.accepted_request_sequencing_event_id,
                    accepted_request=None if update.in_history else update.request,
                ),
            )
        elif isinstance(body, Response):
            run.add(
                EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
                WorkflowExecutionUpdateCompletedEventAttributes(
                    meta=body.meta,
                    accepted_event_id=update.accepted_event_id,
                    outcome=body.outcome,
                ),
            )


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED)
def _note_admission(run: Run, event: HistoryEvent) -> None:
    admitted = event.workflow_execution_update_admitted_event_attributes
    updates.admit(run, admitted.request).in_history = True


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)
def _note_acceptance(run: Run, event: HistoryEvent) -> None:
    accepted = event.workflow_execution_update_accepted_event_attributes
    update = run.updates.get(accepted.protocol_instance_id)
    if update is None:
        update = updates.admit(run, accepted.accepted_request)
    update.state = State.ACCEPTED
    update.accepted_event_id = event.event_id


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)
def _note_completion(run: Run, event: HistoryEvent) -> None:
    completed = event.workflow_execution_update_completed_event_attributes
    run.updates[completed.meta.update_id].complete(completed.outcome)


class Check:
    """Messages seen as if those before them had been acted upon already."""

    def __init__(self, run: Run, messages: list[Message]) -> None:
        self._run = run
        self._rest = list(messages)
        self._states: dict[str, str] = {}

    def named(self, message_id: str) -> int:
        """Check the message that a command names; the number of events that it makes."""
        try:
            message = _take(self._rest, message_id)
        except LookupError:
            raise _bad(
                f"ProtocolMessageCommand referenced absent message ID {message_id}"
            ) from None
        return self._check(message)

    def rest(self, *, closed: bool) -> None:
        """Check what no command names. Once the run is `closed` only rejections are looked at."""
        for message in self._rest:
            if not closed or message.body.Is(Rejection.DESCRIPTOR):
                self._check(message)

    def _check(self, message: Message) -> int:
        if message.body.ByteSize() > MAX_PAYLOAD_SIZE:
            raise BadCommand(
                Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE,
                f"Message type {message.body.TypeName()} exceeds size limit.",
                terminates_workflow=True,
            )
        protocol, _, name = message.body.TypeName().rpartition(".")
        if protocol != _PROTOCOL:
            raise _bad(f"unsupported protocol type {protocol}")
        body = _unpack(message)
        update_id = message.protocol_instance_id
        state = self._state(update_id, body)
        if isinstance(body, (Acceptance, Rejection)):
            if state not in (State.ADMITTED.value, State.SENT.value):
                raise _out_of_order(update_id, name, state)
            if isinstance(body, Rejection):
                self._states[update_id] = "ProvisionallyCompleted"
                return 0
            if not body.accepted_request_sequencing_event_id:
                raise _incomplete(name, "accepted_request_sequencing_event_id is not set")
            if not body.accepted_request_message_id:
                raise _incomplete(name, "accepted_request_message_id is not set")
            self._states[update_id] = "ProvisionallyAccepted"
        elif isinstance(body, Response):
            if state not in ("ProvisionallyAccepted", State.ACCEPTED.value):
                raise _out_of_order(update_id, name, state)
            _check_response(update_id, body)
            self._states[update_id] = "ProvisionallyCompleted"
        else:
            raise _bad(f"Message type *update.{name} not supported")
        return 1

    def _state(self, update_id: str, body: ProtoMessage | None) -> str:
        if update_id in self._states:
            return self._states[update_id]
        update = self._run.updates.get(update_id)
        if update is not None:
            return update.state.value
        if _request_in(body) is None:
            raise _bad(
                f"update {update_id} wasn't found on the server. This is most likely a transient "
                "error which will be resolved automatically by retries"
            )
        return State.ADMITTED.value


def _check_response(update_id: str, response: Response) -> None:
    name = Response.DESCRIPTOR.name
    if not response.HasField("meta"):
        raise _incomplete(name, "meta is not set")
    if not response.meta.update_id:
        raise _incomplete(name, "meta.update_id is not set")
    if response.meta.update_id != update_id:
        raise _incomplete(name, f"meta.update_id != {update_id}")
    if not response.HasField("outcome"):
        raise _incomplete(name, "outcome is not set")


def _take(messages: list[Message], message_id: str) -> Message:
    for message in messages:
        if message.id == message_id:
            messages.remove(message)
            return message
    raise LookupError(message_id)


def _unpack(message: Message) -> Acceptance | Rejection | Response | None:
    """What the worker says, or None if it is nothing that a worker can say."""
    for kind in (Acceptance, Rejection, Response):
        if message.body.Is(kind.DESCRIPTOR):
            body = kind()
            try:
                message.body.Unpack(body)
            except DecodeError as error:
                raise _bad(f"unable to unmarshal request: {error}") from None
            return body
    return None


def _request_in(body: ProtoMessage | None) -> Request | None:
    """The request that an answer repeats; the service may have forgotten it."""
    if isinstance(body, Acceptance) and body.HasField("accepted_request"):
        return body.accepted_request
    if isinstance(body, Rejection) and body.HasField("rejected_request"):
        return body.rejected_request
    return None


def _request_id(update: Update) -> str:
    return f"{update.id}/request"


def _bad(message: str) -> BadCommand:
    return BadCommand(
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE, message
    )


def _out_of_order(update_id: str, name: str, state: str) -> BadCommand:
    return _bad(
        f"invalid state transition attempted for Update {update_id}: "
        f"received *update.{name} message while in state {state}"
    )


def _incomplete(name: str, what: str) -> BadCommand:
    return _bad(f"invalid *update.{name}: {what}")
