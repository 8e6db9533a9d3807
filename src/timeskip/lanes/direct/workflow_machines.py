"""One run as its worker sees it: from history to activations, from completions to commands.

History events move the state machines, and machines leave jobs for the workflow's next activation.
What the workflow answers makes new machines, and machines leave commands for the server. Commands
stay in line until their events come back in the history and prove that both sides agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.command.v1 import (
    CancelWorkflowExecutionCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    NotifyHasPatch,
    SignalWorkflow,
    UpdateRandomSeed,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import SetPatchMarker, WorkflowCommand

from timeskip.lanes.direct import patches
from timeskip.lanes.direct.flags import MOVE_TERMINAL_COMMANDS, UPSERT_ON_PATCH, Flags
from timeskip.lanes.direct.initialization import initialize_job
from timeskip.lanes.direct.machines.activity import ActivityMachine, payloads_of
from timeskip.lanes.direct.machines.machine import (
    FatalError,
    Machine,
    NondeterminismError,
    told,
)
from timeskip.lanes.direct.machines.recorded import (
    CancelWorkflowMachine,
    CompleteWorkflowMachine,
    FailWorkflowMachine,
    ModifyWorkflowPropertiesMachine,
    PatchMachine,
    RecordedMachine,
    UpsertSearchAttributesMachine,
)
from timeskip.lanes.direct.machines.timer import TimerMachine
from timeskip.lanes.direct.randomness import seed_of
from timeskip.lanes.direct.sequences import COMMAND_EVENTS, FINAL_EVENTS, end_of_sequence

if TYPE_CHECKING:
    from temporalio.api.history.v1 import (
        WorkflowExecutionSignaledEventAttributes,
    )

#: Which attribute of an event names the command event that its machine began with.
_INITIAL_EVENT = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: "scheduled_event_id",
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "scheduled_event_id",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "scheduled_event_id",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "scheduled_event_id",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "scheduled_event_id",
    EventType.EVENT_TYPE_TIMER_FIRED: "started_event_id",
}

_TERMINAL = (
    "complete_workflow_execution",
    "fail_workflow_execution",
    "continue_as_new_workflow_execution",
    "cancel_workflow_execution",
)

#: The order of jobs in an activation.
_JOB_ORDER = {
    "initialize_workflow": 0,
    "notify_has_patch": 1,
    "update_random_seed": 2,
    "signal_workflow": 3,
    "do_update": 3,
    "query_workflow": 6,
    "remove_from_cache": 7,
}


class WorkflowMachines:
    """The state machines of one run, and where in its history it stands."""

    def __init__(
        self,
        run_id: str,
        workflow_id: str,
        task_queue: str,
        flags: Flags,
        may_execute_eagerly: Callable[[str], bool],
    ) -> None:
        self.run_id = run_id
        self.workflow_id = workflow_id
        self.task_queue = task_queue
        self.flags = flags
        self.may_execute_eagerly = may_execute_eagerly
        self.replaying = False
        self.finished = False
        self.started_event_id = 0
        self._events: list[HistoryEvent] = []
        self._position = 0
        self._last_event_id = 0
        self._previous_started_id = 0
        self._next_started_id = 0
        self._time: Timestamp | None = None
        self._history_size = 0
        self._suggests_continue_as_new = False
        self._seen_final_event = False
        self._jobs: list[WorkflowActivationJob] = []
        self._asked: deque[tuple[Machine, Command]] = deque()
        self._sent: deque[tuple[Machine, Command]] = deque()
        self._by_event: dict[int, Machine] = {}
        self._timers: dict[int, TimerMachine] = {}
        self._activities: dict[int, ActivityMachine] = {}
        self._patches: dict[str, bool] = {}

    # -- from history to activations ----------------------------------------------------------

    def take_history(self, events: Sequence[HistoryEvent], previous_started_id: int) -> None:
        """New events of a workflow task; those that were seen before are skipped."""
        self._events = [event for event in events if event.event_id > self._last_event_id]
        self._position = 0
        self._previous_started_id = previous_started_id
        self.replaying = previous_started_id > 0
        self.apply_next()

    @property
    def last_event_id(self) -> int:
        """The newest event that the machines have seen."""
        return self._last_event_id

    @property
    def has_more(self) -> bool:
        """Whether there is history that the workflow has not seen yet."""
        return self._position < len(self._events)

    @property
    def has_jobs(self) -> bool:
        return bool(self._jobs)

    def apply_next(self) -> None:
        """Apply the next portion of history, if there is one."""
        if self._seen_final_event:
            self.replaying = False
            return
        start = self._position
        end = end_of_sequence(self._events, start)
        portion = self._events[start:end]
        self._position = end
        is_last = end >= len(self._events)
        for event in self._events[start : end + 1]:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                self.flags.recorded(event.workflow_task_completed_event_attributes)
        if not portion:
            self.replaying = False
        elif portion[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            self._next_started_id = portion[-1].event_id
        skip = False
        for index, event in enumerate(portion):
            if event.event_id != self._last_event_id + 1:
                raise FatalError(
                    f"History is out of order. Last processed event: {self._last_event_id}, "
                    f"event id: {event.event_id}"
                )
            if self.replaying and is_last and self._is_news(event):
                self.replaying = False
            following = portion[index + 1] if index + 1 < len(portion) else None
            skip = False if skip else self._handle(event, following)
            self._last_event_id = event.event_id
        self._look_ahead()

    def activation(self) -> WorkflowActivation:
        """The jobs that have gathered, for the workflow to act upon."""
        jobs, self._jobs = self._jobs, []
        only_queries = all(job.HasField("query_workflow") for job in jobs)
        activation = WorkflowActivation(
            run_id=self.run_id,
            is_replaying=self.replaying or only_queries,
            history_length=self._last_event_id,
            jobs=sorted(jobs, key=_job_order),
            available_internal_flags=self.flags.lang,
            history_size_bytes=self._history_size,
            continue_as_new_suggested=self._suggests_continue_as_new,
            last_sdk_version=self.flags.last_sdk_version,
        )
        if self._time is not None:
            activation.timestamp.CopyFrom(self._time)
        return activation

    def add_job(self, job: WorkflowActivationJob) -> None:
        self._jobs.append(job)

    def _is_news(self, event: HistoryEvent) -> bool:
        """Whether the event is one that no worker has seen, so that this is no replay any more."""
        return (
            event.event_id > self._previous_started_id
            and event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            and event.event_type not in COMMAND_EVENTS
        )

    def _look_ahead(self) -> None:
        """Patches of the coming portion are known to the workflow before it asks for them."""
        end = end_of_sequence(self._events, self._position)
        for event in self._events[self._position : end]:
            patch = patches.details_of(event)
            if patch is not None:
                self._patches.setdefault(patch[0], False)
                self._patches[patch[0]] = False
                self.add_job(
                    WorkflowActivationJob(notify_has_patch=NotifyHasPatch(patch_id=patch[0]))
                )

    def _handle(self, event: HistoryEvent, following: HistoryEvent | None) -> bool:
        """Handle one event; True if the event after it is to be skipped."""
        kind = event.event_type
        if kind in FINAL_EVENTS:
            self._seen_final_event = True
        if kind in _IGNORED or (event.worker_may_ignore and kind not in _HANDLERS):
            return False
        if kind in COMMAND_EVENTS:
            return self._handle_command_event(event, following)
        initial = _INITIAL_EVENT.get(kind)
        if initial is not None:
            machine = self._by_event.get(_initial_event_id(event, initial))
            if machine is None:
                raise NondeterminismError(
                    "During event handling, this event had an initial command ID but we could "
                    f"not find a matching command for it: {told(event)}"
                )
            machine.handle_event(event)
            return False
        handler = _HANDLERS.get(kind)
        if handler is None:
            raise FatalError(
                "The event is not a non-stateful event, but we tried to handle it as one: "
                f"{told(event)}"
            )
        handler(self, event)
        return False

    def _handle_command_event(self, event: HistoryEvent, following: HistoryEvent | None) -> bool:
        """Match an event with the command that should have caused it."""
        while True:
            machine = self._sent[0][0] if self._sent else None
            patch = patches.details_of(event)
            if patch is not None:
                is_patch = isinstance(machine, PatchMachine)
                matches = isinstance(machine, PatchMachine) and machine.patch_id == patch[0]
                if not matches and patch[1]:
                    return following is not None and patches.is_patch_upsert(following)
                if not is_patch:
                    raise NondeterminismError(
                        f"Non-deprecated patch marker encountered for change {patch[0]}, but "
                        "there is no corresponding change command!"
                    )
            elif isinstance(machine, PatchMachine):
                self._sent.popleft()
                continue
            if machine is None:
                raise NondeterminismError(f"No command scheduled for event {told(event)}")
            self._sent.popleft()
            if machine.cancelled_before_sent:
                continue
            machine.handle_event(event)
            if not machine.is_final:
                self._by_event[event.event_id] = machine
            return False

    def _execution_started(self, event: HistoryEvent) -> None:
        attributes = event.workflow_execution_started_event_attributes
        self._set_time(event.event_time)
        self.add_job(
            initialize_job(
                attributes,
                self.workflow_id,
                seed_of(attributes.original_execution_run_id),
                event.event_time,
            )
        )

    def _task_started(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_started_event_attributes
        self._history_size = attributes.history_size_bytes
        self._suggests_continue_as_new = attributes.suggest_continue_as_new
        if event.event_id >= self._next_started_id:
            self.started_event_id = event.event_id
            self._set_time(event.event_time)

    def _task_failed(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_failed_event_attributes
        if attributes.cause == Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
            self.add_job(
                WorkflowActivationJob(
                    update_random_seed=UpdateRandomSeed(
                        randomness_seed=seed_of(attributes.new_run_id)
                    )
                )
            )

    def _signaled(self, event: HistoryEvent) -> None:
        attributes = event.workflow_execution_signaled_event_attributes
        self.add_job(WorkflowActivationJob(signal_workflow=_signal(attributes, event.event_id)))

    def _cancel_requested(self, event: HistoryEvent) -> None:
        reason = event.workflow_execution_cancel_requested_event_attributes.cause
        self.add_job(WorkflowActivationJob(cancel_workflow=CancelWorkflow(reason=reason)))

    def _ended_from_outside(self, event: HistoryEvent) -> None:
        """Terminated or timed out: nothing of it concerns the workflow's code."""

    def _set_time(self, time: Timestamp) -> None:
        if self._time is None or self._time.ToNanoseconds() < time.ToNanoseconds():
            self._time = time

    # -- from completions to commands ---------------------------------------------------------

    def take_commands(self, commands: Iterable[WorkflowCommand]) -> None:
        """What the workflow asks for, in its order, but for the end of the run: that comes last."""
        asked = list(commands)
        if self.flags.uses(MOVE_TERMINAL_COMMANDS, record=not self.replaying):
            ends = [command for command in asked if command.WhichOneof("variant") in _TERMINAL]
            asked = [command for command in asked if command.WhichOneof("variant") not in _TERMINAL]
            asked += ends[:1]
        for command in asked:
            variant = command.WhichOneof("variant") or ""
            handler = _COMMANDS.get(variant)
            if handler is None:
                raise FatalError(f"timeskip does not support {variant!r} in the direct lane yet")
            metadata = command.user_metadata if command.HasField("user_metadata") else None
            handler(self, command, metadata)
        self._send_asked()

    def commands(self) -> list[Command]:
        """What is to be sent to the server."""
        self.flags.write_all()
        return [command for machine, command in self._sent if not machine.is_final]

    def add_command(self, machine: Machine, command: Command) -> None:
        self._asked.append((machine, command))

    def _send_asked(self) -> None:
        """Put what was asked for into the line of what is sent, without what was taken back."""
        self._sent = deque(entry for entry in self._sent if not entry[0].cancelled_before_sent)
        while self._asked:
            machine, command = self._asked.popleft()
            if not machine.cancelled_before_sent:
                machine.command_sent(command)
                self._sent.append((machine, command))

    def _start_timer(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        self._timers[command.start_timer.seq] = TimerMachine(self, command.start_timer, metadata)

    def _cancel_timer(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        self._timers[command.cancel_timer.seq].cancel()

    def _schedule_activity(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        asked = command.schedule_activity
        self._activities[asked.seq] = ActivityMachine(self, asked, metadata)

    def _cancel_activity(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        self._activities[command.request_cancel_activity.seq].cancel()

    def _set_patch_marker(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        asked: SetPatchMarker = command.set_patch_marker
        known = self._patches.get(asked.patch_id)
        if known:
            return
        earlier = [patch_id for patch_id, made in self._patches.items() if made]
        PatchMachine(
            self,
            asked.patch_id,
            patches.marker_command(asked.patch_id, deprecated=asked.deprecated),
        )
        self._patches[asked.patch_id] = True
        if self.replaying and known is None:
            return
        if self.flags.uses(UPSERT_ON_PATCH, record=not self.replaying):
            upsert = patches.upsert_command([*earlier, asked.patch_id])
            if upsert is not None:
                UpsertSearchAttributesMachine(self, upsert)

    def _upsert(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        UpsertSearchAttributesMachine(
            self,
            Command(
                command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
                upsert_workflow_search_attributes_command_attributes=(
                    UpsertWorkflowSearchAttributesCommandAttributes(
                        search_attributes=command.upsert_workflow_search_attributes.search_attributes
                    )
                ),
            ),
        )

    def _modify_properties(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        ModifyWorkflowPropertiesMachine(
            self,
            Command(
                command_type=CommandType.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES,
                modify_workflow_properties_command_attributes=(
                    ModifyWorkflowPropertiesCommandAttributes(
                        upserted_memo=command.modify_workflow_properties.upserted_memo
                    )
                ),
            ),
        )

    def _complete(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        asked = command.complete_workflow_execution
        attributes = CompleteWorkflowExecutionCommandAttributes()
        if asked.HasField("result"):
            attributes.result.CopyFrom(payloads_of([asked.result]))
        self._end(
            CompleteWorkflowMachine,
            Command(
                command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
                complete_workflow_execution_command_attributes=attributes,
            ),
        )

    def _fail(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        self._end(
            FailWorkflowMachine,
            Command(
                command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
                fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(
                    failure=command.fail_workflow_execution.failure
                ),
            ),
        )

    def _cancel(self, command: WorkflowCommand, metadata: UserMetadata | None) -> None:
        asked = command.cancel_workflow_execution
        attributes = CancelWorkflowExecutionCommandAttributes()
        if asked.HasField("details"):
            attributes.details.CopyFrom(payloads_of([asked.details]))
        self._end(
            CancelWorkflowMachine,
            Command(
                command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
                cancel_workflow_execution_command_attributes=attributes,
            ),
        )

    def _end(self, machine: type[RecordedMachine], command: Command) -> None:
        machine(self, command)
        self.finished = True


_EventHandler = Callable[[WorkflowMachines, HistoryEvent], None]

_HANDLERS: dict[EventType.ValueType, _EventHandler] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: WorkflowMachines._execution_started,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: WorkflowMachines._task_started,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: WorkflowMachines._task_failed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: WorkflowMachines._signaled,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: WorkflowMachines._cancel_requested,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: WorkflowMachines._ended_from_outside,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: WorkflowMachines._ended_from_outside,
}

_IGNORED = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED,
    }
)

_CommandHandler = Callable[[WorkflowMachines, WorkflowCommand, "UserMetadata | None"], None]

_COMMANDS: dict[str, _CommandHandler] = {
    "start_timer": WorkflowMachines._start_timer,
    "cancel_timer": WorkflowMachines._cancel_timer,
    "schedule_activity": WorkflowMachines._schedule_activity,
    "request_cancel_activity": WorkflowMachines._cancel_activity,
    "set_patch_marker": WorkflowMachines._set_patch_marker,
    "upsert_workflow_search_attributes": WorkflowMachines._upsert,
    "modify_workflow_properties": WorkflowMachines._modify_properties,
    "complete_workflow_execution": WorkflowMachines._complete,
    "fail_workflow_execution": WorkflowMachines._fail,
    "cancel_workflow_execution": WorkflowMachines._cancel,
}


def _job_order(job: WorkflowActivationJob) -> int:
    variant = job.WhichOneof("variant") or ""
    if variant == "resolve_activity" and job.resolve_activity.is_local:
        return 5
    return _JOB_ORDER.get(variant, 4)


def _initial_event_id(event: HistoryEvent, attribute: str) -> int:
    attributes = getattr(event, event.WhichOneof("attributes") or "")
    initial: int = getattr(attributes, attribute)
    return initial


def _signal(attributes: WorkflowExecutionSignaledEventAttributes, event_id: int) -> SignalWorkflow:
    job = SignalWorkflow(
        signal_name=attributes.signal_name,
        input=attributes.input.payloads,
        identity=attributes.identity,
        originating_event_id=event_id,
    )
    for name, payload in attributes.header.fields.items():
        job.headers[name].CopyFrom(payload)
    return job
