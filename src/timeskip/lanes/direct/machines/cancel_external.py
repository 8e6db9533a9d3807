"""A request to cancel another workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import RequestCancelExternalWorkflowExecutionCommandAttributes
from temporalio.api.enums.v1 import (
    CancelExternalWorkflowExecutionFailedCause,
    CommandType,
    EventType,
)
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import (
    ResolveRequestCancelExternalWorkflow,
    WorkflowActivationJob,
)

from timeskip.lanes.direct import rust_text
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import Machine, Table

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class CancelExternalMachine(Machine):
    """Asks the server to cancel a workflow, and hears whether there was one.

    `seq` is None if the workflow did not ask for it: it cancelled a child, and hears of the child
    only.
    """

    MISFIT = "Cancel external WF machine does not handle this event: {event}"
    INITIAL = "RequestCancelExternalCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: (
            "RequestCancelExternalWorkflowExecutionInitiated"
        ),
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED: (
            "ExternalWorkflowExecutionCancelRequested"
        ),
        EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: (
            "RequestCancelExternalWorkflowExecutionFailed"
        ),
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: (
            "CommandRequestCancelExternalWorkflowExecution"
        ),
    }

    def __init__(
        self,
        machines: WorkflowMachines,
        seq: int | None,
        attributes: RequestCancelExternalWorkflowExecutionCommandAttributes,
        annotations: Annotations,
    ) -> None:
        super().__init__(machines)
        self._seq = seq
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION,
                request_cancel_external_workflow_execution_command_attributes=attributes,
            )
        )

    def _requested(self, event: HistoryEvent) -> None:
        self._resolve(ResolveRequestCancelExternalWorkflow())

    def _failed(self, event: HistoryEvent) -> None:
        attributes = event.request_cancel_external_workflow_execution_failed_event_attributes
        kinds = CancelExternalWorkflowExecutionFailedCause
        unspecified = kinds.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_UNSPECIFIED
        reason = "unknown" if attributes.cause == unspecified else "not found"
        kind = rust_text.enum_name(kinds.DESCRIPTOR, attributes.cause)
        self._resolve(
            ResolveRequestCancelExternalWorkflow(
                failure=Failure(
                    message=f"Unable to cancel external workflow because {reason}",
                    application_failure_info=ApplicationFailureInfo(type=kind),
                ),
                cause=attributes.cause,
            )
        )

    def _resolve(self, job: ResolveRequestCancelExternalWorkflow) -> None:
        if self._seq is not None:
            job.seq = self._seq
            self.tell(WorkflowActivationJob(resolve_request_cancel_external_workflow=job))

    TABLE: ClassVar[Table] = {
        (
            "RequestCancelExternalCommandCreated",
            "CommandRequestCancelExternalWorkflowExecution",
        ): ("RequestCancelExternalCommandCreated", None),
        (
            "RequestCancelExternalCommandCreated",
            "RequestCancelExternalWorkflowExecutionInitiated",
        ): ("RequestCancelExternalCommandRecorded", None),
        ("RequestCancelExternalCommandRecorded", "ExternalWorkflowExecutionCancelRequested"): (
            "CancelRequested",
            _requested,
        ),
        ("RequestCancelExternalCommandRecorded", "RequestCancelExternalWorkflowExecutionFailed"): (
            "RequestCancelFailed",
            _failed,
        ),
    }
