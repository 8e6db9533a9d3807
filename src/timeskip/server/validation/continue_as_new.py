"""Commands that continue a run as a new one: what is inherited, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.api.command.v1 import ContinueAsNewWorkflowExecutionCommandAttributes
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.bad_commands import (
    BadCommand,
    CommandSettings,
    TooLargeError,
    limit_size,
)
from timeskip.server.validation.durations import cap, nanoseconds, why_invalid
from timeskip.server.validation.limits import (
    MAX_ID_LENGTH,
    MAX_MEMO_SIZE,
    byte_length,
    is_too_long,
)
from timeskip.server.validation.retry_policy import validate_retry_policy
from timeskip.server.validation.search_attributes import (
    validate_search_attribute_sizes,
    validate_search_attribute_values,
)
from timeskip.server.validation.task_queues import validate_user_task_queue

_COMMAND = "ContinueAsNewWorkflowExecutionCommand"


def validate_continue_as_new(
    attributes: ContinueAsNewWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    """Refuse the command, or fill in what the next run inherits: type, task queue and timeouts.

    Memo, search attributes, header and retry policy are not inherited: workers repeat them.
    """
    started = settings.started
    if not attributes.workflow_type.name:
        attributes.workflow_type.CopyFrom(started.workflow_type)
    name = attributes.workflow_type.name
    if is_too_long(name):
        raise invalid_argument(
            f"WorkflowType on {_COMMAND} exceeds length limit. "
            f"WorkflowType={name} Length={byte_length(name)} Limit={MAX_ID_LENGTH}"
        )
    if not attributes.task_queue.name:
        attributes.task_queue.name = started.task_queue.name
    attributes.task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
    with _told(f"error validating {_COMMAND} TaskQueue", attributes):
        validate_user_task_queue(attributes.task_queue, started.task_queue.name)
    for field, told_as in (
        ("workflow_run_timeout", "WorkflowRunTimeout"),
        ("workflow_task_timeout", "WorkflowTaskTimeout"),
        ("backoff_start_interval", "BackoffStartInterval"),
    ):
        duration = getattr(attributes, field)
        with _told(f"Invalid {told_as} on {_COMMAND}", attributes):
            if reason := why_invalid(duration):
                raise invalid_argument(reason)
        cap(duration)
    if attributes.HasField("retry_policy"):
        with _told(f"invalid WorkflowRetryPolicy on {_COMMAND}", attributes):
            validate_retry_policy(attributes.retry_policy)
    try:
        validate_search_attribute_values(
            attributes.search_attributes, settings.namespace, settings.search_attributes
        )
    except ServiceError as error:
        raise BadCommand(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES, error.message
        ) from None
    _inherit_timeouts(attributes, settings)
    _validate_sizes(attributes)


def _inherit_timeouts(
    attributes: ContinueAsNewWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    """A timeout of zero is inherited, and none is longer than what it is a part of."""
    started = settings.started
    run_timeout = nanoseconds(attributes.workflow_run_timeout) or nanoseconds(
        started.workflow_run_timeout
    )
    if execution_timeout := nanoseconds(started.workflow_execution_timeout):
        run_timeout = min(run_timeout or execution_timeout, execution_timeout)
    task_timeout = nanoseconds(attributes.workflow_task_timeout) or nanoseconds(
        started.workflow_task_timeout
    )
    if run_timeout:
        task_timeout = min(task_timeout, run_timeout)
    attributes.workflow_run_timeout.FromNanoseconds(run_timeout)
    attributes.workflow_task_timeout.FromNanoseconds(task_timeout)


def _validate_sizes(attributes: ContinueAsNewWorkflowExecutionCommandAttributes) -> None:
    limit_size(attributes.input.ByteSize(), f"{_COMMAND}Attributes. Input")
    if attributes.memo.ByteSize() > MAX_MEMO_SIZE:
        raise TooLargeError(f"{_COMMAND}Attributes. Memo exceeds size limit.")
    try:
        validate_search_attribute_sizes(attributes.search_attributes)
    except ServiceError as error:
        raise TooLargeError(error.message) from None


@contextmanager
def _told(
    problem: str, attributes: ContinueAsNewWorkflowExecutionCommandAttributes
) -> Iterator[None]:
    """Say of a refusal what of the command it is about, and which run it would have been."""
    try:
        yield
    except ServiceError as error:
        raise invalid_argument(
            f"{problem}: {error.message}. WorkflowType={attributes.workflow_type.name} "
            f'TaskQueue=name:"{attributes.task_queue.name}"  kind:TASK_QUEUE_KIND_NORMAL'
        ) from None
