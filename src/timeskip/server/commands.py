"""Commands of a completed workflow task, turned into events.

All commands of a task are checked before the first is carried out: if one is bad the task fails and
none of them has happened. What a check needs to know of the commands before it (a timer id that is
taken by then, say) is kept in `_Pending`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import (
    HistoryEvent,
    MarkerRecordedEventAttributes,
    WorkflowExecutionCanceledEventAttributes,
    WorkflowExecutionCompletedEventAttributes,
    WorkflowExecutionFailedEventAttributes,
)

from timeskip.server import (
    activities,
    children,
    continue_as_new,
    external,
    next_runs,
    nexus_cancellations,
    nexus_endpoints,
    nexus_operations,
    pending_limits,
    properties,
    timers,
)
from timeskip.server.update_messages import Answers, Check
from timeskip.server.validation.bad_commands import BadCommand
from timeskip.server.validation.commands import validate_command

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.run import Run

CLOSING = frozenset(
    {
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
    }
)


_CAUSES_OF_OTHER_NAMESPACES = {
    CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: (
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES
    ),
    CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: (
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
    ),
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: (
        Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES
    ),
}


@dataclass
class Effects:
    """The messages that commands refer to, and what carrying them out asks of the caller."""

    messages: Answers
    eager_activities: list[Activity] = field(default_factory=list)
    needs_workflow_task: bool = False


def check(run: Run, commands: Sequence[Command], completed_id: int, messages: Check) -> bool:
    """Raise `BadCommand` for the first command or message that the real server would refuse.

    `completed_id` is the id that the completed event will get; each command's event follows it.
    Returns whether buffered news remain for the workflow once the commands are carried out.
    """
    pending = _Pending(run)
    namespace = run.namespace
    event_id = completed_id
    closes = False
    for command in commands:
        _check_namespace(run, command)
        _check_endpoint(run, command)
        validate_command(command, run.started, namespace.name, namespace.search_attributes)
        pending.require_room(command)
        if command.command_type == CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE:
            event_id += messages.named(command.protocol_message_command_attributes.message_id)
            continue
        event_id += 1
        pending.add(command, event_id)
        closes = command.command_type in CLOSING
        if closes and pending.buffered:
            raise BadCommand(Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND)
    messages.rest(closed=closes)
    return pending.buffered > 0


def carry_out(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> None:
    """Write the event of one checked command and do what it asks for."""
    event = _CARRY_OUT[command.command_type](run, command, completed_id, identity, effects)
    if event is None:
        return
    event.event_group_markers.extend(command.event_group_markers)
    if command.HasField("user_metadata"):
        event.user_metadata.CopyFrom(command.user_metadata)


def _check_namespace(run: Run, command: Command) -> None:
    """Commands reach no other namespace, unless the real server is configured to let them.

    To mean one that does not exist is an error, but no failure of the workflow task.
    """
    if command.command_type not in _CAUSES_OF_OTHER_NAMESPACES:
        return
    wanted = (
        command.start_child_workflow_execution_command_attributes.namespace
        or command.signal_external_workflow_execution_command_attributes.namespace
        or command.request_cancel_external_workflow_execution_command_attributes.namespace
    )
    if wanted and run.cluster.namespace(wanted) is not run.namespace:
        raise BadCommand(
            _CAUSES_OF_OTHER_NAMESPACES[command.command_type],
            "cross namespace commands are not allowed",
        )


def _check_endpoint(run: Run, command: Command) -> None:
    attributes = command.schedule_nexus_operation_command_attributes
    if (
        command.HasField("schedule_nexus_operation_command_attributes")
        and nexus_endpoints.endpoint_named(run.cluster, attributes.endpoint) is None
    ):
        raise BadCommand(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES,
            f'endpoint "{attributes.endpoint}" not found',
        )


class _Pending:
    """Ids that are taken, seen as if the commands so far had been carried out."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.timers = set(run.timers)
        self.activity_ids = {activity.activity_id for activity in run.activities.values()}
        self.cancellable = {
            activity.scheduled_event_id
            for activity in run.activities.values()
            if not activity.cancel_requested
        }
        self.unstarted_activities = {
            activity.scheduled_event_id
            for activity in run.activities.values()
            if not activity.is_started
        }
        self.open = pending_limits.count_open(run)
        #: Nexus operations, and whether their cancellation was requested.
        self.nexus_operations = {
            scheduled_event_id: operation.cancellation is not None
            for scheduled_event_id, operation in run.nexus_operations.items()
        }
        self.undone_timers: set[str] = set()
        self.buffered = run.history.buffered_count

    def require_room(self, command: Command) -> None:
        """Raise `BadCommand` if the run has as much open already as it may have."""
        pending_limits.require_room(self.run, command.command_type, self.open)

    def add(self, command: Command, event_id: int) -> None:
        kind = command.command_type
        if kind in self.open:
            self.open[kind] += 1
        if kind == CommandType.COMMAND_TYPE_START_TIMER:
            self._start_timer(command.start_timer_command_attributes.timer_id)
        elif kind == CommandType.COMMAND_TYPE_CANCEL_TIMER:
            self._cancel_timer(command.cancel_timer_command_attributes.timer_id)
        elif kind == CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
            self._schedule_activity(
                command.schedule_activity_task_command_attributes.activity_id, event_id
            )
        elif kind == CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK:
            self._cancel_activity(
                command.request_cancel_activity_task_command_attributes.scheduled_event_id
            )
        elif kind == CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION:
            self.nexus_operations[event_id] = False
        elif kind == CommandType.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION:
            self._cancel_nexus_operation(
                command.request_cancel_nexus_operation_command_attributes.scheduled_event_id
            )

    def _start_timer(self, timer_id: str) -> None:
        if timer_id in self.timers:
            raise BadCommand(
                Cause.WORKFLOW_TASK_FAILED_CAUSE_START_TIMER_DUPLICATE_ID,
                _invalid_state("add-timer-started-event", f"TimerID: {timer_id}"),
            )
        self.timers.add(timer_id)

    def _cancel_timer(self, timer_id: str) -> None:
        if timer_id in self.timers:
            self.timers.remove(timer_id)
        elif (
            self.run.history.buffered_timer_fired(timer_id) is not None
            and timer_id not in self.undone_timers
        ):
            self.undone_timers.add(timer_id)
            self.buffered -= 1
        else:
            raise BadCommand(
                Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES,
                _invalid_state("add-timer-canceled-event", f"TimerID: {timer_id}"),
            )

    def _schedule_activity(self, activity_id: str, event_id: int) -> None:
        if activity_id in self.activity_ids:
            raise BadCommand(
                Cause.WORKFLOW_TASK_FAILED_CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID,
                _invalid_state("add-activitytask-scheduled-event", f"ActivityID: {activity_id}"),
            )
        self.activity_ids.add(activity_id)
        self.cancellable.add(event_id)
        self.unstarted_activities.add(event_id)

    def _cancel_activity(self, scheduled_event_id: int) -> None:
        if scheduled_event_id in self.cancellable:
            self.cancellable.remove(scheduled_event_id)
            if scheduled_event_id in self.unstarted_activities:
                self.open[CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK] -= 1
        elif not self._is_buffered_result(scheduled_event_id):
            raise BadCommand(
                Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
                _invalid_state(
                    "add-activitytask-cancel-requested-event",
                    f"ScheduledEventID: {scheduled_event_id}",
                ),
            )

    def _cancel_nexus_operation(self, scheduled_event_id: int) -> None:
        is_requested = self.nexus_operations.get(scheduled_event_id)
        if is_requested is None:
            if self.run.history.has_buffered_nexus_result(scheduled_event_id):
                return
            why = "requested cancelation for a non-existing or already completed operation with "
            why += f"scheduled event ID of {scheduled_event_id}"
        elif is_requested:
            why = "cancelation was already requested for an operation with scheduled event ID "
            why += str(scheduled_event_id)
        else:
            self.nexus_operations[scheduled_event_id] = True
            return
        raise BadCommand(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_NEXUS_OPERATION_ATTRIBUTES, why
        )

    def _is_buffered_result(self, scheduled_event_id: int) -> bool:
        """The activity ended while the workflow task was in flight: cancelling it is no mistake."""
        return self.run.history.has_buffered_result(scheduled_event_id)


def _invalid_state(action: str, what: str) -> str:
    return f"invalid history builder state for action: {action}, {what}"


def _schedule_activity(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.schedule_activity_task_command_attributes
    event, activity = activities.schedule(run, attributes, completed_id)
    if run.is_paused:
        activities.await_worker(activity)
    elif attributes.request_eager_execution:
        effects.eager_activities.append(activity)
    else:
        activities.enqueue(activity)
    return event


def _cancel_activity(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> None:
    scheduled_event_id = command.request_cancel_activity_task_command_attributes.scheduled_event_id
    if activities.request_cancel(run, scheduled_event_id, completed_id, identity):
        effects.needs_workflow_task = True


def _start_timer(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    return timers.start(run, command.start_timer_command_attributes, completed_id)


def _cancel_timer(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    return timers.cancel(
        run, command.cancel_timer_command_attributes.timer_id, completed_id, identity
    )


def _record_marker(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.record_marker_command_attributes
    marker = MarkerRecordedEventAttributes(
        marker_name=attributes.marker_name,
        details=attributes.details,
        workflow_task_completed_event_id=completed_id,
        header=attributes.header if attributes.HasField("header") else None,
        failure=attributes.failure if attributes.HasField("failure") else None,
    )
    for observer in run.cluster.observers:
        observer.marker_recorded(run, marker)
    return run.add(EventType.EVENT_TYPE_MARKER_RECORDED, marker)


def _upsert_search_attributes(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.upsert_workflow_search_attributes_command_attributes
    return properties.upsert_search_attributes(run, attributes.search_attributes, completed_id)


def _modify_properties(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.modify_workflow_properties_command_attributes
    return properties.modify_memo(run, attributes.upserted_memo, completed_id)


def _complete(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.complete_workflow_execution_command_attributes
    result = attributes.result if attributes.HasField("result") else None
    next_run = next_runs.after_completion(run, result)
    event = run.close(
        Status.WORKFLOW_EXECUTION_STATUS_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        WorkflowExecutionCompletedEventAttributes(
            result=result,
            workflow_task_completed_event_id=completed_id,
            new_execution_run_id=next_run.run_id if next_run is not None else "",
        ),
    )
    if next_run is not None:
        next_run.start()
    return event


def _fail(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    failure = command.fail_workflow_execution_command_attributes.failure
    next_run, retry_state = next_runs.after_failure(run, failure)
    event = run.close(
        Status.WORKFLOW_EXECUTION_STATUS_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        WorkflowExecutionFailedEventAttributes(
            failure=failure,
            retry_state=retry_state,
            workflow_task_completed_event_id=completed_id,
            new_execution_run_id=next_run.run_id if next_run is not None else "",
        ),
    )
    if next_run is not None:
        next_run.start()
    return event


def _cancel(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.cancel_workflow_execution_command_attributes
    return run.close(
        Status.WORKFLOW_EXECUTION_STATUS_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        WorkflowExecutionCanceledEventAttributes(
            details=attributes.details if attributes.HasField("details") else None,
            workflow_task_completed_event_id=completed_id,
        ),
    )


def _start_child(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.start_child_workflow_execution_command_attributes
    return children.initiate(run, attributes, completed_id)


def _signal_external(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.signal_external_workflow_execution_command_attributes
    return external.initiate_signal(run, attributes, completed_id)


def _cancel_external(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.request_cancel_external_workflow_execution_command_attributes
    return external.initiate_cancel(run, attributes, completed_id)


def _schedule_nexus_operation(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.schedule_nexus_operation_command_attributes
    return nexus_operations.schedule(run, attributes, completed_id)


def _cancel_nexus_operation(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    scheduled_event_id = (
        command.request_cancel_nexus_operation_command_attributes.scheduled_event_id
    )
    return nexus_cancellations.request(run, scheduled_event_id, completed_id)


def _continue_as_new(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> HistoryEvent:
    attributes = command.continue_as_new_workflow_execution_command_attributes
    return continue_as_new.continue_as_new(run, attributes, completed_id)


def _deliver_message(
    run: Run, command: Command, completed_id: int, identity: str, effects: Effects
) -> None:
    effects.messages.carry_out(command.protocol_message_command_attributes.message_id)


_CarryOut = Callable[["Run", Command, int, str, Effects], "HistoryEvent | None"]

_CARRY_OUT: dict[CommandType.ValueType, _CarryOut] = {
    CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK: _schedule_activity,
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK: _cancel_activity,
    CommandType.COMMAND_TYPE_START_TIMER: _start_timer,
    CommandType.COMMAND_TYPE_CANCEL_TIMER: _cancel_timer,
    CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION: _start_child,
    CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: _signal_external,
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: _cancel_external,
    CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION: _schedule_nexus_operation,
    CommandType.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION: _cancel_nexus_operation,
    CommandType.COMMAND_TYPE_RECORD_MARKER: _record_marker,
    CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _upsert_search_attributes,
    CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES: _modify_properties,
    CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE: _deliver_message,
    CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION: _complete,
    CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION: _fail,
    CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION: _cancel,
    CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION: _continue_as_new,
}

#: The commands that the service carries out; others fail the workflow task by name.
SUPPORTED = frozenset(_CARRY_OUT)
