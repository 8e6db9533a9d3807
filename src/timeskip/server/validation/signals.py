"""Signals, alone or with the start of the workflow."""

from __future__ import annotations

from typing import Final

from temporalio.api.enums.v1 import WorkflowIdConflictPolicy
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.cron import validate_cron_schedule
from timeskip.server.validation.executions import validate_workflow_execution
from timeskip.server.validation.limits import (
    MAX_ID_LENGTH,
    byte_length,
    is_too_long,
    validate_payload_size,
)
from timeskip.server.validation.links import validate_links
from timeskip.server.validation.priority import validate_priority
from timeskip.server.validation.search_attributes import (
    SearchAttributeTypes,
    validate_search_attributes,
)
from timeskip.server.validation.starts import (
    validate_id_policies,
    validate_run_retry_policy,
    validate_start_delay,
    validate_start_sizes,
    validate_start_task_queue,
    validate_start_timeouts,
    validate_version,
    validate_workflow_id,
)
from timeskip.server.validation.time_skipping import refuse_time_skipping

_CONFLICT_FAILS: Final = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL


def validate_signal(request: SignalWorkflowExecutionRequest) -> None:
    """Refuse a signal as the real server does, before it looks for the run."""
    validate_workflow_execution(request)
    if not request.signal_name:
        raise invalid_argument("SignalName is not set on request.")
    if is_too_long(request.signal_name):
        raise invalid_argument("SignalName length exceeds limit.")
    if is_too_long(request.request_id):
        raise invalid_argument("RequestId length exceeds limit.")
    validate_links(request.links)
    validate_payload_size(request.input.ByteSize())


def validate_signal_with_start(
    request: SignalWithStartWorkflowExecutionRequest, search_attributes: SearchAttributeTypes
) -> None:
    """Refuse a signal-with-start as the real server does, once its namespace is known to exist.

    Fills in and caps what `validate_start` does. `search_attributes` are the custom ones of the
    namespace. The checks are those of a start in another order and partly in other words.
    """
    validate_cron_schedule(request.cron_schedule)
    validate_workflow_id(request.workflow_id)
    _require("signal not set", "signal name", request.signal_name)
    _require("workflow type not set", "workflow type name", request.workflow_type.name)
    validate_start_task_queue(request)
    _validate_length("Request ID", request.request_id)
    validate_start_timeouts(request)
    validate_run_retry_policy(request)
    validate_start_delay(request)
    validate_id_policies(request)
    if request.workflow_id_conflict_policy == _CONFLICT_FAILS:
        raise invalid_argument(
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL "
            "is not supported for this operation."
        )
    validate_search_attributes(request.search_attributes, request.namespace, search_attributes)
    validate_priority(request.priority)
    validate_links(request.links)
    refuse_time_skipping(request)
    validate_start_sizes(request)
    validate_payload_size(request.signal_input.ByteSize())
    validate_version(request)


def _require(if_missing: str, told_as: str, name: str) -> None:
    if not name:
        raise invalid_argument(if_missing)
    _validate_length(told_as, name)


def _validate_length(told_as: str, name: str) -> None:
    if is_too_long(name):
        raise invalid_argument(
            f"{told_as} exceeds maximum allowed length ({byte_length(name)}/{MAX_ID_LENGTH})"
        )
