"""A Nexus operation, from the request to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from temporalio.api.command.v1 import (
    RequestCancelNexusOperationCommandAttributes,
    ScheduleNexusOperationCommandAttributes,
)
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.failure.v1 import CanceledFailureInfo, Failure, NexusOperationFailureInfo
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.nexus import NexusOperationCancellationType, NexusOperationResult
from temporalio.bridge.proto.workflow_activation import (
    ResolveNexusOperation,
    ResolveNexusOperationStart,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import ScheduleNexusOperation

from timeskip.lanes.direct.flags import NEXUS_OPERATION_CHECKS
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import Machine, NondeterminismError, Table
from timeskip.lanes.direct.machines.payloads import copy_set_fields

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class NexusOperationMachine(Machine):
    """An operation. With ABANDON and TRY_CANCEL its end is told once it is cancelled."""

    MISFIT = "Nexus operation machine does not handle this event: {full_event}"
    INITIAL = "ScheduleCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED: "NexusOperationScheduled",
        EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED: "NexusOperationStarted",
        EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED: "NexusOperationCompleted",
        EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED: "NexusOperationFailed",
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED: "NexusOperationCanceled",
        EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT: "NexusOperationTimedOut",
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED: "NexusOperationCancelRequested",
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED: (
            "NexusOperationCancelRequestCompleted"
        ),
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUEST_FAILED: (
            "NexusOperationCancelRequestFailed"
        ),
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION: "CommandScheduleNexusOperation",
        CommandType.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION: (
            "CommandRequestCancelNexusOperation"
        ),
    }

    def __init__(
        self,
        machines: WorkflowMachines,
        attributes: ScheduleNexusOperation,
        annotations: Annotations,
    ) -> None:
        super().__init__(machines)
        self._attributes = attributes
        self._annotations = annotations
        self._scheduled_event_id = 0
        self._operation_token = ""
        self._cancel_sent = False
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION,
                schedule_nexus_operation_command_attributes=_command_attributes(attributes),
            )
        )

    def cancel(self, annotations: Annotations) -> None:
        """The workflow does not want the operation any more."""
        self._annotations = self._annotations.overridden_by(annotations)
        self.trigger("Cancel")

    @property
    def _ends_when_cancelled(self) -> bool:
        return self._attributes.cancellation_type in (
            NexusOperationCancellationType.ABANDON,
            NexusOperationCancellationType.TRY_CANCEL,
        )

    @property
    def _waits_for_request(self) -> bool:
        return (
            self._attributes.cancellation_type
            == NexusOperationCancellationType.WAIT_CANCELLATION_REQUESTED
        )

    def _scheduled(self, event: HistoryEvent) -> None:
        recorded = event.nexus_operation_scheduled_event_attributes
        if self.machines.uses_flag(NEXUS_OPERATION_CHECKS):
            asked = self._attributes
            if recorded.service != asked.service:
                raise NondeterminismError(
                    f"Nexus operation service of scheduled event '{recorded.service}' does not "
                    f"match service of command '{asked.service}'"
                )
            if recorded.operation != asked.operation:
                raise NondeterminismError(
                    f"Nexus operation of scheduled event '{recorded.operation}' does not match "
                    f"operation of command '{asked.operation}'"
                )
        self._scheduled_event_id = event.event_id

    def _take_back(self, cause: object) -> None:
        self.cancelled_before_sent = True
        self._fail_start(self._cancelled_failure("Nexus Operation cancelled before scheduled"))

    def _started(self, event: HistoryEvent) -> None:
        self._operation_token = event.nexus_operation_started_event_attributes.operation_token
        self._resolve_start(
            ResolveNexusOperationStart(
                seq=self._attributes.seq, operation_token=self._operation_token
            )
        )

    def _completed_at_once(self, event: HistoryEvent) -> None:
        self._resolve_start(ResolveNexusOperationStart(seq=self._attributes.seq, started_sync=True))
        self._completed(event)

    def _failed_at_once(self, event: HistoryEvent) -> None:
        self._fail_start(_failure_of(event.nexus_operation_failed_event_attributes, "failed"))

    def _canceled_at_once(self, event: HistoryEvent) -> None:
        attributes = event.nexus_operation_canceled_event_attributes
        self._fail_start(_failure_of(attributes, "was cancelled"))

    def _timed_out_at_once(self, event: HistoryEvent) -> None:
        attributes = event.nexus_operation_timed_out_event_attributes
        self._fail_start(_failure_of(attributes, "timed out"))

    def _completed(self, event: HistoryEvent) -> None:
        attributes = event.nexus_operation_completed_event_attributes
        result = NexusOperationResult()
        result.completed.SetInParent()
        if attributes.HasField("result"):
            result.completed.CopyFrom(attributes.result)
        self._resolve(result)

    def _failed(self, event: HistoryEvent) -> None:
        attributes = event.nexus_operation_failed_event_attributes
        self._resolve(NexusOperationResult(failed=_failure_of(attributes, "failed")))

    def _canceled(self, event: HistoryEvent) -> None:
        attributes = event.nexus_operation_canceled_event_attributes
        self._resolve(NexusOperationResult(cancelled=_failure_of(attributes, "was cancelled")))

    def _timed_out(self, event: HistoryEvent) -> None:
        attributes = event.nexus_operation_timed_out_event_attributes
        self._resolve(NexusOperationResult(timed_out=_failure_of(attributes, "timed out")))

    def _request_cancel(self, cause: object) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        if self._attributes.cancellation_type != NexusOperationCancellationType.ABANDON:
            self.send(
                self._annotations.command(
                    CommandType.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION,
                    request_cancel_nexus_operation_command_attributes=(
                        RequestCancelNexusOperationCommandAttributes(
                            scheduled_event_id=self._scheduled_event_id
                        )
                    ),
                )
            )
        if self._ends_when_cancelled:
            failure = self._cancelled_failure("Nexus operation cancelled after starting")
            self._resolve(NexusOperationResult(cancelled=failure))

    def _request_cancel_after_started(self, cause: object) -> str:
        if self._cancel_sent:
            return "Started"
        self._request_cancel(cause)
        return "Cancelled" if self._ends_when_cancelled else "Started"

    def _cancel_request_completed(self, event: HistoryEvent) -> str:
        if not self._waits_for_request:
            return "Started"
        failure = self._cancelled_failure("Nexus operation cancellation request completed")
        self._resolve(NexusOperationResult(cancelled=failure))
        return "Cancelled"

    def _cancel_request_failed(self, event: HistoryEvent) -> None:
        if not self._waits_for_request:
            return
        message = "Nexus operation cancellation request failed"
        attributes = event.nexus_operation_cancel_request_failed_event_attributes
        cause = attributes.failure if attributes.HasField("failure") else Failure(message=message)
        self._resolve(NexusOperationResult(failed=self._failure(message, cause)))

    def _ended_after_cancelled(self, event: HistoryEvent) -> None:
        if self._attributes.cancellation_type == NexusOperationCancellationType.ABANDON:
            raise NondeterminismError(
                "Nexus operation which don't have the ABANDON cancellation type cannot complete "
                "after being cancelled."
            )

    def _fail_start(self, failure: Failure) -> None:
        self._resolve_start(ResolveNexusOperationStart(seq=self._attributes.seq, failed=failure))

    def _resolve_start(self, job: ResolveNexusOperationStart) -> None:
        self.tell(WorkflowActivationJob(resolve_nexus_operation_start=job))

    def _resolve(self, result: NexusOperationResult) -> None:
        self.tell(
            WorkflowActivationJob(
                resolve_nexus_operation=ResolveNexusOperation(
                    seq=self._attributes.seq, result=result
                )
            )
        )

    def _cancelled_failure(self, message: str) -> Failure:
        return self._failure(message, Failure(canceled_failure_info=CanceledFailureInfo()))

    def _failure(self, message: str, cause: Failure) -> Failure:
        return Failure(
            message=message,
            cause=cause,
            nexus_operation_execution_failure_info=NexusOperationFailureInfo(
                scheduled_event_id=self._scheduled_event_id,
                endpoint=self._attributes.endpoint,
                service=self._attributes.service,
                operation=self._attributes.operation,
                operation_token=self._operation_token,
            ),
        )

    TABLE: ClassVar[Table] = {
        ("ScheduleCommandCreated", "CommandScheduleNexusOperation"): (
            "ScheduleCommandCreated",
            None,
        ),
        ("ScheduleCommandCreated", "NexusOperationScheduled"): (
            "ScheduledEventRecorded",
            _scheduled,
        ),
        ("ScheduleCommandCreated", "Cancel"): ("Cancelled", _take_back),
        ("ScheduledEventRecorded", "Cancel"): ("ScheduledEventRecorded", _request_cancel),
        ("ScheduledEventRecorded", "CommandRequestCancelNexusOperation"): (
            "ScheduledEventRecorded",
            None,
        ),
        ("ScheduledEventRecorded", "NexusOperationCancelRequested"): (
            "ScheduledEventRecorded",
            None,
        ),
        ("ScheduledEventRecorded", "NexusOperationCompleted"): ("Completed", _completed_at_once),
        ("ScheduledEventRecorded", "NexusOperationFailed"): ("Failed", _failed_at_once),
        ("ScheduledEventRecorded", "NexusOperationCanceled"): ("Cancelled", _canceled_at_once),
        ("ScheduledEventRecorded", "NexusOperationTimedOut"): ("TimedOut", _timed_out_at_once),
        ("ScheduledEventRecorded", "NexusOperationStarted"): ("Started", _started),
        ("Started", "Cancel"): (("Started", "Cancelled"), _request_cancel_after_started),
        ("Started", "CommandRequestCancelNexusOperation"): ("Started", None),
        ("Started", "NexusOperationCancelRequested"): ("Started", None),
        ("Started", "NexusOperationCompleted"): ("Completed", _completed),
        ("Started", "NexusOperationFailed"): ("Failed", _failed),
        ("Started", "NexusOperationCanceled"): ("Cancelled", _canceled),
        ("Started", "NexusOperationCancelRequestCompleted"): (
            ("Started", "Cancelled"),
            _cancel_request_completed,
        ),
        ("Started", "NexusOperationCancelRequestFailed"): ("Started", _cancel_request_failed),
        ("Started", "NexusOperationTimedOut"): ("TimedOut", _timed_out),
        ("Cancelled", "Cancel"): ("Cancelled", None),
        ("Cancelled", "CommandRequestCancelNexusOperation"): ("Cancelled", None),
        ("Cancelled", "NexusOperationCancelRequested"): ("Cancelled", None),
        ("Cancelled", "NexusOperationCompleted"): ("Cancelled", _ended_after_cancelled),
        ("Cancelled", "NexusOperationFailed"): ("Cancelled", _ended_after_cancelled),
        ("Cancelled", "NexusOperationTimedOut"): ("Cancelled", _ended_after_cancelled),
        ("Cancelled", "NexusOperationCancelRequestCompleted"): ("Cancelled", None),
        ("Cancelled", "NexusOperationCancelRequestFailed"): ("Cancelled", None),
        ("Cancelled", "NexusOperationCanceled"): ("Cancelled", None),
        ("Completed", "Cancel"): ("Completed", None),
        ("Failed", "Cancel"): ("Failed", None),
        ("TimedOut", "Cancel"): ("TimedOut", None),
        ("Completed", "NexusOperationCancelRequestCompleted"): ("Completed", None),
        ("Failed", "NexusOperationCancelRequestCompleted"): ("Failed", None),
        ("TimedOut", "NexusOperationCancelRequestCompleted"): ("TimedOut", None),
        ("Completed", "NexusOperationCancelRequestFailed"): ("Completed", None),
        ("Failed", "NexusOperationCancelRequestFailed"): ("Failed", None),
        ("TimedOut", "NexusOperationCancelRequestFailed"): ("TimedOut", None),
    }


def _failure_of(attributes: Any, what: str) -> Failure:
    """The failure that an event brings, or one that says what happened."""
    if attributes.HasField("failure"):
        brought: Failure = attributes.failure
        return brought
    return Failure(message=f"Nexus operation {what} but failure field was not populated")


def _command_attributes(
    attributes: ScheduleNexusOperation,
) -> ScheduleNexusOperationCommandAttributes:
    command = ScheduleNexusOperationCommandAttributes(
        endpoint=attributes.endpoint,
        service=attributes.service,
        operation=attributes.operation,
        nexus_header=attributes.nexus_header,
    )
    copy_set_fields(
        attributes,
        command,
        "input",
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
    )
    return command
