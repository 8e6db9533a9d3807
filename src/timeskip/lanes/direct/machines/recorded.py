"""Commands that are only recorded: ends of the run, upserts, memo changes. Nothing comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType

from timeskip.lanes.direct.machines.machine import Machine, Table

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class RecordedMachine(Machine):
    """Waits for the one event that its command causes."""

    def __init__(self, machines: WorkflowMachines, command: Command) -> None:
        super().__init__(machines)
        self.send(command)


class CompleteWorkflowMachine(RecordedMachine):
    """The run's result."""

    MISFIT = "Complete workflow machine does not handle this event: {event}"
    INITIAL = "CompleteWorkflowCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "WorkflowExecutionCompleted"
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: "CommandCompleteWorkflowExecution"
    }
    TABLE: ClassVar[Table] = {
        ("CompleteWorkflowCommandCreated", "CommandCompleteWorkflowExecution"): (
            "CompleteWorkflowCommandCreated",
            None,
        ),
        ("CompleteWorkflowCommandCreated", "WorkflowExecutionCompleted"): (
            "CompleteWorkflowCommandRecorded",
            None,
        ),
    }


class FailWorkflowMachine(RecordedMachine):
    """The run's failure."""

    MISFIT = "Fail workflow machine does not handle this event: {event}"
    INITIAL = "FailWorkflowCommandCreated"
    EVENTS: ClassVar = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "WorkflowExecutionFailed"}
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: "CommandFailWorkflowExecution"
    }
    TABLE: ClassVar[Table] = {
        ("FailWorkflowCommandCreated", "CommandFailWorkflowExecution"): (
            "FailWorkflowCommandCreated",
            None,
        ),
        ("FailWorkflowCommandCreated", "WorkflowExecutionFailed"): (
            "FailWorkflowCommandRecorded",
            None,
        ),
    }


class CancelWorkflowMachine(RecordedMachine):
    """The run's end because it was cancelled."""

    MISFIT = "Cancel workflow machine does not handle this event: {event}"
    INITIAL = "CancelWorkflowCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "WorkflowExecutionCanceled"
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: "CommandCancelWorkflowExecution"
    }
    TABLE: ClassVar[Table] = {
        ("CancelWorkflowCommandCreated", "CommandCancelWorkflowExecution"): (
            "CancelWorkflowCommandCreated",
            None,
        ),
        ("CancelWorkflowCommandCreated", "WorkflowExecutionCanceled"): (
            "CancelWorkflowCommandRecorded",
            None,
        ),
    }


class ContinueAsNewWorkflowMachine(RecordedMachine):
    """The run's end because it goes on in a new run."""

    MISFIT = "Continue as new workflow machine does not handle this event: {event}"
    INITIAL = "ContinueAsNewWorkflowCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "WorkflowExecutionContinuedAsNew"
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: (
            "CommandContinueAsNewWorkflowExecution"
        )
    }
    TABLE: ClassVar[Table] = {
        ("ContinueAsNewWorkflowCommandCreated", "CommandContinueAsNewWorkflowExecution"): (
            "ContinueAsNewWorkflowCommandCreated",
            None,
        ),
        ("ContinueAsNewWorkflowCommandCreated", "WorkflowExecutionContinuedAsNew"): (
            "ContinueAsNewWorkflowCommandRecorded",
            None,
        ),
    }


class ModifyWorkflowPropertiesMachine(RecordedMachine):
    """A change of the memo."""

    MISFIT = "ModifyWorkflowPropertiesMachine does not handle {event}"
    INITIAL = "Created"
    EVENTS: ClassVar = {EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: "CommandRecorded"}
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES: "CommandScheduled",
    }
    TABLE: ClassVar[Table] = {
        ("Created", "CommandScheduled"): ("CommandIssued", None),
        ("CommandIssued", "CommandRecorded"): ("Done", None),
    }


class UpsertSearchAttributesMachine(RecordedMachine):
    """New values of search attributes."""

    MISFIT = "UpsertWorkflowSearchAttributesMachine does not handle {event}"
    INITIAL = "Created"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "CommandRecorded",
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "CommandScheduled",
    }
    TABLE: ClassVar[Table] = {
        ("Created", "CommandScheduled"): ("CommandIssued", None),
        ("CommandIssued", "CommandRecorded"): ("Done", None),
    }
