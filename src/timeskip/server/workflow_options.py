"""The options of a run that can be changed while it is under way: versioning override and priority."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, VersioningBehavior
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionOptionsUpdatedEventAttributes,
)
from temporalio.api.workflow.v1 import (
    VersioningOverride,
    WorkflowExecutionOptions,
    WorkflowExecutionVersioningInfo,
)
from temporalio.api.workflowservice.v1 import (
    UpdateWorkflowExecutionOptionsRequest,
    UpdateWorkflowExecutionOptionsResponse,
)

from timeskip.server import completion_callbacks, worker_builds
from timeskip.server.applied_events import applies
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.rpcs import rpc
from timeskip.server.set_fields import replace_field
from timeskip.server.validation.versioning_override import in_newer_words, refuse_absent
from timeskip.server.validation.workflow_options import validate_paths, validate_update_options

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: The search attribute that tells how a run is moved between versions.
_BEHAVIOR_ATTRIBUTE = "TemporalWorkflowVersioningBehavior"


@rpc("UpdateWorkflowExecutionOptions")
def update_options(
    cluster: Cluster, call: Call, request: UpdateWorkflowExecutionOptionsRequest
) -> UpdateWorkflowExecutionOptionsResponse:
    namespace = cluster.namespace(request.namespace)
    validate_update_options(request)
    run = cluster.run_of(namespace, request.workflow_execution)
    if not run.is_open:
        raise not_found("workflow execution already completed")
    options = change(run, request.workflow_execution_options, request.update_mask, request.identity)
    run.commit()
    return UpdateWorkflowExecutionOptionsResponse(workflow_execution_options=options)


def change(
    run: Run, options: WorkflowExecutionOptions, mask: FieldMask, identity: str
) -> WorkflowExecutionOptions:
    """Write the change of the options that the mask names, if it is one, and return all of them."""
    refuse_pinned(run, options.versioning_override)
    validate_paths(mask.paths)
    before = _options(run)
    after = _merged(before, options, mask.paths)
    override = in_newer_words(after.versioning_override)
    if override != before.versioning_override or after.priority != before.priority:
        has_override = override != VersioningOverride()
        write(
            run,
            WorkflowExecutionOptionsUpdatedEventAttributes(
                versioning_override=override if has_override else None,
                unset_versioning_override=not has_override,
                priority=after.priority if after.HasField("priority") else None,
                identity=identity,
            ),
        )
    return after


def write(run: Run, attributes: WorkflowExecutionOptionsUpdatedEventAttributes) -> HistoryEvent:
    event = run.add(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED, attributes)
    event.worker_may_ignore = True
    return event


def refuse_pinned(run: Run, override: VersioningOverride) -> None:
    """No run here has a version that it could stay with, nor can it be given one."""
    if override.HasField("pinned") and not override.pinned.HasField("version"):
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION,
            "must specify a specific pinned override version because workflow with id "
            f"{run.workflow_id} has behavior Unspecified and is not yet pinned to any version",
        )
    refuse_absent(override, run.task_queue)


def versioning_info(run: Run) -> WorkflowExecutionVersioningInfo | None:
    """What descriptions tell of a run's versioning; nothing if it was never touched."""
    if not run.has_versioning_info:
        return None
    info = WorkflowExecutionVersioningInfo()
    if run.versioning_override is not None:
        info.versioning_override.CopyFrom(run.versioning_override)
        # For clients that do not know the newer field.
        info.versioning_override.behavior = VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE
    return info


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED)
def _note(run: Run, event: HistoryEvent) -> None:
    updated = event.workflow_execution_options_updated_event_attributes
    if updated.attached_request_id:
        run.request_ids[updated.attached_request_id] = (event.event_type, event)
    completion_callbacks.register(run, updated.attached_completion_callbacks)
    if updated.HasField("priority"):
        # There is no way to take a priority away again.
        run.priority = updated.priority
    if updated.HasField("versioning_override"):
        _override(run, updated.versioning_override)
    elif updated.unset_versioning_override:
        run.versioning_override = None
        run.search_attributes.pop(_BEHAVIOR_ATTRIBUTE, None)
    worker_builds.show_build_ids(run)


@applies(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
def _note_first(run: Run, event: HistoryEvent) -> None:
    started = event.workflow_execution_started_event_attributes
    completion_callbacks.register(run, started.completion_callbacks)
    if started.HasField("versioning_override"):
        _override(run, started.versioning_override)


def _override(run: Run, override: VersioningOverride) -> None:
    run.has_versioning_info = True
    run.versioning_override = override
    run.search_attributes[_BEHAVIOR_ATTRIBUTE] = _keyword("AutoUpgrade")


def _options(run: Run) -> WorkflowExecutionOptions:
    return WorkflowExecutionOptions(
        versioning_override=run.versioning_override, priority=run.priority
    )


def _merged(
    before: WorkflowExecutionOptions, options: WorkflowExecutionOptions, paths: Iterable[str]
) -> WorkflowExecutionOptions:
    after = WorkflowExecutionOptions()
    after.CopyFrom(before)
    for path in paths:
        option, _, field = path.partition(".")
        if field:
            setattr(after.priority, field, getattr(options.priority, field))
        elif option in ("priority", "versioning_override"):
            replace_field(options, after, option)
    return after


def _keyword(keyword: str) -> Payload:
    """A keyword as the service itself writes it into search attributes."""
    return Payload(
        metadata={"encoding": b"json/plain", "type": b"Keyword"},
        data=json.dumps(keyword).encode(),
    )
