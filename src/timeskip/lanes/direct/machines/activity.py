"""An activity, from the workflow's request to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import (
    Command,
    RequestCancelActivityTaskCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType, Payload, Payloads
from temporalio.api.enums.v1 import CommandType, EventType, RetryState, TaskQueueKind
from temporalio.api.failure.v1 import ActivityFailureInfo, CanceledFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.workflow_activation import ResolveActivity, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import ActivityCancellationType, ScheduleActivity

from timeskip.lanes.direct.machines.machine import Machine, NondeterminismError, Table

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class ActivityMachine(Machine):
    """An activity. With TRY_CANCEL the workflow hears of its cancellation before the activity does."""

    TITLE = "Activity machine"
    INITIAL = "ScheduleCommandCreated"
    FINAL = frozenset({"Completed", "Failed", "TimedOut", "Canceled"})
    TRIGGERS: ClassVar = {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "Scheduled",
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: "Started",
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "Completed",
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "Failed",
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "TimedOut",
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: "CancelRequested",
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "Canceled",
    }

    def __init__(
        self,
        machines: WorkflowMachines,
        attributes: ScheduleActivity,
        metadata: UserMetadata | None,
    ) -> None:
        super().__init__(machines)
        self.attributes = attributes
        self.scheduled_event_id = 0
        self.started_event_id = 0
        self.send(
            Command(
                command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
                user_metadata=metadata,
                schedule_activity_task_command_attributes=_command_attributes(attributes, machines),
            )
        )

    def cancel(self) -> None:
        if self.is_final:
            return
        abandon = self.attributes.cancellation_type == ActivityCancellationType.ABANDON
        self.trigger("Abandon" if abandon else "Cancel")

    def _recorded(self, event: HistoryEvent) -> None:
        recorded = event.activity_task_scheduled_event_attributes
        self.scheduled_event_id = event.event_id
        if not self.machines.flags.checks_ids_and_types:
            return
        if recorded.activity_id != self.attributes.activity_id:
            raise NondeterminismError(
                f"Activity id of scheduled event '{recorded.activity_id}' does not match "
                f"activity id of activity command '{self.attributes.activity_id}'"
            )
        if recorded.activity_type.name != self.attributes.activity_type:
            raise NondeterminismError(
                f"Activity type of scheduled event '{recorded.activity_type.name}' does not match "
                f"activity type of activity command '{self.attributes.activity_type}'"
            )

    def _started(self, event: HistoryEvent) -> None:
        self.started_event_id = event.event_id

    def _completed(self, event: HistoryEvent) -> None:
        result = event.activity_task_completed_event_attributes.result
        resolution = ActivityResolution()
        resolution.completed.SetInParent()
        if result.payloads:
            resolution.completed.result.CopyFrom(result.payloads[0])
        self._resolve(resolution)

    def _failed(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_failed_event_attributes
        self._resolve_failed(
            Failure(
                message="Activity task failed",
                cause=attributes.failure if attributes.HasField("failure") else None,
                activity_failure_info=self._info(
                    attributes.identity, attributes.retry_state, attributes.started_event_id
                ),
            )
        )

    def _timed_out(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_timed_out_event_attributes
        self._resolve_failed(
            Failure(
                message="Activity task timed out",
                cause=attributes.failure if attributes.HasField("failure") else None,
                activity_failure_info=self._info(
                    "", attributes.retry_state, attributes.started_event_id
                ),
            )
        )

    def _canceled(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_canceled_event_attributes
        self._resolve_cancelled(
            attributes.details if attributes.HasField("details") else None,
            attributes.identity,
            attributes.started_event_id,
        )

    def _unless_told(self, resolve: str, event: HistoryEvent) -> None:
        """With TRY_CANCEL the workflow was told of its cancellation when it asked for it."""
        if self.attributes.cancellation_type != ActivityCancellationType.TRY_CANCEL:
            getattr(self, resolve)(event)

    def _completed_after_cancel(self, event: HistoryEvent) -> None:
        self._unless_told("_completed", event)

    def _failed_after_cancel(self, event: HistoryEvent) -> None:
        self._unless_told("_failed", event)

    def _timed_out_after_cancel(self, event: HistoryEvent) -> None:
        self._unless_told("_timed_out", event)

    def _canceled_after_cancel(self, event: HistoryEvent) -> None:
        self._unless_told("_canceled", event)

    def _take_back(self, cause: object) -> None:
        self.cancelled_before_sent = True
        self._resolve_cancelled(None, "", 0)

    def _abandoned(self, cause: object) -> None:
        self._resolve_cancelled(None, "", 0)

    def _request_cancel(self, cause: object) -> None:
        self.send(
            Command(
                command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
                request_cancel_activity_task_command_attributes=(
                    RequestCancelActivityTaskCommandAttributes(
                        scheduled_event_id=self.scheduled_event_id
                    )
                ),
            )
        )
        if self.attributes.cancellation_type == ActivityCancellationType.TRY_CANCEL:
            self._resolve_cancelled(None, "", 0)

    def _ignore_if_abandoned(self, verb: str) -> None:
        if self.attributes.cancellation_type != ActivityCancellationType.ABANDON:
            raise NondeterminismError(
                f"Non-Abandon cancel mode activities cannot be {verb} after being cancelled."
            )

    def _started_after_end(self, event: HistoryEvent) -> None:
        self._ignore_if_abandoned("started")

    def _completed_after_end(self, event: HistoryEvent) -> None:
        self._ignore_if_abandoned("completed")

    def _resolve(self, resolution: ActivityResolution) -> None:
        self.tell(
            WorkflowActivationJob(
                resolve_activity=ResolveActivity(seq=self.attributes.seq, result=resolution)
            )
        )

    def _resolve_failed(self, failure: Failure) -> None:
        resolution = ActivityResolution()
        resolution.failed.failure.CopyFrom(failure)
        self._resolve(resolution)

    def _resolve_cancelled(
        self, details: Payloads | None, identity: str, started_event_id: int
    ) -> None:
        resolution = ActivityResolution()
        resolution.cancelled.failure.CopyFrom(
            Failure(
                message="Activity cancelled",
                cause=Failure(canceled_failure_info=CanceledFailureInfo(details=details)),
                activity_failure_info=self._info(
                    identity, RetryState.RETRY_STATE_CANCEL_REQUESTED, started_event_id
                ),
            )
        )
        self._resolve(resolution)

    def _info(
        self, identity: str, retry_state: RetryState.ValueType, started_event_id: int
    ) -> ActivityFailureInfo:
        return ActivityFailureInfo(
            scheduled_event_id=self.scheduled_event_id,
            started_event_id=started_event_id,
            identity=identity,
            activity_type=ActivityType(name=self.attributes.activity_type),
            activity_id=self.attributes.activity_id,
            retry_state=retry_state,
        )

    TABLE: ClassVar[Table] = {
        ("ScheduleCommandCreated", "Scheduled"): ("ScheduledEventRecorded", _recorded),
        ("ScheduleCommandCreated", "Cancel"): ("Canceled", _take_back),
        ("ScheduleCommandCreated", "Abandon"): ("Canceled", _take_back),
        ("ScheduledEventRecorded", "Started"): ("Started", _started),
        ("ScheduledEventRecorded", "TimedOut"): ("TimedOut", _timed_out),
        ("ScheduledEventRecorded", "Cancel"): (
            "ScheduledActivityCancelCommandCreated",
            _request_cancel,
        ),
        ("ScheduledEventRecorded", "Abandon"): ("Canceled", _abandoned),
        ("Started", "Completed"): ("Completed", _completed),
        ("Started", "Failed"): ("Failed", _failed),
        ("Started", "TimedOut"): ("TimedOut", _timed_out),
        ("Started", "Cancel"): ("StartedActivityCancelCommandCreated", _request_cancel),
        ("Started", "Abandon"): ("Canceled", _abandoned),
        ("ScheduledActivityCancelCommandCreated", "CancelRequested"): (
            "ScheduledActivityCancelEventRecorded",
            None,
        ),
        ("ScheduledActivityCancelEventRecorded", "Canceled"): ("Canceled", _canceled_after_cancel),
        ("ScheduledActivityCancelEventRecorded", "Started"): (
            "StartedActivityCancelEventRecorded",
            _started,
        ),
        ("ScheduledActivityCancelEventRecorded", "TimedOut"): ("TimedOut", _timed_out_after_cancel),
        ("StartedActivityCancelCommandCreated", "CancelRequested"): (
            "StartedActivityCancelEventRecorded",
            None,
        ),
        ("StartedActivityCancelEventRecorded", "Failed"): ("Failed", _failed_after_cancel),
        ("StartedActivityCancelEventRecorded", "Completed"): ("Completed", _completed_after_cancel),
        ("StartedActivityCancelEventRecorded", "TimedOut"): ("TimedOut", _timed_out_after_cancel),
        ("StartedActivityCancelEventRecorded", "Canceled"): ("Canceled", _canceled_after_cancel),
        ("Canceled", "Started"): ("Canceled", _started_after_end),
        ("Canceled", "Completed"): ("Canceled", _completed_after_end),
    }


def _command_attributes(
    attributes: ScheduleActivity, machines: WorkflowMachines
) -> ScheduleActivityTaskCommandAttributes:
    task_queue = attributes.task_queue or machines.task_queue
    command = ScheduleActivityTaskCommandAttributes(
        activity_id=attributes.activity_id,
        activity_type=ActivityType(name=attributes.activity_type),
        task_queue=TaskQueue(name=task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
        request_eager_execution=machines.may_execute_eagerly(task_queue)
        and not attributes.do_not_eagerly_execute,
        use_workflow_build_id=task_queue == machines.task_queue,
        priority=attributes.priority,
    )
    command.header.SetInParent()
    for name, payload in attributes.headers.items():
        command.header.fields[name].CopyFrom(payload)
    if attributes.arguments:
        command.input.CopyFrom(payloads_of(list(attributes.arguments)))
    for field in (
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
        "heartbeat_timeout",
        "retry_policy",
    ):
        if attributes.HasField(field):  # type: ignore[arg-type]
            getattr(command, field).CopyFrom(getattr(attributes, field))
    return command


def payloads_of(payloads: list[Payload]) -> Payloads:
    """Single payloads as the one message that commands carry."""
    return Payloads(payloads=payloads)
