"""Changes to the options of a run that is under way."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.executions import canonical_uuid
from timeskip.server.validation.priority import validate_priority
from timeskip.server.validation.time_skipping import refuse_time_skipping
from timeskip.server.validation.versioning_override import validate_override

_OVERRIDE = "versioning_override"

#: The fields in which older clients say what the others say in the field `override`.
_OLD_OVERRIDE = ("behavior", "deployment", "pinned_version")


def validate_update_options(request: UpdateWorkflowExecutionOptionsRequest) -> None:
    """Refuse a change of options as the real server does, before it looks for the run."""
    execution = request.workflow_execution
    if not execution.workflow_id:
        raise invalid_argument("WorkflowId is not set on request.")
    if execution.run_id:
        run_id = canonical_uuid(execution.run_id)
        if run_id is None:
            raise invalid_argument("RunId is not valid UUID.")
        execution.run_id = run_id
    if not request.HasField("update_mask"):
        raise invalid_argument("UpdateMask is required")
    if not request.HasField("workflow_execution_options"):
        raise invalid_argument("WorkflowExecutionOptions is required")
    validate_mask(request.update_mask, "error parsing UpdateMask")
    validate_priority(request.workflow_execution_options.priority)
    validate_options(request.workflow_execution_options)


def validate_options(options: WorkflowExecutionOptions) -> None:
    """Refuse options that no run can have; a reset lets any priority pass."""
    refuse_time_skipping(options)
    if options.HasField("versioning_override"):
        validate_override(options.versioning_override)


def validate_mask(mask: FieldMask, told_as: str) -> None:
    """Refuse paths that lead to no field of the options."""
    for path in mask.paths:
        descriptor: Descriptor | None = WorkflowExecutionOptions.DESCRIPTOR
        for name in path.split("."):
            field = None if descriptor is None else descriptor.fields_by_name.get(name)
            if field is None:
                raise invalid_argument(
                    f'{told_as}: proto:\N{NO-BREAK SPACE}invalid path "{path}" for message '
                    f'"{WorkflowExecutionOptions.DESCRIPTOR.full_name}"'
                )
            descriptor = field.message_type


def validate_paths(paths: Sequence[str]) -> None:
    """Refuse paths that lead into options which can only be changed as a whole."""
    for path in paths:
        option, _, field = path.partition(".")
        if option == _OVERRIDE and field in _OLD_OVERRIDE:
            raise invalid_argument(
                "error applying update_options: versioning_override fields must be updated together"
            )
        if option == _OVERRIDE and field:
            raise invalid_argument(
                "error applying update_options: versioning_override doesn't support partial updates"
            )
        if option == "time_skipping_config" and field:
            raise invalid_argument(
                "error applying update_options: time_skipping_config doesn't support partial update"
            )
