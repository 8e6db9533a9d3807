"""Child workflows: started for a parent, which is told how they start and how they end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from temporalio.api.command.v1 import StartChildWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import Priority, WorkflowExecution
from temporalio.api.enums.v1 import (
    EventType,
    StartChildWorkflowExecutionFailedCause,
)
from temporalio.api.history.v1 import (
    ChildWorkflowExecutionCanceledEventAttributes,
    ChildWorkflowExecutionCompletedEventAttributes,
    ChildWorkflowExecutionFailedEventAttributes,
    ChildWorkflowExecutionStartedEventAttributes,
    ChildWorkflowExecutionTerminatedEventAttributes,
    ChildWorkflowExecutionTimedOutEventAttributes,
    HistoryEvent,
    StartChildWorkflowExecutionFailedEventAttributes,
    StartChildWorkflowExecutionInitiatedEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.api.workflow.v1 import PendingChildExecutionInfo
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from timeskip.server import starting, termination, workflow_tasks
from timeskip.server.applied_events import applies
from timeskip.server.errors import ServiceError
from timeskip.server.history import attributes_of, initiated_event_id_of
from timeskip.server.set_fields import copy_set

if TYPE_CHECKING:
    from timeskip.server.namespaces import Namespace
    from timeskip.server.run import Run

#: What a child is given in the words of the command; a start request has the same.
_GIVEN = (
    "workflow_type",
    "task_queue",
    "input",
    "workflow_execution_timeout",
    "workflow_run_timeout",
    "workflow_task_timeout",
    "retry_policy",
    "header",
    "memo",
    "search_attributes",
    "priority",
)


class Child:
    """A child that its parent has asked for; `run_id` is that of its first run once it has started."""

    __slots__ = ("event", "initiated", "namespace", "run_id")

    def __init__(self, event: HistoryEvent, namespace: Namespace) -> None:
        self.event = event
        self.initiated = event.start_child_workflow_execution_initiated_event_attributes
        self.namespace = namespace
        self.run_id = ""

    @property
    def initiated_event_id(self) -> int:
        return self.event.event_id


def initiate(
    run: Run,
    attributes: StartChildWorkflowExecutionCommandAttributes,
    completed_id: int,
) -> HistoryEvent:
    """Write that a child is wanted; it starts once the workflow task is dealt with."""
    namespace = run.namespace
    initiated = StartChildWorkflowExecutionInitiatedEventAttributes(
        namespace=namespace.name,
        namespace_id=namespace.id,
        workflow_id=attributes.workflow_id,
        parent_close_policy=attributes.parent_close_policy,
        control=attributes.control,
        workflow_task_completed_event_id=completed_id,
        workflow_id_reuse_policy=attributes.workflow_id_reuse_policy,
        cron_schedule=attributes.cron_schedule,
        inherit_build_id=attributes.inherit_build_id,
    )
    copy_set(attributes, initiated, *_GIVEN)
    if not initiated.memo.fields:
        initiated.ClearField("memo")
    event = run.add(EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, initiated)
    start_soon(run, run.children[event.event_id])
    return event


def start_soon(run: Run, child: Child) -> None:
    """Start a child once the change that is being made to its parent is complete."""
    run.cluster.transfers.add(partial(_start, run, child))


@applies(EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED)
def _open(run: Run, event: HistoryEvent) -> None:
    run.children[event.event_id] = Child(event, run.namespace)


@applies(EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED)
def _note_start(run: Run, event: HistoryEvent) -> None:
    attributes = event.child_workflow_execution_started_event_attributes
    run.children[attributes.initiated_event_id].run_id = attributes.workflow_execution.run_id


@applies(
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
)
def _close(run: Run, event: HistoryEvent) -> None:
    del run.children[initiated_event_id_of(event)]


def report_end(run: Run, closed: HistoryEvent) -> None:
    """Tell the parent of a run that has closed, unless another run follows it."""
    parent = _open_parent(run)
    end = attributes_of(closed)
    if parent is None or _is_followed(end):
        return
    child = parent.children.get(run.started.parent_initiated_event_id)
    if child is None:
        return
    event_type, told = _END[closed.event_type]
    attributes = told(
        namespace=child.namespace.name,
        namespace_id=child.namespace.id,
        workflow_execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
        workflow_type=run.started.workflow_type,
        initiated_event_id=child.initiated_event_id,
    )
    for field in ("result", "failure", "details", "retry_state"):
        if field in attributes.DESCRIPTOR.fields_by_name:
            _carry_over(end, attributes, field)
    parent.add(event_type, attributes)
    workflow_tasks.schedule_if_needed(parent)
    parent.commit()


def _open_parent(run: Run) -> Run | None:
    """The parent, or the run that a reset has put in its place."""
    runs = run.cluster.runs
    parent = runs.get(run.started.parent_workflow_execution.run_id)
    while parent is not None and not parent.is_open:
        parent = runs.get(parent.reset_run_id)
    return parent


def pending_info(child: Child) -> PendingChildExecutionInfo:
    """A child that has not ended, as descriptions show it."""
    return PendingChildExecutionInfo(
        workflow_id=child.initiated.workflow_id,
        run_id=child.run_id,
        workflow_type_name=child.initiated.workflow_type.name,
        initiated_id=child.initiated_event_id,
        parent_close_policy=child.initiated.parent_close_policy,
    )


def _start(parent: Run, child: Child) -> None:
    """Start the child's first run, and tell the parent before the child gets its first task."""
    initiated = child.initiated
    if not parent.is_open:
        # Not even a child that was to be abandoned starts once its parent has closed.
        return
    request = _start_request(parent, child)
    run_id = parent.cluster.ids.uuid()
    current = child.namespace.current_run(initiated.workflow_id)
    if current is not None:
        try:
            decision = starting.resolve(current, request)
        except ServiceError:
            _report_failed_start(parent, child)
            return
        if decision.terminate_existing:
            termination.replace(current, run_id)
    run = starting.create(
        parent.cluster, child.namespace, request, run_id, _as_child_of(parent, child)
    )
    if parent.is_open:  # unless it was the parent whose workflow id the child has taken
        _report_start(parent, child, run)
    starting.begin(run)
    run.commit()


def _start_request(parent: Run, child: Child) -> StartWorkflowExecutionRequest:
    initiated = child.initiated
    request = StartWorkflowExecutionRequest(
        namespace=child.namespace.name,
        workflow_id=initiated.workflow_id,
        # As the real server makes it: known before the child starts, and the same when tried again.
        request_id=f"{parent.run_id}:{child.initiated_event_id}:0",
        workflow_id_reuse_policy=initiated.workflow_id_reuse_policy,
        cron_schedule=initiated.cron_schedule,
        user_metadata=child.event.user_metadata if child.event.HasField("user_metadata") else None,
    )
    copy_set(initiated, request, *_GIVEN)
    priority = Priority()
    if parent.priority is not None:
        priority.CopyFrom(parent.priority)
    priority.MergeFrom(initiated.priority)
    if priority != Priority():
        request.priority.CopyFrom(priority)
    return request


def _as_child_of(parent: Run, child: Child) -> WorkflowExecutionStartedEventAttributes:
    """What the first event of a child says about its ancestors."""
    execution = WorkflowExecution(workflow_id=parent.workflow_id, run_id=parent.run_id)
    return WorkflowExecutionStartedEventAttributes(
        parent_workflow_namespace=parent.namespace.name,
        parent_workflow_namespace_id=parent.namespace.id,
        parent_workflow_execution=execution,
        parent_initiated_event_id=child.initiated_event_id,
        root_workflow_execution=root_execution(parent),
    )


def root_execution(run: Run) -> WorkflowExecution:
    """The run from which a run descends, itself if it has no parent."""
    if run.started.HasField("root_workflow_execution"):
        return run.started.root_workflow_execution
    return WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)


def _report_start(parent: Run, child: Child, run: Run) -> None:
    started = ChildWorkflowExecutionStartedEventAttributes(
        namespace=child.namespace.name,
        namespace_id=child.namespace.id,
        initiated_event_id=child.initiated_event_id,
        workflow_execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
        workflow_type=run.started.workflow_type,
    )
    copy_set(child.initiated, started, "header")
    parent.add(EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED, started)
    workflow_tasks.schedule_if_needed(parent)
    parent.commit()


def _report_failed_start(parent: Run, child: Child) -> None:
    parent.add(
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
        StartChildWorkflowExecutionFailedEventAttributes(
            namespace=child.namespace.name,
            namespace_id=child.namespace.id,
            workflow_id=child.initiated.workflow_id,
            workflow_type=child.initiated.workflow_type,
            cause=StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS,
            control=child.initiated.control,
            initiated_event_id=child.initiated_event_id,
        ),
    )
    workflow_tasks.schedule_if_needed(parent)
    parent.commit()


def _is_followed(end: Message) -> bool:
    """Whether the attributes of a closing event name a next run."""
    return "new_execution_run_id" in {field.name for field, _ in end.ListFields()}


def _carry_over(source: Message, target: Message, field: str) -> None:
    value = getattr(source, field)
    if not isinstance(value, Message):
        setattr(target, field, value)
    elif source.HasField(field):
        getattr(target, field).CopyFrom(value)


#: How the end of a child is told to its parent.
_END: dict[int, tuple[EventType.ValueType, Callable[..., Message]]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: (
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
        ChildWorkflowExecutionCompletedEventAttributes,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: (
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        ChildWorkflowExecutionFailedEventAttributes,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: (
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
        ChildWorkflowExecutionCanceledEventAttributes,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: (
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
        ChildWorkflowExecutionTimedOutEventAttributes,
    ),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: (
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
        ChildWorkflowExecutionTerminatedEventAttributes,
    ),
}
