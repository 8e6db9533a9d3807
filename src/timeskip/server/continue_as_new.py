"""Runs that continue as new: the command, and the run that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.command.v1 import ContinueAsNewWorkflowExecutionCommandAttributes
from temporalio.api.enums.v1 import ContinueAsNewInitiator, EventType
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionContinuedAsNewEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)

from timeskip.server import next_runs
from timeskip.server.set_fields import copy_set

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: What the command tells the close event and the next run in the same words.
_TOLD = (
    "workflow_type",
    "task_queue",
    "workflow_run_timeout",
    "workflow_task_timeout",
    "input",
    "header",
    "memo",
    "search_attributes",
    "last_completion_result",
)

#: What every run of a chain has in common.
_OF_THE_CHAIN = (
    "workflow_execution_timeout",
    "parent_workflow_execution",
    "root_workflow_execution",
)


def continue_as_new(
    run: Run, attributes: ContinueAsNewWorkflowExecutionCommandAttributes, completed_id: int
) -> HistoryEvent:
    """Close the run and start the next one; the command's attributes are complete already."""
    new_run_id = run.cluster.ids.uuid()
    continued = WorkflowExecutionContinuedAsNewEventAttributes(
        new_execution_run_id=new_run_id,
        workflow_task_completed_event_id=completed_id,
        initiator=attributes.initiator,
        inherit_build_id=attributes.inherit_build_id,
    )
    copy_set(attributes, continued, *_TOLD, "backoff_start_interval", "failure")
    event = run.close(
        Status.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        continued,
    )
    next_runs.follow(run, new_run_id, _started(run, attributes))
    return event


def _started(
    run: Run, attributes: ContinueAsNewWorkflowExecutionCommandAttributes
) -> WorkflowExecutionStartedEventAttributes:
    """What the first event of the next run says, but for what all next runs have in common."""
    before = run.started
    started = WorkflowExecutionStartedEventAttributes(
        workflow_id=run.workflow_id,
        first_execution_run_id=before.first_execution_run_id,
        parent_workflow_namespace=before.parent_workflow_namespace,
        parent_workflow_namespace_id=before.parent_workflow_namespace_id,
        parent_initiated_event_id=before.parent_initiated_event_id,
        initiator=attributes.initiator or ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
        attempt=1,
        cron_schedule=attributes.cron_schedule,
    )
    copy_set(attributes, started, *_TOLD, "retry_policy")
    if attributes.HasField("failure"):
        started.continued_failure.CopyFrom(attributes.failure)
    copy_set(before, started, *_OF_THE_CHAIN)
    if run.priority is not None:
        started.priority.CopyFrom(run.priority)
    backoff = next_runs.shortest_backoff(run, attributes.backoff_start_interval.ToNanoseconds())
    if backoff or attributes.HasField("backoff_start_interval"):
        started.first_workflow_task_backoff.FromNanoseconds(backoff)
    return started
