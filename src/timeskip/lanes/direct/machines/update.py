"""An update: a request of a client that the workflow accepts or rejects, and then completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message as AnyBody
from temporalio.api.command.v1 import Command, ProtocolMessageCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Outcome, Rejection, Request, Response
from temporalio.bridge.proto.workflow_activation import DoUpdate, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import UpdateResponse

from timeskip.lanes.direct.machines.machine import (
    FatalError,
    Machine,
    NondeterminismError,
    Table,
)

if TYPE_CHECKING:
    from timeskip.lanes.direct.update_requests import UpdateRequest
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class UpdateMachine(Machine):
    """An update. Its answers are messages; those that are recorded have a command as well."""

    MISFIT = "Update machine does not handle this event: {event}"
    INITIAL = "RequestInitiated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: "WorkflowExecutionUpdateAccepted",
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: (
            "WorkflowExecutionUpdateCompleted"
        ),
    }
    COMMANDS: ClassVar = {CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE: "CommandProtocolMessage"}

    def __init__(self, machines: WorkflowMachines, asked: UpdateRequest) -> None:
        super().__init__(machines)
        self._asked = asked
        request = asked.request
        job = DoUpdate(
            id=request.meta.update_id,
            protocol_instance_id=asked.protocol_instance_id,
            name=request.input.name,
            input=request.input.args.payloads,
            meta=request.meta,
            run_validator=not machines.replaying,
        )
        for name, payload in request.input.header.fields.items():
            job.headers[name].CopyFrom(payload)
        self.tell(WorkflowActivationJob(do_update=job))

    def respond(self, response: UpdateResponse) -> None:
        """Take the workflow's answer."""
        update_id = self._asked.request.meta.update_id
        kind = response.WhichOneof("response")
        if kind is None:
            raise FatalError(
                f"Update response for update {update_id} had an empty result, this is a lang layer "
                "bug."
            )
        trigger = {"accepted": "Accept", "rejected": "Reject", "completed": "Complete"}[kind]
        if (self.state, trigger) not in self.TABLE:
            raise NondeterminismError(
                f"Invalid transition while handling update response (id {update_id}) in state "
                f"{self.state}"
            )
        self.trigger(trigger, getattr(response, kind))

    def _accept(self, cause: object) -> None:
        self._send_recorded(
            "accept",
            Acceptance(
                accepted_request_message_id=self._asked.message_id,
                accepted_request_sequencing_event_id=self._asked.sequencing_event_id,
                accepted_request=self._asked.request,
            ),
        )

    def _reject(self, failure: Failure) -> None:
        request: Request = self._asked.request
        self._send_message(
            "reject",
            Rejection(
                rejected_request_message_id=self._asked.message_id,
                rejected_request_sequencing_event_id=self._asked.sequencing_event_id,
                rejected_request=request,
                failure=failure,
            ),
        )

    def _complete(self, result: Payload) -> None:
        self._send_outcome(Outcome(success=Payloads(payloads=[result])))

    def _fail(self, failure: Failure) -> None:
        self._send_outcome(Outcome(failure=failure))

    def _send_outcome(self, outcome: Outcome) -> None:
        self._send_recorded("complete", Response(meta=self._asked.request.meta, outcome=outcome))

    def _send_recorded(self, what: str, body: AnyBody) -> None:
        """Send a message that will be an event, so that a command says where it belongs."""
        message_id = self._send_message(what, body)
        self.send(
            Command(
                command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE,
                protocol_message_command_attributes=ProtocolMessageCommandAttributes(
                    message_id=message_id
                ),
            )
        )

    def _send_message(self, what: str, body: AnyBody) -> str:
        message_id = f"{self._asked.message_id}/{what}"
        packed = AnyMessage()
        packed.Pack(body)
        self.machines.add_message(
            Message(
                id=message_id,
                protocol_instance_id=self._asked.protocol_instance_id,
                body=packed,
            )
        )
        return message_id

    TABLE: ClassVar[Table] = {
        ("RequestInitiated", "Accept"): ("Accepted", _accept),
        ("RequestInitiated", "Reject"): ("Rejected", _reject),
        ("Accepted", "Complete"): ("CompletedImmediately", _complete),
        ("Accepted", "Reject"): ("CompletedImmediately", _fail),
        ("Accepted", "CommandProtocolMessage"): ("AcceptCommandCreated", None),
        ("AcceptCommandCreated", "WorkflowExecutionUpdateAccepted"): (
            "AcceptCommandRecorded",
            None,
        ),
        ("AcceptCommandCreated", "Complete"): ("CompletedImmediatelyAcceptCreated", _complete),
        ("AcceptCommandCreated", "Reject"): ("CompletedImmediatelyAcceptCreated", _fail),
        ("AcceptCommandRecorded", "Complete"): ("Completed", _complete),
        ("AcceptCommandRecorded", "Reject"): ("Completed", _fail),
        ("Completed", "CommandProtocolMessage"): ("CompletedCommandCreated", None),
        ("CompletedCommandCreated", "WorkflowExecutionUpdateCompleted"): (
            "CompletedCommandRecorded",
            None,
        ),
        ("CompletedImmediately", "CommandProtocolMessage"): (
            "CompletedImmediatelyAcceptCreated",
            None,
        ),
        ("CompletedImmediatelyAcceptCreated", "CommandProtocolMessage"): (
            "CompletedImmediatelyCompleteCreated",
            None,
        ),
        ("CompletedImmediatelyCompleteCreated", "WorkflowExecutionUpdateAccepted"): (
            "CompletedCommandCreated",
            None,
        ),
    }
