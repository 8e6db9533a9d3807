"""An activity, from the workflow's request to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import (
    RequestCancelActivityTaskCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType
from temporalio.api.enums.v1 import CommandType, EventType, RetryState, TaskQueueKind
from temporalio.api.failure.v1 import ActivityFailureInfo, CanceledFailureInfo, Failure
from temporalio.api.history.v1 import (
    ActivityTaskCanceledEventAttributes,
    ActivityTaskCompletedEventAttributes,
    HistoryEvent,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.workflow_activation import ResolveActivity, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import ActivityCancellationType, ScheduleActivity

from timeskip.lanes.direct import rust_text
from timeskip.lanes.direct.flags import ID_AND_TYPE_CHECKS
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import Machine, NondeterminismError, Table
from timeskip.lanes.direct.machines.payloads import copy_set_fields, payloads_of, single_payload

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class ActivityMachine(Machine):
    """An activity. With TRY_CANCEL the workflow hears of its end before the activity does."""

    MISFIT = "Activity machine does not handle this event: {event}"
    INITIAL = "ScheduleCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "ActivityTaskScheduled",
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: "ActivityTaskStarted",
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "ActivityTaskCompleted",
        EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "ActivityTaskFailed",
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "ActivityTaskTimedOut",
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: "ActivityTaskCancelRequested",
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "ActivityTaskCanceled",
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK: "CommandScheduleActivityTask",
        CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK: "CommandRequestCancelActivityTask",
    }

    def __init__(
        self,
        machines: WorkflowMachines,
        attributes: ScheduleActivity,
        annotations: Annotations,
    ) -> None:
        super().__init__(machines)
        self._attributes = attributes
        self._annotations = annotations
        self._scheduled_event_id = 0
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
                schedule_activity_task_command_attributes=_command_attributes(attributes, machines),
            )
        )

    def cancel(self, annotations: Annotations) -> None:
        """The workflow does not want the activity any more."""
        self._annotations = self._annotations.overridden_by(annotations)
        if self.state in ("Completed", "Canceled", "Failed", "TimedOut"):
            return
        self.trigger("Abandon" if self._is_abandoned else "Cancel")

    @property
    def _is_abandoned(self) -> bool:
        return self._attributes.cancellation_type == ActivityCancellationType.ABANDON

    def _recorded(self, event: HistoryEvent) -> None:
        recorded = event.activity_task_scheduled_event_attributes
        self._scheduled_event_id = event.event_id
        if not self.machines.uses_flag(ID_AND_TYPE_CHECKS):
            return
        asked = self._attributes
        if recorded.activity_id != asked.activity_id:
            raise NondeterminismError(
                f"Activity id of scheduled event '{recorded.activity_id}' does not match "
                f"activity id of activity command '{asked.activity_id}'"
            )
        if recorded.activity_type.name != asked.activity_type:
            raise NondeterminismError(
                f"Activity type of scheduled event '{recorded.activity_type.name}' does not match "
                f"activity type of activity command '{asked.activity_type}'"
            )

    def _completed(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_completed_event_attributes
        resolution = ActivityResolution()
        resolution.completed.SetInParent()
        result = single_payload(attributes, "activity result", event)
        if result is not None:
            resolution.completed.result.CopyFrom(result)
        self._resolve(resolution)

    def _failed(self, event: HistoryEvent) -> None:
        attributes = event.activity_task_failed_event_attributes
        self._resolve_failed(
            Failure(
                message="Activity task failed",
                cause=attributes.failure if attributes.HasField("failure") else None,
                activity_failure_info=self._info(
                    attributes.identity,
                    attributes.retry_state,
                    attributes.started_event_id,
                    attributes.scheduled_event_id,
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
                    "",
                    attributes.retry_state,
                    attributes.started_event_id,
                    attributes.scheduled_event_id,
                ),
            )
        )

    def _canceled(self, event: HistoryEvent) -> None:
        self._resolve_cancelled(event.activity_task_canceled_event_attributes)

    @property
    def _was_told(self) -> bool:
        """With TRY_CANCEL the workflow was told of the cancellation when it asked for it."""
        return self._attributes.cancellation_type == ActivityCancellationType.TRY_CANCEL

    def _completed_after_cancel(self, event: HistoryEvent) -> None:
        if not self._was_told:
            self._completed(event)

    def _failed_after_cancel(self, event: HistoryEvent) -> None:
        if not self._was_told:
            self._failed(event)

    def _timed_out_after_cancel(self, event: HistoryEvent) -> None:
        if not self._was_told:
            self._timed_out(event)

    def _canceled_after_cancel(self, event: HistoryEvent) -> None:
        if not self._was_told:
            self._canceled(event)

    def _take_back(self, cause: object) -> None:
        self.cancelled_before_sent = True
        self._resolve_cancelled(None)

    def _abandon(self, cause: object) -> None:
        self._resolve_cancelled(None)

    def _request_cancel(self, cause: object) -> None:
        self.send(
            self._annotations.command(
                CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
                request_cancel_activity_task_command_attributes=(
                    RequestCancelActivityTaskCommandAttributes(
                        scheduled_event_id=self._scheduled_event_id
                    )
                ),
            )
        )
        if self._was_told:
            self._resolve_cancelled(None)

    def _started_after_end(self, event: HistoryEvent) -> None:
        if not self._is_abandoned:
            raise NondeterminismError(
                "Non-Abandon cancel mode activities cannot be started after being cancelled. "
                f"Seq: {event.event_id}"
            )

    def _completed_after_end(self, event: HistoryEvent) -> None:
        if not self._is_abandoned:
            attributes: ActivityTaskCompletedEventAttributes = (
                event.activity_task_completed_event_attributes
            )
            raise NondeterminismError(
                "Non-Abandon cancel mode activities cannot be completed after being cancelled: "
                f"{rust_text.full(attributes)}"
            )

    def _resolve(self, resolution: ActivityResolution) -> None:
        self.tell(
            WorkflowActivationJob(
                resolve_activity=ResolveActivity(seq=self._attributes.seq, result=resolution)
            )
        )

    def _resolve_failed(self, failure: Failure) -> None:
        resolution = ActivityResolution()
        resolution.failed.failure.CopyFrom(failure)
        self._resolve(resolution)

    def _resolve_cancelled(self, recorded: ActivityTaskCanceledEventAttributes | None) -> None:
        attributes = recorded or ActivityTaskCanceledEventAttributes()
        info = CanceledFailureInfo()
        if attributes.HasField("details"):
            info.details.CopyFrom(attributes.details)
        resolution = ActivityResolution()
        resolution.cancelled.failure.CopyFrom(
            Failure(
                message="Activity cancelled",
                cause=Failure(canceled_failure_info=info),
                activity_failure_info=self._info(
                    attributes.identity,
                    RetryState.RETRY_STATE_CANCEL_REQUESTED,
                    attributes.started_event_id,
                    attributes.scheduled_event_id,
                ),
            )
        )
        self._resolve(resolution)

    def _info(
        self,
        identity: str,
        retry_state: RetryState.ValueType,
        started_event_id: int,
        scheduled_event_id: int,
    ) -> ActivityFailureInfo:
        return ActivityFailureInfo(
            scheduled_event_id=scheduled_event_id,
            started_event_id=started_event_id,
            identity=identity,
            activity_type=ActivityType(name=self._attributes.activity_type),
            activity_id=self._attributes.activity_id,
            retry_state=retry_state,
        )

    TABLE: ClassVar[Table] = {
        ("ScheduleCommandCreated", "CommandScheduleActivityTask"): ("ScheduleCommandCreated", None),
        ("ScheduleCommandCreated", "ActivityTaskScheduled"): ("ScheduledEventRecorded", _recorded),
        ("ScheduleCommandCreated", "Cancel"): ("Canceled", _take_back),
        ("ScheduleCommandCreated", "Abandon"): ("Canceled", _take_back),
        ("ScheduledEventRecorded", "ActivityTaskStarted"): ("Started", None),
        ("ScheduledEventRecorded", "ActivityTaskTimedOut"): ("TimedOut", _timed_out),
        ("ScheduledEventRecorded", "Cancel"): (
            "ScheduledActivityCancelCommandCreated",
            _request_cancel,
        ),
        ("ScheduledEventRecorded", "Abandon"): ("Canceled", _abandon),
        ("Started", "ActivityTaskCompleted"): ("Completed", _completed),
        ("Started", "ActivityTaskFailed"): ("Failed", _failed),
        ("Started", "ActivityTaskTimedOut"): ("TimedOut", _timed_out),
        ("Started", "Cancel"): ("StartedActivityCancelCommandCreated", _request_cancel),
        ("Started", "Abandon"): ("Canceled", _abandon),
        ("ScheduledActivityCancelCommandCreated", "CommandRequestCancelActivityTask"): (
            "ScheduledActivityCancelCommandCreated",
            None,
        ),
        ("ScheduledActivityCancelCommandCreated", "ActivityTaskCancelRequested"): (
            "ScheduledActivityCancelEventRecorded",
            None,
        ),
        ("ScheduledActivityCancelEventRecorded", "ActivityTaskCanceled"): (
            "Canceled",
            _canceled_after_cancel,
        ),
        ("ScheduledActivityCancelEventRecorded", "ActivityTaskStarted"): (
            "StartedActivityCancelEventRecorded",
            None,
        ),
        ("ScheduledActivityCancelEventRecorded", "ActivityTaskTimedOut"): (
            "TimedOut",
            _timed_out_after_cancel,
        ),
        ("StartedActivityCancelCommandCreated", "CommandRequestCancelActivityTask"): (
            "StartedActivityCancelCommandCreated",
            None,
        ),
        ("StartedActivityCancelCommandCreated", "ActivityTaskCancelRequested"): (
            "StartedActivityCancelEventRecorded",
            None,
        ),
        ("StartedActivityCancelEventRecorded", "ActivityTaskFailed"): (
            "Failed",
            _failed_after_cancel,
        ),
        ("StartedActivityCancelEventRecorded", "ActivityTaskCompleted"): (
            "Completed",
            _completed_after_cancel,
        ),
        ("StartedActivityCancelEventRecorded", "ActivityTaskTimedOut"): (
            "TimedOut",
            _timed_out_after_cancel,
        ),
        ("StartedActivityCancelEventRecorded", "ActivityTaskCanceled"): (
            "Canceled",
            _canceled_after_cancel,
        ),
        ("Canceled", "ActivityTaskStarted"): ("Canceled", _started_after_end),
        ("Canceled", "ActivityTaskCompleted"): ("Canceled", _completed_after_end),
    }


def _command_attributes(
    attributes: ScheduleActivity, machines: WorkflowMachines
) -> ScheduleActivityTaskCommandAttributes:
    command = ScheduleActivityTaskCommandAttributes(
        activity_id=attributes.activity_id,
        activity_type=ActivityType(name=attributes.activity_type),
        task_queue=TaskQueue(name=attributes.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
        input=payloads_of(attributes.arguments),
        request_eager_execution=not attributes.do_not_eagerly_execute,
        use_workflow_build_id=machines.inherits_build_id(
            attributes.versioning_intent, attributes.task_queue
        ),
    )
    command.header.SetInParent()
    for name, payload in attributes.headers.items():
        command.header.fields[name].CopyFrom(payload)
    copy_set_fields(
        attributes,
        command,
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
        "heartbeat_timeout",
        "retry_policy",
        "priority",
    )
    return command
