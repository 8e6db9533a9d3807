"""A signal to another workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import SignalExternalWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    CommandType,
    EventType,
    SignalExternalWorkflowExecutionFailedCause,
)
from temporalio.api.failure.v1 import ApplicationFailureInfo, CanceledFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import (
    ResolveSignalExternalWorkflow,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import SignalExternalWorkflowExecution

from timeskip.lanes.direct import rust_text
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import FatalError, Machine, Table
from timeskip.lanes.direct.machines.payloads import payloads_of

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines

_Cause = SignalExternalWorkflowExecutionFailedCause

_REASONS = {
    _Cause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_UNSPECIFIED: "unknown",
    _Cause.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_SIGNAL_COUNT_LIMIT_EXCEEDED: (
        "The per-workflow signal limit was exceeded"
    ),
}


class SignalExternalMachine(Machine):
    """Asks the server to signal a workflow, and hears whether there was one."""

    MISFIT = "Signal external WF machine does not handle this event: {event}"
    INITIAL = "SignalExternalCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: (
            "SignalExternalWorkflowExecutionInitiated"
        ),
        EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED: (
            "ExternalWorkflowExecutionSignaled"
        ),
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: (
            "SignalExternalWorkflowExecutionFailed"
        ),
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: (
            "CommandSignalExternalWorkflowExecution"
        ),
    }

    def __init__(
        self,
        machines: WorkflowMachines,
        attributes: SignalExternalWorkflowExecution,
        annotations: Annotations,
    ) -> None:
        super().__init__(machines)
        self._seq = attributes.seq
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
                signal_external_workflow_execution_command_attributes=_command_attributes(
                    attributes, machines
                ),
            )
        )

    def cancel(self) -> None:
        """The workflow does not want to send the signal any more."""
        self.trigger("Cancel")

    def _take_back(self, cause: object) -> None:
        self.cancelled_before_sent = True
        self._resolve(
            ResolveSignalExternalWorkflow(
                seq=self._seq,
                failure=Failure(
                    message="Signal was cancelled before being sent",
                    canceled_failure_info=CanceledFailureInfo(),
                ),
            )
        )

    def _signaled(self, event: HistoryEvent) -> None:
        self._resolve(ResolveSignalExternalWorkflow(seq=self._seq))

    def _failed(self, event: HistoryEvent) -> None:
        cause = event.signal_external_workflow_execution_failed_event_attributes.cause
        reason = _REASONS.get(cause, "it was not found")
        self._resolve(
            ResolveSignalExternalWorkflow(
                seq=self._seq,
                failure=Failure(
                    message=f"Unable to signal external workflow because {reason}",
                    application_failure_info=ApplicationFailureInfo(
                        type=rust_text.enum_name(_Cause.DESCRIPTOR, cause)
                    ),
                ),
                cause=cause,
            )
        )

    def _resolve(self, job: ResolveSignalExternalWorkflow) -> None:
        self.tell(WorkflowActivationJob(resolve_signal_external_workflow=job))

    TABLE: ClassVar[Table] = {
        ("SignalExternalCommandCreated", "CommandSignalExternalWorkflowExecution"): (
            "SignalExternalCommandCreated",
            None,
        ),
        ("SignalExternalCommandCreated", "Cancel"): ("Cancelled", _take_back),
        ("SignalExternalCommandCreated", "SignalExternalWorkflowExecutionInitiated"): (
            "SignalExternalCommandRecorded",
            None,
        ),
        ("SignalExternalCommandRecorded", "Cancel"): ("SignalExternalCommandRecorded", None),
        ("SignalExternalCommandRecorded", "ExternalWorkflowExecutionSignaled"): (
            "Signaled",
            _signaled,
        ),
        ("SignalExternalCommandRecorded", "SignalExternalWorkflowExecutionFailed"): (
            "Failed",
            _failed,
        ),
        ("Cancelled", "Cancel"): ("Cancelled", None),
        ("Signaled", "Cancel"): ("Signaled", None),
    }


def _command_attributes(
    attributes: SignalExternalWorkflowExecution, machines: WorkflowMachines
) -> SignalExternalWorkflowExecutionCommandAttributes:
    target = attributes.WhichOneof("target")
    if target is None:
        raise FatalError("Signal external workflow command had empty target field")
    only_child = target == "child_workflow_id"
    command = SignalExternalWorkflowExecutionCommandAttributes(
        namespace=machines.run.namespace if only_child else attributes.workflow_execution.namespace,
        execution=WorkflowExecution(workflow_id=attributes.child_workflow_id)
        if only_child
        else WorkflowExecution(
            workflow_id=attributes.workflow_execution.workflow_id,
            run_id=attributes.workflow_execution.run_id,
        ),
        signal_name=attributes.signal_name,
        input=payloads_of(attributes.args),
        child_workflow_only=only_child,
    )
    for name, payload in attributes.headers.items():
        command.header.fields[name].CopyFrom(payload)
    return command
