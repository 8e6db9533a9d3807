"""A Nexus operation that is not over yet, as descriptions of its run show it."""

from __future__ import annotations

from temporalio.api.workflow.v1 import NexusOperationCancellationInfo, PendingNexusOperationInfo

from timeskip.server.nexus_cancellations import NexusCancellation
from timeskip.server.nexus_operations import NexusOperation
from timeskip.server.set_fields import copy_set


def pending_info(operation: NexusOperation) -> PendingNexusOperationInfo:
    """The operation as `DescribeWorkflowExecution` shows it."""
    scheduled = operation.scheduled
    info = PendingNexusOperationInfo(
        endpoint=scheduled.endpoint,
        service=scheduled.service,
        operation=scheduled.operation,
        operation_id=operation.token,
        operation_token=operation.token,
        scheduled_event_id=operation.scheduled_event_id,
        scheduled_time=operation.event.event_time,
        state=operation.state,
        attempt=operation.attempt,
        last_attempt_failure=operation.last_failure,
    )
    copy_set(
        scheduled,
        info,
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
    )
    if operation.last_attempt_complete_time is not None:
        info.last_attempt_complete_time.FromNanoseconds(operation.last_attempt_complete_time)
    if operation.retry_due is not None:
        info.next_attempt_schedule_time.FromNanoseconds(operation.retry_due.when)
    if operation.cancellation is not None:
        info.cancellation_info.CopyFrom(_cancellation_info(operation.cancellation))
    return info


def _cancellation_info(cancellation: NexusCancellation) -> NexusOperationCancellationInfo:
    info = NexusOperationCancellationInfo(
        state=cancellation.state,
        attempt=cancellation.attempt,
        last_attempt_failure=cancellation.last_failure,
    )
    if cancellation.requested_time is not None:
        info.requested_time.FromNanoseconds(cancellation.requested_time)
    if cancellation.last_attempt_complete_time is not None:
        info.last_attempt_complete_time.FromNanoseconds(cancellation.last_attempt_complete_time)
    if cancellation.retry_due is not None:
        info.next_attempt_schedule_time.FromNanoseconds(cancellation.retry_due.when)
    return info
