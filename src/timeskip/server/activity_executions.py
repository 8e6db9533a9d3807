"""The RPCs that name an activity of a run or a standalone one; of the latter there are none yet.

The real server knows an activity of a run by the older RPCs as well, and does the same then.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseActivityExecutionRequest,
    PauseActivityExecutionResponse,
    PauseActivityRequest,
    ResetActivityExecutionRequest,
    ResetActivityExecutionResponse,
    ResetActivityRequest,
    UnpauseActivityExecutionRequest,
    UnpauseActivityExecutionResponse,
    UnpauseActivityRequest,
    UpdateActivityExecutionOptionsRequest,
    UpdateActivityExecutionOptionsResponse,
    UpdateActivityOptionsRequest,
    UpdateActivityOptionsResponse,
)

from timeskip.server.activity_options import PATHS, snake_case, update_activity_options
from timeskip.server.activity_pause import pause_activity, unpause_activity
from timeskip.server.activity_reset import reset_activity
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.rpcs import rpc
from timeskip.server.set_fields import copy_set
from timeskip.server.validation.activity_executions import (
    ActivityExecutionOperation,
    refuse_standalone,
    validate_activity_execution_operation,
    validate_changed_options,
)

Older = TypeVar(
    "Older",
    PauseActivityRequest,
    UnpauseActivityRequest,
    ResetActivityRequest,
    UpdateActivityOptionsRequest,
)


@rpc("PauseActivityExecution")
def pause_activity_execution(
    cluster: Cluster, call: Call, request: PauseActivityExecutionRequest
) -> PauseActivityExecutionResponse:
    _validate(cluster, request)
    asked = _older(PauseActivityRequest, request)
    asked.reason = request.reason
    asked.request_id = request.request_id or cluster.ids.uuid()
    pause_activity(cluster, call, asked)
    return PauseActivityExecutionResponse()


@rpc("UnpauseActivityExecution")
def unpause_activity_execution(
    cluster: Cluster, call: Call, request: UnpauseActivityExecutionRequest
) -> UnpauseActivityExecutionResponse:
    _validate(cluster, request)
    asked = _older(UnpauseActivityRequest, request)
    copy_set(request, asked, "jitter")
    unpause_activity(cluster, call, asked)
    return UnpauseActivityExecutionResponse()


@rpc("ResetActivityExecution")
def reset_activity_execution(
    cluster: Cluster, call: Call, request: ResetActivityExecutionRequest
) -> ResetActivityExecutionResponse:
    _validate(cluster, request)
    asked = _older(ResetActivityRequest, request)
    asked.keep_paused = request.keep_paused
    asked.reset_heartbeat = request.reset_heartbeat
    asked.restore_original_options = request.restore_original_options
    copy_set(request, asked, "jitter")
    reset_activity(cluster, call, asked)
    return ResetActivityExecutionResponse()


@rpc("UpdateActivityExecutionOptions")
def update_activity_execution_options(
    cluster: Cluster, call: Call, request: UpdateActivityExecutionOptionsRequest
) -> UpdateActivityExecutionOptionsResponse:
    _validate(cluster, request)
    asked = _older(UpdateActivityOptionsRequest, request)
    asked.restore_original = request.restore_original
    copy_set(request, asked, "activity_options", "update_mask")
    answer = update_activity_options(cluster, call, asked)
    assert isinstance(answer, UpdateActivityOptionsResponse)
    return UpdateActivityExecutionOptionsResponse(activity_options=answer.activity_options)


def _older(kind: type[Older], request: ActivityExecutionOperation) -> Older:
    """The request of the older RPC, of what all of them have in common."""
    return kind(
        namespace=request.namespace,
        execution=WorkflowExecution(workflow_id=request.workflow_id, run_id=request.run_id),
        identity=request.identity,
        id=request.activity_id,
    )


def _validate(cluster: Cluster, request: ActivityExecutionOperation) -> None:
    cluster.namespace(request.namespace)
    validate_activity_execution_operation(request)
    if isinstance(request, UpdateActivityExecutionOptionsRequest):
        paths = [snake_case(path) for path in request.update_mask.paths]
        validate_changed_options(request, paths, PATHS)
    refuse_standalone(request)
