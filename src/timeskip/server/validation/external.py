"""Commands that signal or cancel other runs: what is refused."""

from __future__ import annotations

from temporalio.api.command.v1 import (
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.bad_commands import CommandSettings, limit_size
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.limits import MAX_ID_LENGTH, byte_length, is_too_long

_SIGNAL = "SignalExternalWorkflowExecutionCommand"
_CANCEL = "RequestCancelExternalWorkflowExecutionCommand"


def validate_signal_external(
    attributes: SignalExternalWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    workflow_id, run_id = attributes.execution.workflow_id, attributes.execution.run_id
    named = f"SignalName={attributes.signal_name}"
    told = f"Namespace={attributes.namespace} RunId={run_id}"
    if not workflow_id:
        raise invalid_argument(f"WorkflowId is not set on {_SIGNAL}. {told} {named}")
    if is_too_long(workflow_id):
        raise invalid_argument(
            f"WorkflowId on {_SIGNAL} exceeds length limit. WorkflowId={workflow_id} "
            f"Length={byte_length(workflow_id)} Limit={MAX_ID_LENGTH} {told} {named}"
        )
    if _is_malformed(run_id):
        raise invalid_argument(
            f"Invalid RunId set on {_SIGNAL}. WorkflowId={workflow_id} {told} {named}"
        )
    if not attributes.signal_name:
        raise invalid_argument(
            f"SignalName is not set on {_SIGNAL}. WorkflowId={workflow_id} {told}"
        )
    limit_size(attributes.input.ByteSize(), f"{_SIGNAL}Attributes.Input")


def validate_cancel_external(
    attributes: RequestCancelExternalWorkflowExecutionCommandAttributes, settings: CommandSettings
) -> None:
    workflow_id, run_id, namespace = (
        attributes.workflow_id,
        attributes.run_id,
        attributes.namespace,
    )
    if not workflow_id:
        raise invalid_argument(
            f"WorkflowId is not set on {_CANCEL}. Namespace={namespace} RunId={run_id}"
        )
    if is_too_long(workflow_id):
        raise invalid_argument(
            f"WorkflowId on {_CANCEL} exceeds length limit. WorkflowId={workflow_id} "
            f"Length={byte_length(workflow_id)} Limit={MAX_ID_LENGTH} "
            f"RunId={run_id} Namespace={namespace}"
        )
    if _is_malformed(run_id):
        raise invalid_argument(
            f"Invalid RunId set on {_CANCEL}. "
            f"WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}"
        )


def _is_malformed(run_id: str) -> bool:
    return bool(run_id) and canonical_uuid(run_id) is None
