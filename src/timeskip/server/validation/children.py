"""Commands that start child workflows: what is refused, and what is filled in."""

from __future__ import annotations

from temporalio.api.command.v1 import StartChildWorkflowExecutionCommandAttributes
from temporalio.api.enums.v1 import ParentClosePolicy, WorkflowIdReusePolicy
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.bad_commands import (
    BadCommand,
    CommandSettings,
    TooLargeError,
    limit_size,
)
from timeskip.server.validation.cron import validate_cron_schedule
from timeskip.server.validation.durations import cap, nanoseconds, why_invalid
from timeskip.server.validation.limits import (
    MAX_ID_LENGTH,
    MAX_MEMO_SIZE,
    byte_length,
    is_too_long,
)
from timeskip.server.validation.priority import validate_priority
from timeskip.server.validation.retry_policy import validate_retry_policy
from timeskip.server.validation.search_attributes import (
    validate_search_attribute_sizes,
    validate_search_attribute_values,
)
from timeskip.server.validation.task_queues import fill_kind, validate_user_task_queue

_COMMAND = "StartChildWorkflowExecutionCommand"
_DEFAULT_TASK_TIMEOUT = 10_000_000_000
_LONGEST_TASK_TIMEOUT = 120_000_000_000


def validate_start_child(
    attributes: StartChildWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    """Refuse the child, or fill in its task queue, timeouts and policies.

    A child is on its parent's task queue unless told otherwise, and is terminated with its parent.
    """
    _validate_names(attributes, settings)
    _validate_timing(attributes, settings)
    try:
        validate_search_attribute_values(
            attributes.search_attributes, settings.namespace, settings.search_attributes
        )
    except ServiceError as error:
        raise BadCommand(
            Cause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES, error.message
        ) from None
    if not attributes.task_queue.name:
        attributes.task_queue.name = settings.started.task_queue.name
    fill_kind(attributes.task_queue)
    try:
        validate_user_task_queue(attributes.task_queue, settings.started.task_queue.name)
    except ServiceError as error:
        raise invalid_argument(
            f"invalid TaskQueue on {_COMMAND}: {error.message}. {_told(attributes, settings)} "
            f'TaskQueue=name:"{attributes.task_queue.name}"  kind:TASK_QUEUE_KIND_NORMAL'
        ) from None
    validate_priority(attributes.priority)
    if not attributes.parent_close_policy:
        attributes.parent_close_policy = ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
    if not attributes.workflow_id_reuse_policy:
        attributes.workflow_id_reuse_policy = (
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
        )
    _complete_timeouts(attributes)
    _validate_sizes(attributes)


def _validate_names(
    attributes: StartChildWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    workflow_id, workflow_type = attributes.workflow_id, attributes.workflow_type.name
    namespace = _namespace(attributes, settings)
    if not workflow_id:
        raise invalid_argument(
            f"Required field WorkflowId is not set on {_COMMAND}. "
            f"WorkflowType={workflow_type} Namespace={namespace}"
        )
    if not workflow_type:
        raise invalid_argument(
            f"Required field WorkflowType is not set on {_COMMAND}. "
            f"WorkflowId={workflow_id} Namespace={namespace}"
        )
    if is_too_long(workflow_id):
        raise invalid_argument(
            f"WorkflowId on {_COMMAND} exceeds length limit. WorkflowId={workflow_id} "
            f"Length={byte_length(workflow_id)} Limit={MAX_ID_LENGTH} "
            f"WorkflowType={workflow_type} Namespace={namespace}"
        )
    if is_too_long(workflow_type):
        raise invalid_argument(
            f"WorkflowType on {_COMMAND} exceeds length limit. WorkflowId={workflow_id} "
            f"WorkflowType={workflow_type} Length={byte_length(workflow_type)} "
            f"Limit={MAX_ID_LENGTH} Namespace={namespace}"
        )


def _validate_timing(
    attributes: StartChildWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    for field, told_as in (
        ("workflow_execution_timeout", "WorkflowExecutionTimeout"),
        ("workflow_run_timeout", "WorkflowRunTimeout"),
        ("workflow_task_timeout", "WorkflowTaskTimeout"),
    ):
        duration = getattr(attributes, field)
        if reason := why_invalid(duration):
            raise invalid_argument(
                f"Invalid {told_as} on {_COMMAND}: {reason}. {_told(attributes, settings)}"
            )
        cap(duration)
    problem = "WorkflowRetryPolicy"
    try:
        if attributes.HasField("retry_policy"):
            validate_retry_policy(attributes.retry_policy)
        problem = "CronSchedule"
        validate_cron_schedule(attributes.cron_schedule)
    except ServiceError as error:
        raise invalid_argument(
            f"invalid {problem} on {_COMMAND}: {error.message}. {_told(attributes, settings)}"
        ) from None


def _complete_timeouts(attributes: StartChildWorkflowExecutionCommandAttributes) -> None:
    """No timeout is longer than what it is a part of."""
    run_timeout = nanoseconds(attributes.workflow_run_timeout)
    if execution_timeout := nanoseconds(attributes.workflow_execution_timeout):
        run_timeout = min(run_timeout or execution_timeout, execution_timeout)
    task_timeout = nanoseconds(attributes.workflow_task_timeout) or _DEFAULT_TASK_TIMEOUT
    task_timeout = min(task_timeout, _LONGEST_TASK_TIMEOUT)
    if run_timeout:
        task_timeout = min(task_timeout, run_timeout)
    attributes.workflow_run_timeout.FromNanoseconds(run_timeout)
    attributes.workflow_task_timeout.FromNanoseconds(task_timeout)


def _validate_sizes(attributes: StartChildWorkflowExecutionCommandAttributes) -> None:
    limit_size(attributes.input.ByteSize(), f"{_COMMAND}Attributes. Input")
    if attributes.memo.ByteSize() > MAX_MEMO_SIZE:
        raise TooLargeError(f"{_COMMAND}Attributes.Memo exceeds size limit.")
    try:
        validate_search_attribute_sizes(attributes.search_attributes)
    except ServiceError as error:
        raise TooLargeError(error.message) from None


def _namespace(
    attributes: StartChildWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> str:
    return attributes.namespace or settings.namespace


def _told(
    attributes: StartChildWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> str:
    """The child as errors name it."""
    return (
        f"WorkflowId={attributes.workflow_id} WorkflowType={attributes.workflow_type.name} "
        f"Namespace={_namespace(attributes, settings)}"
    )
