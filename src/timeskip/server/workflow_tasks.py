"""Workflow tasks: scheduled, started, completed, failed, timed out.

A task that follows a failure on the normal queue is *transient*: while it keeps failing nothing is
written, and its scheduled and started events appear only once it completes. The worker is shown them
as if they existed. A task that only carries updates is *speculative*: it is not written either, and
if the worker rejects all of them it never will be. As soon as something else is written to the run,
it becomes a normal task. The rules follow the real server's workflow task state machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkerVersionStamp
from temporalio.api.enums.v1 import (
    EventType,
    SuggestContinueAsNewReason,
    TaskQueueKind,
    TaskQueueType,
    TimeoutType,
)
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowTaskFailedEventAttributes,
    WorkflowTaskScheduledEventAttributes,
    WorkflowTaskStartedEventAttributes,
    WorkflowTaskTimedOutEventAttributes,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
)

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.server import history_pages, instants, queries, tokens, update_messages
from timeskip.server.calls import Call
from timeskip.server.errors import HistoryLimitExceeded

if TYPE_CHECKING:
    from timeskip.server.run import Run

_NORMAL = TaskQueueKind.TASK_QUEUE_KIND_NORMAL

#: From the fourth attempt on, each gets longer to answer: 5 s, doubling up to 10 minutes.
_LENIENT_ATTEMPTS = 3
_RETRY_INITIAL: Nanoseconds = 5 * SECOND
_RETRY_MAXIMUM: Nanoseconds = 600 * SECOND

#: A worker may keep a workflow task alive by heartbeats for this long.
HEARTBEAT_LIMIT: Nanoseconds = 30 * 60 * SECOND

#: A speculative task that no worker takes for so long becomes a normal one.
_SPECULATIVE_PATIENCE: Nanoseconds = 5 * SECOND

#: Failures after which the next task is a first attempt again.
_NOT_THE_WORKERS_FAULT = frozenset(
    {
        Cause.WORKFLOW_TASK_FAILED_CAUSE_FAILOVER_CLOSE_COMMAND,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
    }
)

#: What the real server writes as the request id of a task that it returned in an answer.
RETURNED_TASK_REQUEST_ID = "request-from-RespondWorkflowTaskCompleted"

#: The same of a speculative task that it took back before anybody had started it.
_NOT_STARTED_REQUEST_ID = "emptyUuid"


class WorkflowTask:
    """The one workflow task that a run may have open; it waits in a queue to be dispatched."""

    __slots__ = (
        "abandoned",
        "attempt",
        "due",
        "history_size",
        "identity",
        "kept_alive",
        "original_scheduled_time",
        "reasons_to_continue_as_new",
        "request_id",
        "run",
        "scheduled_event_id",
        "scheduled_time",
        "speculative",
        "started_event_id",
        "started_time",
        "timeout",
        "worker_instance_key",
        "worker_version",
    )

    def __init__(
        self, run: Run, scheduled_event_id: int, attempt: int, timeout: Nanoseconds
    ) -> None:
        now = run.cluster.clock.now()
        self.run = run
        self.scheduled_event_id = scheduled_event_id
        self.speculative = False
        self.started_event_id = 0
        self.attempt = attempt
        self.timeout = timeout
        self.scheduled_time = now
        self.original_scheduled_time = now
        self.started_time: Nanoseconds = 0
        self.request_id = ""
        self.identity = ""
        self.worker_version: WorkerVersionStamp | None = None
        self.history_size = 0
        self.reasons_to_continue_as_new: list[SuggestContinueAsNewReason.ValueType] = []
        self.due: DueTime | None = None
        #: Whether it would have timed out if its worker did not send heartbeats for it.
        self.kept_alive = False
        #: The worker is done with the task but will never answer: it can only time out.
        self.abandoned = False
        #: Which worker has the task, if it told.
        self.worker_instance_key = ""

    @property
    def workflow_id(self) -> str:
        return self.run.workflow_id

    @property
    def is_transient(self) -> bool:
        return self.attempt > 1

    @property
    def is_unwritten(self) -> bool:
        """Whether the history has neither the scheduled nor the started event of the task."""
        return self.is_transient or self.speculative

    @property
    def is_stale(self) -> bool:
        return self.run.workflow_task is not self or bool(self.started_event_id)

    def forget(self) -> None:
        """The task is over, one way or another."""
        if self.due is not None:
            self.due.cancel()
        self.run.cluster.started_workflow_tasks.pop(self.run.run_id, None)

    def unwritten_events(self, *, for_worker: bool) -> list[HistoryEvent]:
        """The events of an unwritten task, which readers are shown as if they were written.

        If other events were written meanwhile, it will not be transient any more when it starts.
        Only the worker is shown its own identity.
        """
        if not self.is_unwritten or self.scheduled_event_id != self.run.history.next_event_id:
            return []
        scheduled = HistoryEvent(
            event_id=self.scheduled_event_id,
            event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
            workflow_task_scheduled_event_attributes=_scheduled_attributes(self.run, self),
        )
        scheduled.event_time.FromNanoseconds(self.scheduled_time)
        if not self.started_event_id:
            return [scheduled]
        started = HistoryEvent(
            event_id=self.started_event_id,
            event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
            workflow_task_started_event_attributes=_started_attributes(self),
        )
        started.event_time.FromNanoseconds(self.started_time)
        if not for_worker:
            started.workflow_task_started_event_attributes.ClearField("identity")
        return [scheduled, started]

    def dispatch(self, poll: Call) -> bool:
        """Start the task for a worker that polls; False if it was overtaken by events."""
        if self.is_stale:
            return False
        run = self.run
        request = poll.request
        assert isinstance(request, PollWorkflowTaskQueueRequest)
        if run.sticky_queue and request.task_queue.name != run.sticky_queue:
            # A worker without this run in its cache needs the whole history.
            clear_sticky(run)
        start(run, run.cluster.ids.uuid(), request.identity, version_stamp(request))
        self.worker_instance_key = request.worker_instance_key
        response = poll_response(run, self)
        if not self.speculative:
            try:
                run.commit()
            except HistoryLimitExceeded:
                return False
        poll.respond(response)
        return True


def version_stamp(request: PollWorkflowTaskQueueRequest) -> WorkerVersionStamp | None:
    """How the service remembers the build that polled."""
    if request.HasField("worker_version_capabilities"):
        capabilities = request.worker_version_capabilities
        return WorkerVersionStamp(
            build_id=capabilities.build_id, use_versioning=capabilities.use_versioning
        )
    return None


def clear_sticky(run: Run) -> None:
    run.sticky_queue = ""
    run.sticky_timeout = 0


def current_queue(run: Run) -> TaskQueue:
    """Where the run's next workflow task goes: to the worker that has it cached, if there is one."""
    if run.sticky_queue:
        return TaskQueue(
            name=run.sticky_queue,
            kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
            normal_name=run.task_queue,
        )
    return TaskQueue(name=run.task_queue, kind=_NORMAL)


def schedule_if_needed(run: Run) -> None:
    """After news for the workflow: make sure that a workflow task will see it."""
    if run.workflow_task is None and run.backoff_due is None:
        schedule_unless_paused(run)


def schedule_unless_paused(run: Run) -> None:
    """Open a workflow task, or leave that to the end of the pause."""
    if not run.is_paused:
        schedule(run)


def schedule(
    run: Run,
    *,
    enqueue: bool = True,
    original_scheduled_time: Nanoseconds | None = None,
    speculative: bool = False,
) -> WorkflowTask:
    """Open a workflow task, and put it into its queue unless the caller starts it itself."""
    if run.backoff_due is not None:
        run.backoff_due.cancel()
        run.backoff_due = None
    if run.history.has_buffered:
        # Something new has happened, so this is not another try of the failed task.
        run.workflow_task_attempt = 1
        run.history.flush_buffer()
        speculative = False
    attempt = run.workflow_task_attempt
    task = WorkflowTask(run, run.history.next_event_id, attempt, _timeout_of(run, attempt))
    if original_scheduled_time is not None:
        task.original_scheduled_time = original_scheduled_time
    task.speculative = speculative
    if not task.is_unwritten:
        _write_scheduled(run, task, task.scheduled_time)
    run.workflow_task = task
    if enqueue and not run.stands_still:
        _enqueue(run, task)
    return task


def reopen(run: Run, event: HistoryEvent) -> WorkflowTask:
    """The task whose scheduled or started event is the last that the history tells of it."""
    started = event.workflow_task_started_event_attributes
    scheduled_event_id = started.scheduled_event_id or event.event_id
    task = WorkflowTask(run, scheduled_event_id, 1, _timeout_of(run, 1))
    if started.scheduled_event_id:
        task.started_event_id = event.event_id
    run.workflow_task = task
    return task


def start(
    run: Run, request_id: str, identity: str, worker_version: WorkerVersionStamp | None
) -> WorkflowTask:
    """A worker takes the open task."""
    task = run.workflow_task
    assert task is not None
    assert not task.started_event_id
    if task.due is not None:
        task.due.cancel()
    clock = run.cluster.clock
    task.started_time = clock.now()
    task.request_id = request_id
    task.identity = identity
    task.worker_version = worker_version
    task.history_size = run.history.size_bytes
    task.reasons_to_continue_as_new = run.cluster.reasons_to_continue_as_new(run)
    if task.is_transient and task.scheduled_event_id != run.history.next_event_id:
        # Events came since the failed attempt: the worker must see them, so this is a task of its own.
        task.attempt = run.workflow_task_attempt = 1
        task.scheduled_event_id = run.history.next_event_id
        _write_scheduled(run, task, task.started_time)
    if task.is_unwritten:
        task.started_event_id = task.scheduled_event_id + 1
    else:
        task.started_event_id = _write_started(run, task).event_id
    task.due = clock.schedule(task.started_time + task.timeout, lambda: _start_to_close(run, task))
    run.cluster.started_workflow_tasks[run.run_id] = run
    return task


def heartbeats_end(run: Run) -> None:
    """The worker goes on with a task that its heartbeats kept alive: from now on it may time out."""
    task = run.workflow_task
    if task is not None and task.kept_alive:
        clock = run.cluster.clock
        task.kept_alive = False
        if task.due is not None:
            task.due.cancel()
        task.due = clock.schedule(clock.now() + task.timeout, lambda: _start_to_close(run, task))


def heartbeats_too_long(run: Run, task: WorkflowTask) -> None:
    """The worker has kept the task for as long as the service lets it. It is handed out anew."""
    for observer in run.cluster.observers:
        observer.workflow_task_kept_too_long(run, task)
    time_out(run, task, TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
    schedule_unless_paused(run)
    run.commit()


def completed_event_id(run: Run, task: WorkflowTask) -> int:
    """The id of the completed event to come: an unwritten task's other two events come first."""
    return run.history.next_event_id + (2 if task.is_unwritten else 0)


def close(run: Run, task: WorkflowTask) -> None:
    """The worker has answered: from here on events are written, not buffered."""
    if task.is_unwritten:
        _write(run, task)
        run.history.end_batch()
    drop(run, task)


def drop(run: Run, task: WorkflowTask) -> None:
    """The task is over, and leaves no trace unless it is written already."""
    task.forget()
    run.workflow_task = None
    run.workflow_task_attempt = 1


def fail(
    run: Run,
    task: WorkflowTask,
    cause: Cause.ValueType,
    failure: Failure | None,
    identity: str,
    *,
    binary_checksum: str = "",
    base_run_id: str = "",
    new_run_id: str = "",
) -> None:
    """The task failed; another attempt is the caller's business.

    The run ids are those of a reset, which fails the task that it goes back to.
    """
    if task.speculative:
        task.identity = identity
        _write(run, task)
    if not task.is_transient:
        attributes = WorkflowTaskFailedEventAttributes(
            scheduled_event_id=task.scheduled_event_id,
            started_event_id=task.started_event_id,
            cause=cause,
            identity=identity,
            binary_checksum=binary_checksum,
            base_run_id=base_run_id,
            new_run_id=new_run_id,
        )
        if failure is not None:
            attributes.failure.CopyFrom(failure)
        run.add(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, attributes)
    _give_up(run, task, counts=cause not in _NOT_THE_WORKERS_FAULT)
    for observer in run.cluster.observers:
        observer.workflow_task_failed(run, task, cause, failure)


def time_out(run: Run, task: WorkflowTask, timeout_type: TimeoutType.ValueType) -> None:
    """Write the timeout; another attempt is the caller's business."""
    if task.speculative:
        task.identity = ""
        _write(run, task)
    if not task.is_transient or not task.started_event_id:
        run.add(
            EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
            WorkflowTaskTimedOutEventAttributes(
                scheduled_event_id=task.scheduled_event_id,
                started_event_id=task.started_event_id,
                timeout_type=timeout_type,
            ),
        )
    _give_up(run, task, counts=timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)


def withdraw(run: Run, cause: Cause.ValueType, identity: str) -> None:
    """Take back the open task if no worker has it yet.

    A speculative one leaves a trace as if `identity` had started it.
    """
    task = run.workflow_task
    if task is None or task.started_event_id:
        return
    if task.speculative:
        task.request_id = _NOT_STARTED_REQUEST_ID
        task.identity = identity
        task.started_time = run.cluster.clock.now()
        task.started_event_id = run.history.next_event_id + 1
        _write(run, task)
    if not task.is_transient:
        run.add(
            EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            WorkflowTaskFailedEventAttributes(
                scheduled_event_id=task.scheduled_event_id,
                started_event_id=task.started_event_id,
                cause=cause,
                identity=identity,
            ),
        )
    _give_up(run, task, counts=False)


def poll_response(
    run: Run, task: WorkflowTask, *, attach_queries: bool = True, returned: bool = False
) -> PollWorkflowTaskQueueResponse:
    """The started task as a worker receives it.

    It holds the new events only if the worker has the run cached, or is `returned` the task in the
    answer to the one before.
    """
    first = run.last_completed_started_id + 1 if run.sticky_queue or returned else 1
    shown, next_page_token = history_pages.task_page(
        run, first, task.unwritten_events(for_worker=True)
    )
    response = PollWorkflowTaskQueueResponse(
        task_token=tokens.workflow_task(run, task),
        previous_started_event_id=run.last_completed_started_id,
        started_event_id=task.started_event_id,
        attempt=task.attempt,
        next_page_token=next_page_token,
    )
    response.workflow_execution.workflow_id = run.workflow_id
    response.workflow_execution.run_id = run.run_id
    response.workflow_type.name = run.workflow_type
    response.workflow_execution_task_queue.name = run.task_queue
    response.workflow_execution_task_queue.kind = _NORMAL
    response.history.events.extend(shown)
    instants.show(response.scheduled_time, task.scheduled_time)
    instants.show(response.started_time, task.started_time)
    if attach_queries:
        queries.attach(run, response)
    if run.updates_in_flight:
        response.messages.extend(
            update_messages.to_worker(run, task.started_event_id - 1, again=attach_queries)
        )
    return response


def make_normal(run: Run) -> None:
    """Something else is about to be written: a speculative task has to be written before it."""
    task = run.workflow_task
    if task is None or not task.speculative:
        return
    if not task.started_event_id and not run.sticky_queue and task.due is not None:
        task.due.cancel()
    task.identity = ""
    _write(run, task)


def _write(run: Run, task: WorkflowTask) -> None:
    """Write the events that the task should have had so far."""
    task.scheduled_event_id = _write_scheduled(run, task, task.scheduled_time).event_id
    if task.started_event_id:
        task.started_event_id = _write_started(run, task).event_id
    task.speculative = False


def _enqueue(run: Run, task: WorkflowTask) -> None:
    queues = run.cluster.queues
    if run.sticky_queue:
        sticky = queues.sticky_queue(run.namespace.name, run.sticky_queue)
        if queues.has_sticky_worker(sticky):
            _await_worker(run, task, run.sticky_timeout)
            queues.add(sticky, task)
            return
    if task.speculative:
        _await_worker(run, task, _SPECULATIVE_PATIENCE)
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    queues.add(queues.queue(run.namespace.name, run.task_queue, kind), task)


def _await_worker(run: Run, task: WorkflowTask, patience: Nanoseconds) -> None:
    task.due = run.cluster.clock.schedule(
        task.scheduled_time + patience, lambda: _schedule_to_start(run, task)
    )


def _schedule_to_start(run: Run, task: WorkflowTask) -> None:
    time_out(run, task, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START)
    schedule_unless_paused(run)
    run.commit()


def _start_to_close(run: Run, task: WorkflowTask) -> None:
    if run.run_id in run.cluster.heartbeating_runs:
        task.kept_alive = True
        task.due = run.cluster.clock.schedule(
            task.original_scheduled_time + HEARTBEAT_LIMIT, lambda: heartbeats_too_long(run, task)
        )
        return
    time_out(run, task, TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
    schedule_unless_paused(run)
    run.commit()


def _give_up(run: Run, task: WorkflowTask, *, counts: bool) -> None:
    """After a failure: first try another worker, only then count attempts."""
    task.forget()
    run.workflow_task = None
    if run.sticky_queue:
        clear_sticky(run)
        counts = False
    run.workflow_task_attempt = task.attempt + 1 if counts else 1


def _timeout_of(run: Run, attempt: int) -> Nanoseconds:
    timeout = run.started.workflow_task_timeout.ToNanoseconds()
    if attempt > _LENIENT_ATTEMPTS:
        doublings = min(attempt - _LENIENT_ATTEMPTS - 1, 32)
        timeout += min(_RETRY_INITIAL << doublings, _RETRY_MAXIMUM)
    return timeout


def _scheduled_attributes(run: Run, task: WorkflowTask) -> WorkflowTaskScheduledEventAttributes:
    attributes = WorkflowTaskScheduledEventAttributes(attempt=task.attempt)
    attributes.task_queue.CopyFrom(current_queue(run))
    attributes.start_to_close_timeout.FromNanoseconds(task.timeout)
    return attributes


def _write_scheduled(run: Run, task: WorkflowTask, when: Nanoseconds) -> HistoryEvent:
    return run.history.add(
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, when, _scheduled_attributes(run, task)
    )


def _started_attributes(task: WorkflowTask) -> WorkflowTaskStartedEventAttributes:
    attributes = WorkflowTaskStartedEventAttributes(
        scheduled_event_id=task.scheduled_event_id,
        identity=task.identity,
        request_id=task.request_id,
        history_size_bytes=task.history_size,
    )
    if task.reasons_to_continue_as_new:
        attributes.suggest_continue_as_new = True
        attributes.suggest_continue_as_new_reasons.extend(task.reasons_to_continue_as_new)
    if task.worker_version is not None:
        attributes.worker_version.CopyFrom(task.worker_version)
    return attributes


def _write_started(run: Run, task: WorkflowTask) -> HistoryEvent:
    return run.history.add(
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, task.started_time, _started_attributes(task)
    )
