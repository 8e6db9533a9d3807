"""How many activities, children and requests to other runs a run may have open at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause

from timeskip.server.limits import Limits
from timeskip.server.validation.bad_commands import BadCommand

if TYPE_CHECKING:
    from timeskip.server.run import Run

_ACTIVITY = CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
_CHILD = CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION
_SIGNAL = CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION
_CANCEL = CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION
_NEXUS = CommandType.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION


class _Limit(NamedTuple):
    of: Callable[[Limits], int]
    cause: Cause.ValueType
    what: str

    def text(self, count: int, limit: int) -> str:
        return f"the number of {self.what}, {count}, has reached the per-workflow limit of {limit}"


class _NamespaceLimit(_Limit):
    """One that the real server tells in other words."""

    def text(self, count: int, limit: int) -> str:
        return f"workflow has reached the {self.what} limit of {limit} for this namespace"


#: By the type of the command that opens one more.
_LIMITED = {
    _ACTIVITY: _Limit(
        lambda limits: limits.pending_activities,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED,
        "pending activities",
    ),
    _CHILD: _Limit(
        lambda limits: limits.pending_children,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
        "pending child workflow executions",
    ),
    _SIGNAL: _Limit(
        lambda limits: limits.pending_signals,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_SIGNALS_LIMIT_EXCEEDED,
        "pending signals to external workflows",
    ),
    _CANCEL: _Limit(
        lambda limits: limits.pending_cancel_requests,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED,
        "pending requests to cancel external workflows",
    ),
    _NEXUS: _NamespaceLimit(
        lambda limits: limits.pending_nexus_operations,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_PENDING_NEXUS_OPERATIONS_LIMIT_EXCEEDED,
        "pending nexus operation",
    ),
}


def count_open(run: Run) -> dict[CommandType.ValueType, int]:
    """What the run has open, by the type of the command that has opened it."""
    signals = [
        event
        for event in run.external_requests.values()
        if event.event_type == EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
    ]
    return {
        _ACTIVITY: len(run.activities),
        _CHILD: len(run.children),
        _SIGNAL: len(signals),
        _CANCEL: len(run.external_requests) - len(signals),
        _NEXUS: len(run.nexus_operations),
    }


def require_room(
    run: Run, command_type: CommandType.ValueType, already_open: dict[CommandType.ValueType, int]
) -> None:
    """Raise `BadCommand` if no more may be opened of what a command of this type opens."""
    limited = _LIMITED.get(command_type)
    if limited is None:
        return
    limit = limited.of(run.cluster.limits)
    if already_open[command_type] >= limit:
        raise BadCommand(limited.cause, limited.text(already_open[command_type], limit))
