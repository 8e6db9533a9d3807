"""A local activity: executed by the workflow's own worker, recorded by a marker."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.workflow_activation import ResolveActivity, WorkflowActivationJob

from timeskip.lanes.direct import local_activity_markers
from timeskip.lanes.direct.flags import ID_AND_TYPE_CHECKS
from timeskip.lanes.direct.local_activity_results import (
    LocalActivityResult,
    LocalResolution,
    around_cancellation,
    around_timeout,
    cancelled,
)
from timeskip.lanes.direct.local_activity_schedule import LocalSchedule, timestamp_of
from timeskip.lanes.direct.machines.machine import (
    FatalError,
    Machine,
    NondeterminismError,
    Table,
)

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class LocalActivityMachine(Machine):
    """A local activity.

    While executing, the worker runs it and its end makes a marker. While replaying, its end is
    known from the marker ahead; only if the history has none, the worker runs it after all.
    """

    MISFIT = "Local activity machine cannot handle this event: {event}"
    INITIAL = "Executing"
    EVENTS: ClassVar = {EventType.EVENT_TYPE_MARKER_RECORDED: "MarkerRecorded"}
    COMMANDS: ClassVar = {CommandType.COMMAND_TYPE_RECORD_MARKER: "CommandRecordMarker"}

    def __init__(self, machines: WorkflowMachines, schedule: LocalSchedule) -> None:
        super().__init__(machines)
        self._schedule = schedule
        self._from_history = machines.replaying
        self._time_when_started = machines.time
        self._ended_as: LocalActivityResult | None = None
        if self._from_history:
            self.state = "Replaying"
            machines.expect_marker(self)
        self.trigger("Schedule")

    @property
    def seq(self) -> int:
        """The workflow's number for it."""
        return self._schedule.seq

    @property
    def accepts_marker(self) -> bool:
        """Whether it waits to be told its end by a marker."""
        return self.state == "WaitingResolveFromMarkerLookAhead"

    def has_no_command(self) -> bool:
        """Whether its marker is matched with itself, because there is no command in the line."""
        if self.state == "ResultNotified":
            return False
        if self.state == "ResolvedFromMarkerLookAheadWaitingMarkerEvent":
            return True
        raise FatalError(f"Attempted to check for LA marker handling in invalid state {self.state}")

    def not_in_history(self) -> None:
        """The replay has ended: if there was no marker, there is none."""
        if self.accepts_marker:
            self.trigger("StartedNonReplayWFT")

    def resolve(
        self,
        resolution: LocalResolution,
        runtime: int = 0,
    ) -> None:
        """The worker has executed it, in so many nanoseconds."""
        if self._time_when_started is not None:
            resolution.complete_time = self._time_when_started + runtime
        self._resolve("HandleResult", resolution)

    def resolve_from_marker(self, resolution: LocalResolution) -> None:
        """The history says how it ended."""
        self._resolve("HandleKnownResult", resolution)

    def cancel(self) -> None:
        """The workflow does not want it any more."""
        waits = not (self._schedule.abandons or self._schedule.tries_to_cancel)
        self.trigger("Cancel" if waits else "NoWaitCancel")

    def _resolve(self, trigger: str, resolution: LocalResolution) -> None:
        if (self.state, trigger) not in self.TABLE:
            from_marker = "true" if trigger == "HandleKnownResult" else "false"
            raise FatalError(
                f"Invalid transition resolving local activity (seq {self.seq}, from marker: "
                f"{from_marker}) in {self.state}"
            )
        self.trigger(trigger, resolution)

    def _execute(self, cause: object) -> None:
        self._from_history = False
        self.machines.local_activities.enqueue(self._schedule)

    def _request_cancel(self, cause: object) -> None:
        self.machines.request_cancel_local_activity(self)

    def _request_cancel_if_tried(self, cause: object) -> None:
        if self._schedule.tries_to_cancel:
            self._request_cancel(cause)

    def _cancel_at_once(self, cause: object) -> None:
        self._request_cancel_if_tried(cause)
        self._tell_end(
            LocalResolution(
                cancelled(),
                attempt=self._schedule.asked.attempt,
                original_schedule_time=self._schedule.original_schedule_time,
                activation_index=self.machines.local_activities.activation_index,
            )
        )

    def _tell_end(self, resolution: LocalResolution) -> None:
        result = resolution.result
        self._ended_as = result
        self.tell(
            WorkflowActivationJob(
                resolve_activity=ResolveActivity(
                    seq=self.seq, result=self._for_workflow(resolution), is_local=True
                )
            )
        )
        if resolution.complete_time is not None:
            self.machines.advance_time(resolution.complete_time)
        if self._schedule.abandons and result.kind in ("cancelled", "timed_out"):
            self.machines.local_activities.done(self.seq)
        if not self._from_history:
            self.send(
                self._schedule.annotations.command(
                    CommandType.COMMAND_TYPE_RECORD_MARKER,
                    record_marker_command_attributes=local_activity_markers.attributes_of(
                        self._schedule, resolution
                    ),
                )
            )

    def _for_workflow(self, resolution: LocalResolution) -> ActivityResolution:
        answer = ActivityResolution()
        result, asked = resolution.result, self._schedule.asked
        if resolution.backoff is not None:
            answer.backoff.attempt = resolution.attempt + 1
            answer.backoff.backoff_duration.CopyFrom(resolution.backoff)
            if resolution.original_schedule_time is not None:
                answer.backoff.original_schedule_time.CopyFrom(
                    timestamp_of(resolution.original_schedule_time)
                )
        elif result.kind == "completed":
            answer.completed.SetInParent()
            if result.payload is not None:
                answer.completed.result.CopyFrom(result.payload)
        elif result.kind == "cancelled":
            failure = result.failure
            if failure.HasField("canceled_failure_info"):
                failure = around_cancellation(asked.activity_type, asked.activity_id, failure)
            answer.cancelled.failure.CopyFrom(failure)
        else:
            failure = result.failure
            if result.kind == "timed_out" and failure.HasField("timeout_failure_info"):
                failure = around_timeout(asked.activity_type, asked.activity_id, failure)
            answer.failed.failure.CopyFrom(failure)
        return answer

    def _marker_recorded(self, event: HistoryEvent) -> None:
        recorded = local_activity_markers.read(event)
        failed = recorded.resolution.result.kind != "completed"
        here = self._ended_as.kind if self._ended_as is not None else ""
        if here == "completed" and failed:
            raise NondeterminismError(
                f"Local activity (seq {self.seq}) completed successfully locally, but history said "
                "it failed!"
            )
        if here in ("failed", "timed_out") and not failed:
            raise NondeterminismError(
                f"Local activity (seq {self.seq}) failed locally, but history said it completed!"
            )
        self._check_marker(event)

    def _check_marker(self, event: HistoryEvent) -> None:
        asked, recorded = self._schedule.asked, local_activity_markers.read(event)
        if recorded.seq != asked.seq:
            raise NondeterminismError(
                f"Local activity marker data has sequence number {recorded.seq} but matched "
                f"against LA command with sequence number {asked.seq}"
            )
        if not self.machines.flags.try_use(ID_AND_TYPE_CHECKS, record=not self._from_history):
            return
        if recorded.activity_id != asked.activity_id:
            raise NondeterminismError(
                f"Activity id of recorded marker '{recorded.activity_id}' does not match "
                f"activity id of local activity command '{asked.activity_id}'"
            )
        if recorded.activity_type != asked.activity_type:
            raise NondeterminismError(
                f"Activity type of recorded marker '{recorded.activity_type}' does not match "
                f"activity type of local activity command '{asked.activity_type}'"
            )

    TABLE: ClassVar[Table] = {
        ("Executing", "Schedule"): ("RequestSent", _execute),
        ("Replaying", "Schedule"): ("WaitingResolveFromMarkerLookAhead", None),
        ("RequestSent", "HandleResult"): ("MarkerCommandCreated", _tell_end),
        ("RequestSent", "Cancel"): ("RequestSent", _request_cancel),
        ("RequestSent", "NoWaitCancel"): ("MarkerCommandCreated", _cancel_at_once),
        ("MarkerCommandCreated", "CommandRecordMarker"): ("ResultNotified", None),
        ("ResultNotified", "MarkerRecorded"): ("MarkerCommandRecorded", _marker_recorded),
        ("WaitingResolveFromMarkerLookAhead", "HandleKnownResult"): (
            "ResolvedFromMarkerLookAheadWaitingMarkerEvent",
            _tell_end,
        ),
        ("WaitingResolveFromMarkerLookAhead", "Cancel"): (
            "WaitingResolveFromMarkerLookAhead",
            _request_cancel,
        ),
        ("ResolvedFromMarkerLookAheadWaitingMarkerEvent", "Cancel"): (
            "ResolvedFromMarkerLookAheadWaitingMarkerEvent",
            _request_cancel,
        ),
        ("WaitingResolveFromMarkerLookAhead", "NoWaitCancel"): (
            "WaitingResolveFromMarkerLookAhead",
            _request_cancel,
        ),
        ("ResolvedFromMarkerLookAheadWaitingMarkerEvent", "NoWaitCancel"): (
            "ResolvedFromMarkerLookAheadWaitingMarkerEvent",
            _request_cancel,
        ),
        ("ResolvedFromMarkerLookAheadWaitingMarkerEvent", "MarkerRecorded"): (
            "MarkerCommandRecorded",
            _check_marker,
        ),
        ("WaitingResolveFromMarkerLookAhead", "StartedNonReplayWFT"): ("RequestSent", _execute),
        ("MarkerCommandRecorded", "Cancel"): ("MarkerCommandRecorded", _request_cancel),
        ("MarkerCommandRecorded", "NoWaitCancel"): (
            "MarkerCommandRecorded",
            _request_cancel_if_tried,
        ),
        ("MarkerCommandCreated", "HandleResult"): ("MarkerCommandCreated", None),
        ("ResultNotified", "HandleResult"): ("ResultNotified", None),
        ("MarkerCommandRecorded", "HandleResult"): ("MarkerCommandRecorded", None),
    }
