"""One run as its worker sees it: from history to activations, from completions to commands.

History events move the state machines, and machines leave jobs for the workflow's next activation.
What the workflow answers makes new machines, and machines leave commands for the server. Commands
stay in line until their events come back in the history and prove that both sides agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.api.protocol.v1 import Message
from temporalio.bridge.proto.common import VersioningIntent
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    NotifyHasPatch,
    SignalWorkflow,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from timeskip.clock import Nanoseconds
from timeskip.lanes.direct import (
    event_types,
    local_activity_markers,
    patches,
    rust_text,
    update_requests,
    workflow_commands,
)
from timeskip.lanes.direct.flags import Flags
from timeskip.lanes.direct.initialization import initialize_job
from timeskip.lanes.direct.local_activity_requests import LocalActivityRequests
from timeskip.lanes.direct.local_activity_results import LocalResolution, cancelled
from timeskip.lanes.direct.machines.local_activity import LocalActivityMachine
from timeskip.lanes.direct.machines.machine import FatalError, Machine, NondeterminismError
from timeskip.lanes.direct.machines.patch import PatchMachine
from timeskip.lanes.direct.machines.update import UpdateMachine
from timeskip.lanes.direct.machines.workflow_task import WorkflowTaskMachine
from timeskip.lanes.direct.randomness import seed_of
from timeskip.lanes.direct.sequences import (
    COMMAND_EVENTS,
    FINAL_EVENTS,
    INITIAL_EVENTS,
    end_of_sequence,
)
from timeskip.lanes.direct.update_requests import UpdateRequest
from timeskip.lanes.direct.versioning import VersionOfTask
from timeskip.server.instants import show

AnyMachine = TypeVar("AnyMachine", bound=Machine)

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

#: Events that concern no worker, if they say so.
_IGNORABLE = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
    }
)

_ENDED_FROM_OUTSIDE = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
    }
)


@dataclass(frozen=True)
class RunIdentity:
    """Which run it is, and where it runs."""

    namespace: str
    workflow_id: str
    workflow_type: str
    run_id: str
    task_queue: str


class WorkflowMachines:
    """The state machines of one run, and where in its history it stands."""

    def __init__(
        self,
        run: RunIdentity,
        flags: Flags,
        version: VersionOfTask,
        now: Callable[[], Nanoseconds],
    ) -> None:
        self.run = run
        self.flags = flags
        self.version = version
        self.now = now
        self.local_activities = LocalActivityRequests()
        self.replaying = False
        #: Whether the workflow's code has ended the run.
        self.finished = False
        #: Whether the history has the end of the run.
        self.seen_final_event = False
        #: Whether the portion of history that is being applied is the last there is.
        self.on_last_portion = False
        #: The workflow's time.
        self.time: Nanoseconds | None = None
        #: The started event, once it was seen.
        self.started: WorkflowExecutionStartedEventAttributes | None = None
        #: The newest event that the machines have seen.
        self.last_event_id = 0
        #: The start of the newest workflow task that the machines have seen.
        self.started_event_id = 0
        #: What the workflow has changed of its search attributes.
        self.upserted: dict[str, Payload] = {}
        #: The patches that the history or the workflow knows, and whether there is a command for
        #: them.
        self.patches: dict[str, bool] = {}
        self._events: Sequence[HistoryEvent] = ()
        self._position = 0
        self._previous_started_id = 0
        self._portion_ends_at = 0
        self._history_size = 0
        self._suggests_continue_as_new = False
        self._suggestion_reasons: list[int] = []
        self._deployment_changed = False
        self._jobs: list[WorkflowActivationJob] = []
        self._asked: deque[tuple[Machine, Command]] = deque()
        self._sent: deque[tuple[Machine, Command]] = deque()
        self._messages: list[Message] = []
        self._by_event: dict[int, Machine] = {}
        self._by_seq: dict[tuple[str, int], Machine] = {}
        self._updates: dict[str, UpdateMachine] = {}
        self._update_requests: list[UpdateRequest] = []
        self._admitted: dict[str, UpdateRequest] = {}
        self._unsure_local_activities: list[LocalActivityMachine] = []

    def let_go(self) -> None:
        """The run is forgotten: free the machines, which know this, without a garbage collector."""
        self._by_event.clear()
        self._by_seq.clear()
        self._updates.clear()
        self._asked.clear()
        self._sent.clear()
        self._unsure_local_activities.clear()

    # -- from history to activations ----------------------------------------------------------

    def take_task(
        self,
        events: Sequence[HistoryEvent],
        previous_started_id: int,
        messages: Iterable[Message],
    ) -> None:
        """A new workflow task: its part of the history and its messages."""
        self._update_requests = [update_requests.of_message(message) for message in messages]
        self._events = _after(self.started_event_id, events)
        self._position = 0
        self._previous_started_id = previous_started_id
        self.replaying = previous_started_id > 0
        self.apply_next()

    @property
    def has_jobs(self) -> bool:
        return bool(self._jobs)

    @property
    def has_local_resolutions(self) -> bool:
        """Whether the workflow's next activation tells of the end of a local activity."""
        return any(
            job.HasField("resolve_activity") and job.resolve_activity.is_local for job in self._jobs
        )

    def apply_next(self) -> int:
        """Apply the next portion of history; how many events it had."""
        if self.seen_final_event:
            self.replaying = False
            return 0
        start = self._position
        end = end_of_sequence(self._events, start, self.started_event_id)
        portion = _after(self.last_event_id, self._events[start:end])
        if end - start == 1 and self._events[start].event_type not in FINAL_EVENTS:
            # The core takes the history to be over, and leaves out a last event on its own.
            portion = []
        self._position = end
        self.on_last_portion = end >= len(self._events)
        if portion:
            self.local_activities.task_applied()
            self._learn_from_tasks(portion, end)
            if portion[-1].event_type == event_types.TASK_STARTED:
                self._portion_ends_at = portion[-1].event_id
        else:
            self.replaying = False
        self._apply(portion)
        self._look_ahead()
        self._release_held_if_idle()
        return len(portion)

    def activation(self) -> WorkflowActivation:
        """The jobs that have gathered, for the workflow to act upon; perhaps none."""
        jobs, self._jobs = self._jobs, []
        only_queries = all(job.HasField("query_workflow") for job in jobs)
        if not only_queries:
            self.local_activities.activation_dispatched()
        is_replaying = self.replaying or only_queries
        if not is_replaying:
            self.version.use_own()
        activation = WorkflowActivation(
            run_id=self.run.run_id,
            is_replaying=is_replaying,
            history_length=self.last_event_id,
            jobs=sorted(jobs, key=_job_order) if len(jobs) > 1 else jobs,
            available_internal_flags=self.flags.lang,
            history_size_bytes=self._history_size,
            continue_as_new_suggested=self._suggests_continue_as_new,
            deployment_version_for_current_task=self.version.told,
            last_sdk_version=self.flags.last_sdk_version,
            suggest_continue_as_new_reasons=self._suggestion_reasons,  # type: ignore[arg-type]
            target_worker_deployment_version_changed=self._deployment_changed,
        )
        if self.time is not None:
            show(activation.timestamp, self.time)
        return activation

    def add_job(self, job: WorkflowActivationJob) -> None:
        """Tell the workflow something with its next activation."""
        self._jobs.append(job)

    def uses_flag(self, flag: int) -> bool:
        """Whether a check applies to the event that is being applied."""
        return self.flags.try_use(flag, record=self.on_last_portion)

    def task_started(self, started_event_id: int, time: Timestamp) -> None:
        """The workflow has got as far as the start of a task."""
        self.started_event_id = started_event_id
        self.advance_time(time.ToNanoseconds())
        if not self.replaying:
            unsure, self._unsure_local_activities = self._unsure_local_activities, []
            for machine in unsure:
                machine.not_in_history()

    def advance_time(self, time: Nanoseconds) -> None:
        """Let the workflow's clock show `time`; it never goes back."""
        if self.time is None or self.time < time:
            self.time = time

    def reset_started(self, started_event_id: int) -> None:
        """The last task led to nothing and leaves no trace in the history: go back before it."""
        self.started_event_id = started_event_id
        self.last_event_id -= 2
        for event_id in [known for known in self._by_event if known > self.last_event_id]:
            del self._by_event[event_id]

    def _learn_from_tasks(self, portion: Sequence[HistoryEvent], end: int) -> None:
        """Take over flags and version of the tasks in the portion, and of that completed next."""
        for event in portion:
            if event.event_type == event_types.TASK_COMPLETED:
                self._learn_from_task(event)
        for index in range(end, len(self._events)):
            event = self._events[index]
            if event.event_type == event_types.TASK_COMPLETED:
                self._learn_from_task(event)
                return

    def _learn_from_task(self, completed: HistoryEvent) -> None:
        attributes = completed.workflow_task_completed_event_attributes
        self.flags.recorded(attributes)
        self.version.recorded(attributes)

    def _apply(self, portion: Sequence[HistoryEvent]) -> None:
        skip = False
        for index, event in enumerate(portion):
            if event.event_id != self.last_event_id + 1:
                raise FatalError(
                    f"History is out of order. Last processed event: {self.last_event_id}, "
                    f"event id: {event.event_id}"
                )
            if self.replaying and self._is_news(event):
                self.replaying = False
            if event.event_type == event_types.UPDATE_ADMITTED:
                self._take_admitted(event)
                skip = True
            if self._update_requests:
                self._handle_updates_after(event.event_id - 1)
            following = portion[index + 1] if index + 1 < len(portion) else None
            skip = False if skip else self._handle(event, following)
            self.last_event_id = event.event_id

    def _is_news(self, event: HistoryEvent) -> bool:
        """Whether the event is one that no worker has seen, so that this is no replay any more."""
        return (
            self.on_last_portion
            and event.event_id > self._previous_started_id
            and event.event_type != event_types.TASK_COMPLETED
            and event.event_type not in COMMAND_EVENTS
        )

    def _look_ahead(self) -> None:
        """Let the workflow know what the coming portion says of things that it is about to ask for.

        A patch, the end of a local activity, and an update are recorded after the activation in
        which the workflow has to see them.
        """
        if self._position == len(self._events):
            self._admitted.clear()
            return
        end = end_of_sequence(self._events, self._position, self.started_event_id)
        markers = []
        updates = []
        for event in self._events[self._position : end]:
            kind = event.event_type
            if kind == event_types.MARKER_RECORDED:
                patch = patches.details_of(event)
                if patch is not None:
                    self.patches[patch[0]] = False
                    self.add_job(
                        WorkflowActivationJob(notify_has_patch=NotifyHasPatch(patch_id=patch[0]))
                    )
                elif local_activity_markers.is_marker(event):
                    markers.append(local_activity_markers.read(event))
            elif kind == event_types.UPDATE_ACCEPTED:
                accepted = event.workflow_execution_update_accepted_event_attributes
                admitted = self._admitted.pop(accepted.protocol_instance_id, None)
                updates.append(admitted or update_requests.of_accepted(event))
        self._admitted.clear()
        for marker in markers:
            machine = self._by_seq.get(("LocalActivity", marker.seq))
            if not isinstance(machine, LocalActivityMachine) or machine.accepts_marker:
                self.local_activities.peek(marker.seq, marker.resolution)
                self._resolve_peeked(include_held=False)
        for update in updates:
            self._handle_update(update)

    def _handle(self, event: HistoryEvent, following: HistoryEvent | None) -> bool:
        """Handle one event; True if the event after it is to be skipped."""
        kind = event.event_type
        if kind in FINAL_EVENTS:
            self.seen_final_event = True
        if event.worker_may_ignore and (
            kind in _IGNORABLE or event.WhichOneof("attributes") is None
        ):
            return False
        if kind in _ENDED_FROM_OUTSIDE:
            if following is not None or not self.on_last_portion:
                raise FatalError(
                    "Machines were fed a history which has an event after workflow execution was "
                    "terminated!"
                )
            return False
        if kind in COMMAND_EVENTS:
            return self._handle_command_event(event, following)
        if kind == event_types.TASK_STARTED:
            self._note_task_started(event)
        initial = INITIAL_EVENTS.get(kind)
        if initial is not None:
            machine = self._by_event.get(initial(event))
            if machine is None:
                raise NondeterminismError(
                    "During event handling, this event had an initial command ID but we could "
                    f"not find a matching command for it: {rust_text.full(event)}"
                )
            machine.handle_event(event)
        else:
            self._handle_event_of_its_own(event)
        return False

    def _handle_command_event(self, event: HistoryEvent, following: HistoryEvent | None) -> bool:
        """Match an event with the command that should have caused it."""
        if local_activity_markers.is_marker(event):
            seq = local_activity_markers.read(event).seq
            local_activity = self.machine_of(LocalActivityMachine, "LocalActivity", seq)
            if local_activity.has_no_command():
                local_activity.handle_event(event)
                return False
        while True:
            machine = self._sent[0][0] if self._sent else None
            patch = patches.details_of(event)
            if patch is not None:
                name, deprecated = patch
                is_patch = isinstance(machine, PatchMachine)
                matches = isinstance(machine, PatchMachine) and machine.patch_id == name
                if deprecated and not matches:
                    return following is not None and patches.is_upsert(following)
                if not is_patch:
                    raise NondeterminismError(
                        f"Non-deprecated patch marker encountered for change {name}, but "
                        "there is no corresponding change command!"
                    )
            elif isinstance(machine, PatchMachine):
                self._sent.popleft()
                continue
            if machine is None:
                raise NondeterminismError(
                    f"No command scheduled for event {rust_text.short(event)}"
                )
            self._sent.popleft()
            if not machine.cancelled_before_sent:
                machine.handle_event(event)
                if not machine.is_final:
                    self._by_event[event.event_id] = machine
                return False

    def _handle_event_of_its_own(self, event: HistoryEvent) -> None:
        kind = event.event_type
        if kind == event_types.TASK_SCHEDULED:
            task = WorkflowTaskMachine(self, self._portion_ends_at)
            task.handle_event(event)
            self._by_event[event.event_id] = task
        elif kind == event_types.EXECUTION_STARTED:
            self._execution_started(event)
        elif kind == event_types.SIGNALED:
            attributes = event.workflow_execution_signaled_event_attributes
            self.add_job(WorkflowActivationJob(signal_workflow=_signal(attributes, event.event_id)))
        elif kind == event_types.CANCEL_REQUESTED:
            reason = event.workflow_execution_cancel_requested_event_attributes.cause
            self.add_job(WorkflowActivationJob(cancel_workflow=CancelWorkflow(reason=reason)))
        elif event.WhichOneof("attributes") is None:
            raise FatalError(
                "Event type is unspecified! This history is invalid. Event detail: "
                f"{rust_text.full(event)}"
            )
        else:
            raise FatalError(
                "The event is not a non-stateful event, but we tried to handle it as one: "
                f"{rust_text.short(event)}"
            )

    def _execution_started(self, event: HistoryEvent) -> None:
        attributes = event.workflow_execution_started_event_attributes
        self.advance_time(event.event_time.ToNanoseconds())
        self.started = attributes
        self.add_job(
            initialize_job(
                attributes,
                self.run.workflow_id,
                seed_of(attributes.original_execution_run_id),
                event.event_time,
            )
        )

    def _note_task_started(self, event: HistoryEvent) -> None:
        attributes = event.workflow_task_started_event_attributes
        self._history_size = max(attributes.history_size_bytes, 0)
        self._suggests_continue_as_new = attributes.suggest_continue_as_new
        self._suggestion_reasons = list(attributes.suggest_continue_as_new_reasons)
        self._deployment_changed = attributes.target_worker_deployment_version_changed

    # -- updates ------------------------------------------------------------------------------

    def _take_admitted(self, event: HistoryEvent) -> None:
        """The server has kept an update in the history until a worker handles it."""
        admitted = update_requests.of_admitted(event)
        if self.replaying:
            self._admitted[admitted.protocol_instance_id] = admitted
        else:
            self._update_requests.append(admitted)

    def _handle_updates_after(self, event_id: int) -> None:
        due = [one for one in self._update_requests if one.sequencing_event_id <= event_id]
        self._update_requests = [
            one for one in self._update_requests if one.sequencing_event_id > event_id
        ]
        for asked in due:
            self._handle_update(asked)

    def _handle_update(self, asked: UpdateRequest) -> None:
        self._updates[asked.protocol_instance_id] = UpdateMachine(self, asked)

    def update_machine(self, protocol_instance_id: str) -> UpdateMachine:
        """The update that the workflow answers; raises `FatalError` if there is none."""
        machine = self._updates.get(protocol_instance_id)
        if machine is None:
            raise FatalError(
                f"Missing associated machine for protocol message {protocol_instance_id}"
            )
        return machine

    def add_message(self, message: Message) -> None:
        """Send a message with the task's answer; while replaying it was sent before."""
        if not self.replaying:
            self._messages.append(message)

    # -- local activities ---------------------------------------------------------------------

    def resolve_local_activity(self, seq: int, resolution: LocalResolution, runtime: int) -> None:
        """The worker has executed a local activity, in so many nanoseconds."""
        machine = self.machine_of(LocalActivityMachine, "LocalActivity", seq)
        resolution.activation_index = self.local_activities.activation_index
        machine.resolve(resolution, runtime)
        self.local_activities.done(seq)

    def request_cancel_local_activity(self, machine: LocalActivityMachine) -> None:
        """See to it that a local activity stops if it has begun, or else does not begin."""
        local = self.local_activities
        if local.is_held(machine.seq):
            return
        known = local.take_peeked(machine.seq)
        if known is not None:
            machine.resolve_from_marker(known)
            return
        taken_back = local.take_back(machine.seq)
        if taken_back is None:
            local.enqueue_cancel(machine.seq)
            return
        machine.resolve(
            LocalResolution(
                cancelled(),
                attempt=taken_back.asked.attempt,
                original_schedule_time=taken_back.original_schedule_time,
                activation_index=local.activation_index,
            )
        )

    def _resolve_peeked(self, *, include_held: bool) -> None:
        """Tell the workflow of the ends of local activities that stand ahead in the history.

        In the order of their markers, up to one that the workflow has not asked for yet.
        """
        local = self.local_activities
        while (seq := local.next_peeked(include_held=include_held)) is not None:
            machine = self._by_seq.get(("LocalActivity", seq))
            if not isinstance(machine, LocalActivityMachine):
                return
            resolution = local.take_peeked(seq)
            assert resolution is not None
            machine.resolve_from_marker(resolution)

    def _release_held_if_idle(self) -> None:
        """With nothing to tell the workflow there is no later activation to hold anything for."""
        if not self._jobs:
            self._resolve_peeked(include_held=True)

    # -- from completions to commands ---------------------------------------------------------

    def take_commands(self, commands: Iterable[WorkflowCommand]) -> None:
        """What the workflow asks for."""
        for command in commands:
            workflow_commands.handle(self, command)
        self._resolve_peeked(include_held=False)
        self._release_held_if_idle()
        self._send_asked()

    def commands(self) -> list[Command]:
        """What is to be sent to the server."""
        self.flags.write_all()
        return [command for machine, command in self._sent if not machine.is_final]

    def take_messages(self) -> list[Message]:
        """The messages that go to the server with the commands."""
        messages, self._messages = self._messages, []
        return messages

    @property
    def has_output(self) -> bool:
        """Whether there is anything to be sent to the server."""
        return bool(self._messages) or any(not machine.is_final for machine, _ in self._sent)

    def add_command(self, machine: Machine, command: Command) -> None:
        """Ask the server for something on behalf of a machine."""
        self._asked.append((machine, command))

    def remember(self, kind: str, seq: int, machine: Machine) -> None:
        """The workflow will speak of the machine as the `seq`th of its kind."""
        self._by_seq[kind, seq] = machine

    def expect_marker(self, machine: LocalActivityMachine) -> None:
        """The machine was made while replaying: be sure that the history ahead has its marker."""
        self._unsure_local_activities.append(machine)

    def machine_of(self, kind_of_machine: type[AnyMachine], kind: str, seq: int) -> AnyMachine:
        """What the workflow, or a marker, speaks of."""
        machine = self._by_seq.get((kind, seq))
        if not isinstance(machine, kind_of_machine):
            raise NondeterminismError(f"Missing associated machine for {kind}({seq})")
        return machine

    def inherits_build_id(self, intent: VersioningIntent.ValueType, task_queue: str) -> bool:
        """Whether what the workflow asks for is to run on a compatible version of the worker."""
        if intent == VersioningIntent.UNSPECIFIED:
            return task_queue in ("", self.run.task_queue)
        return intent == VersioningIntent.COMPATIBLE

    def _send_asked(self) -> None:
        """Put what was asked for into the line of what is sent, without what was taken back."""
        if any(machine.cancelled_before_sent for machine, _ in self._sent):
            self._sent = deque(entry for entry in self._sent if not entry[0].cancelled_before_sent)
        while self._asked:
            machine, command = self._asked.popleft()
            if not machine.cancelled_before_sent:
                machine.handle_command(command)
                self._sent.append((machine, command))


def _after(event_id: int, events: Sequence[HistoryEvent]) -> Sequence[HistoryEvent]:
    """Those of the events, which are in order, that come after this one: all of them, as a rule."""
    if not events or events[0].event_id > event_id:
        return events
    return [event for event in events if event.event_id > event_id]


def _job_order(job: WorkflowActivationJob) -> int:
    variant = job.WhichOneof("variant") or ""
    if variant == "resolve_activity" and job.resolve_activity.is_local:
        return 5
    return _JOB_ORDER.get(variant, 4)


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
