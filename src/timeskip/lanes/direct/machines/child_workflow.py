"""A child workflow, from the request to start it to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import (
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import CommandType, EventType, RetryState, TaskQueueKind, TimeoutType
from temporalio.api.failure.v1 import (
    CanceledFailureInfo,
    ChildWorkflowExecutionFailureInfo,
    Failure,
    TerminatedFailureInfo,
    TimeoutFailureInfo,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.bridge.proto.child_workflow import (
    ChildWorkflowCancellationType,
    ChildWorkflowResult,
    StartChildWorkflowExecutionFailedCause,
)
from temporalio.bridge.proto.workflow_activation import (
    ResolveChildWorkflowExecution,
    ResolveChildWorkflowExecutionStart,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import StartChildWorkflowExecution

from timeskip.lanes.direct.flags import ID_AND_TYPE_CHECKS
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.cancel_external import CancelExternalMachine
from timeskip.lanes.direct.machines.machine import (
    FatalError,
    Machine,
    NondeterminismError,
    Table,
)
from timeskip.lanes.direct.machines.payloads import copy_set_fields, payloads_of, single_payload

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines

_COPIED = [
    field
    for field in (
        "workflow_execution_timeout",
        "workflow_run_timeout",
        "workflow_task_timeout",
        "retry_policy",
        "search_attributes",
        "priority",
        "versioning_override",
    )
    # The oldest supported SDK does not have the last one.
    if field in StartChildWorkflowExecution.DESCRIPTOR.fields_by_name
]


class ChildWorkflowMachine(Machine):
    """A child. With ABANDON and TRY_CANCEL its end is told to the parent when it is cancelled."""

    MISFIT = "Child workflow machine does not handle this event: {full_event}"
    INITIAL = "StartCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: (
            "StartChildWorkflowExecutionInitiated"
        ),
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: (
            "StartChildWorkflowExecutionFailed"
        ),
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED: "ChildWorkflowExecutionStarted",
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: "ChildWorkflowExecutionCompleted",
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: "ChildWorkflowExecutionFailed",
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: "ChildWorkflowExecutionTimedOut",
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: (
            "ChildWorkflowExecutionTerminated"
        ),
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: "ChildWorkflowExecutionCancelled",
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: (
            "CommandStartChildWorkflowExecution"
        ),
    }

    def __init__(
        self,
        machines: WorkflowMachines,
        attributes: StartChildWorkflowExecution,
        annotations: Annotations,
    ) -> None:
        super().__init__(machines)
        self._attributes = attributes
        self._annotations = annotations
        self._initiated_event_id = 0
        self._started_event_id = 0
        self._run_id = ""
        self._seen_cancelled_event = False
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
                start_child_workflow_execution_command_attributes=_command_attributes(
                    attributes, machines
                ),
            )
        )

    def cancel(self, reason: str, annotations: Annotations) -> None:
        """The workflow does not want its child any more."""
        self._annotations = self._annotations.overridden_by(annotations)
        self.trigger("Cancel", reason)

    @property
    def _ends_when_cancelled(self) -> bool:
        return self._attributes.cancellation_type in (
            ChildWorkflowCancellationType.ABANDON,
            ChildWorkflowCancellationType.TRY_CANCEL,
        )

    def _initiated(self, event: HistoryEvent) -> None:
        recorded = event.start_child_workflow_execution_initiated_event_attributes
        if self.machines.uses_flag(ID_AND_TYPE_CHECKS):
            asked = self._attributes
            if recorded.workflow_id != asked.workflow_id:
                raise NondeterminismError(
                    f"Child workflow id of scheduled event '{recorded.workflow_id}' does not match "
                    f"child workflow id of command '{asked.workflow_id}'"
                )
            if recorded.workflow_type.name != asked.workflow_type:
                raise NondeterminismError(
                    f"Child workflow type of scheduled event '{recorded.workflow_type.name}' does "
                    f"not match child workflow type of command '{asked.workflow_type}'"
                )
        self._initiated_event_id = event.event_id

    def _started(self, event: HistoryEvent) -> None:
        attributes = event.child_workflow_execution_started_event_attributes
        self._started_event_id = event.event_id
        self._run_id = attributes.workflow_execution.run_id
        start = ResolveChildWorkflowExecutionStart(seq=self._attributes.seq)
        start.succeeded.run_id = self._run_id
        self.tell(WorkflowActivationJob(resolve_child_workflow_execution_start=start))

    def _start_failed(self, event: HistoryEvent) -> None:
        cause = event.start_child_workflow_execution_failed_event_attributes.cause
        start = ResolveChildWorkflowExecutionStart(seq=self._attributes.seq)
        start.failed.workflow_id = self._attributes.workflow_id
        start.failed.workflow_type = self._attributes.workflow_type
        start.failed.cause = StartChildWorkflowExecutionFailedCause.ValueType(cause)
        self.tell(WorkflowActivationJob(resolve_child_workflow_execution_start=start))

    def _take_back(self, reason: str) -> None:
        self.cancelled_before_sent = True
        start = ResolveChildWorkflowExecutionStart(seq=self._attributes.seq)
        start.cancelled.failure.CopyFrom(
            self._failure(
                f"Child Workflow Execution cancelled before scheduled: {reason}",
                Failure(canceled_failure_info=CanceledFailureInfo()),
                RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
            )
        )
        self.tell(WorkflowActivationJob(resolve_child_workflow_execution_start=start))

    def _completed(self, event: HistoryEvent) -> None:
        attributes = event.child_workflow_execution_completed_event_attributes
        result = ChildWorkflowResult()
        result.completed.SetInParent()
        payload = single_payload(attributes, "child workflow result", event)
        if payload is not None:
            result.completed.result.CopyFrom(payload)
        self._resolve(result)

    def _failed(self, event: HistoryEvent) -> None:
        attributes = event.child_workflow_execution_failed_event_attributes
        self._resolve_failed(
            self._failure(
                "Child Workflow execution failed",
                attributes.failure if attributes.HasField("failure") else None,
                attributes.retry_state,
            )
        )

    def _timed_out(self, event: HistoryEvent) -> None:
        cause = Failure(
            message="Timed out",
            timeout_failure_info=TimeoutFailureInfo(
                timeout_type=TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
            ),
        )
        self._resolve_failed(
            self._failure(
                "Child Workflow execution timed out",
                cause,
                event.child_workflow_execution_timed_out_event_attributes.retry_state,
            )
        )

    def _terminated(self, event: HistoryEvent) -> None:
        self._resolve_failed(
            self._failure(
                "Child Workflow execution terminated",
                Failure(message="Terminated", terminated_failure_info=TerminatedFailureInfo()),
                RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
            )
        )

    def _cancelled(self, event: HistoryEvent) -> None:
        self._seen_cancelled_event = True
        self._resolve_cancelled()

    def _request_cancel(self, reason: str) -> None:
        asked = self._attributes
        if asked.cancellation_type != ChildWorkflowCancellationType.ABANDON:
            CancelExternalMachine(
                self.machines,
                None,
                RequestCancelExternalWorkflowExecutionCommandAttributes(
                    namespace=asked.namespace,
                    workflow_id=asked.workflow_id,
                    run_id=self._run_id,
                    child_workflow_only=True,
                    reason=reason,
                ),
                self._annotations,
            )
        if self._ends_when_cancelled:
            self._resolve_cancelled()

    def _request_cancel_before_started(self, reason: str) -> str:
        self._request_cancel(reason)
        return "Cancelled" if self._ends_when_cancelled else "StartEventRecorded"

    def _request_cancel_after_started(self, reason: str) -> str:
        self._request_cancel(reason)
        return "Cancelled" if self._ends_when_cancelled else "Started"

    def _cancelled_again(self, event: HistoryEvent) -> None:
        if self._seen_cancelled_event:
            raise FatalError(
                "Child workflow has already seen a ChildWorkflowExecutionCanceledEvent, and now "
                "another is being applied! This is a bug, please report."
            )
        self._seen_cancelled_event = True

    def _ended_after_cancelled(self, event: HistoryEvent) -> None:
        if not self._ends_when_cancelled:
            raise NondeterminismError(
                "Child workflows which don't resolve immediately on cancellation cannot complete "
                "after being cancelled."
            )

    def _resolve(self, result: ChildWorkflowResult) -> None:
        self.tell(
            WorkflowActivationJob(
                resolve_child_workflow_execution=ResolveChildWorkflowExecution(
                    seq=self._attributes.seq, result=result
                )
            )
        )

    def _resolve_failed(self, failure: Failure) -> None:
        result = ChildWorkflowResult()
        result.failed.failure.CopyFrom(failure)
        self._resolve(result)

    def _resolve_cancelled(self) -> None:
        result = ChildWorkflowResult()
        result.cancelled.failure.CopyFrom(
            self._failure(
                "Child Workflow execution cancelled",
                Failure(canceled_failure_info=CanceledFailureInfo()),
                RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
            )
        )
        self._resolve(result)

    def _failure(
        self, message: str, cause: Failure | None, retry_state: RetryState.ValueType
    ) -> Failure:
        asked = self._attributes
        return Failure(
            message=message,
            cause=cause,
            child_workflow_execution_failure_info=ChildWorkflowExecutionFailureInfo(
                namespace=asked.namespace,
                workflow_type=WorkflowType(name=asked.workflow_type),
                initiated_event_id=self._initiated_event_id,
                started_event_id=self._started_event_id,
                retry_state=retry_state,
                workflow_execution=WorkflowExecution(
                    workflow_id=asked.workflow_id, run_id=self._run_id
                ),
            ),
        )

    TABLE: ClassVar[Table] = {
        ("StartCommandCreated", "CommandStartChildWorkflowExecution"): (
            "StartCommandCreated",
            None,
        ),
        ("StartCommandCreated", "StartChildWorkflowExecutionInitiated"): (
            "StartEventRecorded",
            _initiated,
        ),
        ("StartCommandCreated", "Cancel"): ("Cancelled", _take_back),
        ("StartEventRecorded", "ChildWorkflowExecutionStarted"): ("Started", _started),
        ("StartEventRecorded", "StartChildWorkflowExecutionFailed"): ("StartFailed", _start_failed),
        ("StartEventRecorded", "Cancel"): (
            ("StartEventRecorded", "Cancelled"),
            _request_cancel_before_started,
        ),
        ("Started", "ChildWorkflowExecutionCompleted"): ("Completed", _completed),
        ("Started", "ChildWorkflowExecutionFailed"): ("Failed", _failed),
        ("Started", "ChildWorkflowExecutionTimedOut"): ("TimedOut", _timed_out),
        ("Started", "ChildWorkflowExecutionCancelled"): ("Cancelled", _cancelled),
        ("Started", "ChildWorkflowExecutionTerminated"): ("Terminated", _terminated),
        ("Started", "Cancel"): (("Started", "Cancelled"), _request_cancel_after_started),
        ("Cancelled", "Cancel"): ("Cancelled", None),
        ("Cancelled", "ChildWorkflowExecutionStarted"): ("Cancelled", None),
        ("Cancelled", "StartChildWorkflowExecutionFailed"): ("Cancelled", None),
        ("Cancelled", "ChildWorkflowExecutionCancelled"): ("Cancelled", _cancelled_again),
        ("Cancelled", "ChildWorkflowExecutionCompleted"): ("Cancelled", _ended_after_cancelled),
        ("Cancelled", "ChildWorkflowExecutionFailed"): ("Cancelled", _ended_after_cancelled),
        ("Cancelled", "ChildWorkflowExecutionTimedOut"): ("Cancelled", _ended_after_cancelled),
        ("Cancelled", "ChildWorkflowExecutionTerminated"): ("Cancelled", _ended_after_cancelled),
        ("Failed", "Cancel"): ("Failed", None),
        ("StartFailed", "Cancel"): ("StartFailed", None),
        ("TimedOut", "Cancel"): ("TimedOut", None),
        ("Completed", "Cancel"): ("Completed", None),
    }


def _command_attributes(
    attributes: StartChildWorkflowExecution, machines: WorkflowMachines
) -> StartChildWorkflowExecutionCommandAttributes:
    command = StartChildWorkflowExecutionCommandAttributes(
        namespace=attributes.namespace,
        workflow_id=attributes.workflow_id,
        workflow_type=WorkflowType(name=attributes.workflow_type),
        task_queue=TaskQueue(name=attributes.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
        input=payloads_of(attributes.input),
        parent_close_policy=attributes.parent_close_policy,  # type: ignore[arg-type]
        workflow_id_reuse_policy=attributes.workflow_id_reuse_policy,
        cron_schedule=attributes.cron_schedule,
        inherit_build_id=machines.inherits_build_id(
            attributes.versioning_intent, attributes.task_queue
        ),
    )
    command.header.SetInParent()
    for name, payload in attributes.headers.items():
        command.header.fields[name].CopyFrom(payload)
    command.memo.SetInParent()
    for name, payload in attributes.memo.items():
        command.memo.fields[name].CopyFrom(payload)
    copy_set_fields(attributes, command, *_COPIED)
    return command
