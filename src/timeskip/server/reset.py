"""`ResetWorkflowExecution`: a new run that begins with a part of another one's history.

The new run takes over the events up to the end of a workflow task, and with them everything that was
open then. The workflow task itself counts as failed, and what has been asked of the workflow since
then (signals, updates, changes of options, news of its children) is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from temporalio.api.enums.v1 import (
    EventType,
    ResetReapplyExcludeType,
    ResetReapplyType,
    UpdateAdmittedEventOrigin,
)
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.failure.v1 import Failure, ResetWorkflowFailureInfo
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionUpdateAdmittedEventAttributes,
)
from temporalio.api.update.v1 import Request
from temporalio.api.workflow.v1 import PostResetOperation
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    ResetWorkflowExecutionResponse,
)

from timeskip.server import (
    activities,
    children,
    external,
    nexus_operations,
    starting,
    termination,
    workflow_options,
    workflow_tasks,
)
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import invalid_argument
from timeskip.server.history import (
    attributes_of,
    initiated_event_id_of,
    scheduled_event_id_of,
)
from timeskip.server.rpcs import rpc
from timeskip.server.run import Run
from timeskip.server.validation.resets import validate_post_reset_operations, validate_reset

#: Who the service says that it is when it ends a run for another to take its place.
_RESETTER = "history-resetter"

#: What the real server writes as the request id of the workflow task that it starts to let it fail.
_NO_REQUEST_ID = "emptyUuid"

_SIGNAL = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL
_UPDATE = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE
_NEXUS = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS

_SCHEDULED = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED

_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_OF_TASKS = frozenset(
    {
        _SCHEDULED,
        _STARTED,
        _COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    }
)

_BEFORE_PAUSE = Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED

#: Of the run's children, which go on as children of the new run.
_NEWS_OF_CHILDREN = frozenset(
    {
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
    }
)


#: Of the run's Nexus operations, which go on as operations of the new run.
_NEWS_OF_NEXUS_OPERATIONS = frozenset(
    {
        EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_FAILED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_CANCELED,
        EventType.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT,
    }
)


@rpc("ResetWorkflowExecution")
def reset_workflow(
    cluster: Cluster, call: Call, request: ResetWorkflowExecutionRequest
) -> ResetWorkflowExecutionResponse:
    namespace = cluster.namespace(request.namespace)
    validate_reset(request)
    base = cluster.run_of(namespace, request.workflow_execution)
    finish = request.workflow_task_finish_event_id
    if not 1 < finish < base.history.next_event_id:
        raise invalid_argument("Workflow task finish ID must be > 1 && <= workflow last event ID.")
    current = namespace.current_run(base.workflow_id)
    if current is not None and current.request_id == request.request_id:
        # As on the real server: the id is that of the request which started the workflow.
        return ResetWorkflowExecutionResponse(run_id=current.run_id)
    run = reset(
        base,
        finish,
        request.reason,
        excluded(request.reset_reapply_type, request.reset_reapply_exclude_types),
        request.post_reset_operations,
    )
    return ResetWorkflowExecutionResponse(run_id=run.run_id)


def excluded(
    reapply: ResetReapplyType.ValueType, types: Iterable[ResetReapplyExcludeType.ValueType]
) -> AbstractSet[ResetReapplyExcludeType.ValueType]:
    """What is not asked again of the workflow, by either way to say so."""
    implied = {
        ResetReapplyType.RESET_REAPPLY_TYPE_NONE: (_SIGNAL, _UPDATE),
        ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL: (_UPDATE,),
    }.get(reapply, ())
    return frozenset((*implied, *types))


def reset(
    base: Run,
    finish_event_id: int,
    reason: str,
    left_out: AbstractSet[ResetReapplyExcludeType.ValueType],
    operations: Sequence[PostResetOperation] = (),
) -> Run:
    """Let a new run take the place of `base`, from before the event `finish_event_id` on.

    Whatever run of the workflow is open ends. Raises INVALID_ARGUMENT if no workflow task was open
    at that point, or if one change has written the events on both sides of it.
    """
    last = finish_event_id - 1
    if not base.history.ends_batch(last):
        raise invalid_argument(
            f"StateRebuilder unable to Rebuild mutable state to event ID: {last}, version: 0, "
            "this event must be at the boundary"
        )
    task_event = _last_task_event(base.history.events[:last])
    if task_event is None or not _leaves_task(task_event):
        raise invalid_argument(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, "
            f"WorkflowTaskStarted + 1]: {finish_event_id}"
        )
    validate_post_reset_operations(operations)
    for operation in operations:
        override = operation.update_workflow_options.workflow_execution_options.versioning_override
        workflow_options.refuse_pinned(base, override)
    run_id = base.cluster.ids.uuid()
    _end(base.namespace.current_run(base.workflow_id), reason)
    base.reset_run_id = run_id
    base.commit()
    run = starting.rebuild(base, last, run_id)
    _fail_workflow_task(run, base, task_event, reason)
    for event in _since(base, last):
        _reapply(run, event, left_out)
        run.history.flush_buffer()
    for operation in operations:
        update = operation.update_workflow_options
        workflow_options.change(run, update.workflow_execution_options, update.update_mask, "")
        run.history.flush_buffer()
    workflow_tasks.schedule(run)
    _resume(run)
    run.commit()
    return run


def _last_task_event(events: Sequence[HistoryEvent]) -> HistoryEvent | None:
    """What has happened last to a workflow task."""
    return next((event for event in reversed(events) if event.event_type in _OF_TASKS), None)


def _leaves_task(event: HistoryEvent) -> bool:
    """Whether a workflow task is open after this event, or is to be tried again at once."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return event.workflow_task_failed_event_attributes.cause != _BEFORE_PAUSE
    return event.event_type != _COMPLETED


def _end(current: Run | None, reason: str) -> None:
    """End the run that is open, without a word to its parent or its children."""
    if current is None or not current.is_open:
        return
    current.gives_way = True
    termination.abandon_workflow_task(current)
    termination.terminate_open(current, reason, None, _RESETTER)
    current.commit()


def _fail_workflow_task(run: Run, base: Run, task_event: HistoryEvent, reason: str) -> None:
    """The task that was open then has failed; one that was to be tried again is begun for that."""
    if task_event.event_type in (_SCHEDULED, _STARTED):
        task = workflow_tasks.reopen(run, task_event)
    else:
        task = workflow_tasks.schedule(run, enqueue=False)
    if not task.started_event_id:
        workflow_tasks.start(run, _NO_REQUEST_ID, termination.HISTORY_SERVICE, None)
    workflow_tasks.fail(
        run,
        task,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        Failure(message=reason, reset_workflow_failure_info=ResetWorkflowFailureInfo()),
        termination.HISTORY_SERVICE,
        base_run_id=base.run_id,
        new_run_id=run.run_id,
    )


def _since(base: Run, last: int) -> Iterator[HistoryEvent]:
    """The events after the reset point, and those of the runs that the workflow continued as."""
    events = base.history.events[last:]
    while events:
        yield from events
        end = events[-1].workflow_execution_continued_as_new_event_attributes
        following = base.cluster.runs.get(end.new_execution_run_id)
        events = [] if following is None else following.history.events


def _reapply(
    run: Run, event: HistoryEvent, left_out: AbstractSet[ResetReapplyExcludeType.ValueType]
) -> None:
    """Tell the new run what came from outside, as far as it still can be told."""
    kind = event.event_type
    if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        if _SIGNAL not in left_out:
            run.add(kind, attributes_of(event)).links.extend(event.links)
    elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:
        _readmit(run, event.workflow_execution_update_admitted_event_attributes.request, left_out)
    elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
        accepted = event.workflow_execution_update_accepted_event_attributes
        if accepted.HasField("accepted_request"):
            _readmit(run, accepted.accepted_request, left_out)
    elif kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED:
        workflow_options.write(run, event.workflow_execution_options_updated_event_attributes)
    elif kind in _NEWS_OF_CHILDREN:
        _tell_of_child(run, event)
    elif kind in _NEWS_OF_NEXUS_OPERATIONS and _NEXUS not in left_out:
        _tell_of_nexus_operation(run, event)


def _tell_of_nexus_operation(run: Run, event: HistoryEvent) -> None:
    """Pass on what has become of an operation that the new run has taken over."""
    operation = run.nexus_operations.get(scheduled_event_id_of(event))
    is_start = event.event_type == EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED
    if operation is not None and not (is_start and operation.is_started):
        run.add(event.event_type, attributes_of(event)).links.extend(event.links)


def _tell_of_child(run: Run, event: HistoryEvent) -> None:
    """Pass on what has become of a child that the new run has taken over.

    As on the real server, it may be the child of a next run that an event of the same id initiated.
    """
    child = run.children.get(initiated_event_id_of(event))
    is_start = event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
    if child is not None and not (is_start and child.run_id):
        run.add(event.event_type, attributes_of(event))


def _readmit(
    run: Run, request: Request, left_out: AbstractSet[ResetReapplyExcludeType.ValueType]
) -> None:
    if _UPDATE in left_out or request.meta.update_id in run.updates:
        return
    run.add(
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED,
        WorkflowExecutionUpdateAdmittedEventAttributes(
            request=request,
            origin=UpdateAdmittedEventOrigin.UPDATE_ADMITTED_EVENT_ORIGIN_REAPPLY,
        ),
    )


def _resume(run: Run) -> None:
    """Set about what the new run has taken over unfinished."""
    for activity in run.activities.values():
        activities.schedule_anew(activity)
    for child in run.children.values():
        if not child.run_id:
            children.start_soon(run, child)
    for initiated in run.external_requests.values():
        external.send_soon(run, initiated)
    for operation in run.nexus_operations.values():
        nexus_operations.resume(operation)
