"""What workers and other programs report of activities: by task token, or by activity id."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledByIdResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedByIdResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedByIdResponse,
    RespondActivityTaskFailedRequest,
    RespondActivityTaskFailedResponse,
)

from timeskip.server import activities, history_limits, tokens
from timeskip.server.activities import Activity
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.rpcs import rpc
from timeskip.server.task_answers import read_token, run_of_token
from timeskip.server.validation.activity_answers import (
    validate_activity_answer,
    validate_activity_answer_by_id,
)
from timeskip.server.validation.failure_size import fitting_failure, server_failure
from timeskip.server.validation.limits import MAX_PAYLOAD_SIZE

ByToken = (
    RecordActivityTaskHeartbeatRequest
    | RespondActivityTaskCanceledRequest
    | RespondActivityTaskCompletedRequest
    | RespondActivityTaskFailedRequest
)
ById = (
    RecordActivityTaskHeartbeatByIdRequest
    | RespondActivityTaskCanceledByIdRequest
    | RespondActivityTaskCompletedByIdRequest
    | RespondActivityTaskFailedByIdRequest
)

_HEARTBEAT_TOO_LARGE = "Heartbeat details exceed size limit."
_RESULT_TOO_LARGE = "Complete result exceeds size limit."
_CANCEL_DETAILS_TOO_LARGE = "Cancel details exceed size limit."
_NOT_FOUND = "invalid activityID or activity already timed out or invoking workflow is completed"


@rpc("RecordActivityTaskHeartbeat")
def heartbeat(
    cluster: Cluster, call: Call, request: RecordActivityTaskHeartbeatRequest
) -> RecordActivityTaskHeartbeatResponse:
    activity = _by_token(cluster, request)
    if _fails_for_size(activity, request.details, _HEARTBEAT_TOO_LARGE, request.identity):
        return RecordActivityTaskHeartbeatResponse(cancel_requested=True)
    activities.heartbeat(activity, _details(request))
    history_limits.enforce_on_state(activity.run)
    return RecordActivityTaskHeartbeatResponse(
        cancel_requested=activity.cancel_requested,
        activity_paused=activity.pause is not None,
        activity_reset=activity.reset,
    )


@rpc("RecordActivityTaskHeartbeatById")
def heartbeat_by_id(
    cluster: Cluster, call: Call, request: RecordActivityTaskHeartbeatByIdRequest
) -> RecordActivityTaskHeartbeatByIdResponse:
    activity = _by_id(cluster, request)
    if _fails_for_size(activity, request.details, _HEARTBEAT_TOO_LARGE, request.identity):
        return RecordActivityTaskHeartbeatByIdResponse(cancel_requested=True)
    activities.heartbeat(activity, _details(request))
    history_limits.enforce_on_state(activity.run)
    return RecordActivityTaskHeartbeatByIdResponse(
        cancel_requested=activity.cancel_requested,
        activity_paused=activity.pause is not None,
        activity_reset=activity.reset,
    )


@rpc("RespondActivityTaskCompleted")
def completed(
    cluster: Cluster, call: Call, request: RespondActivityTaskCompletedRequest
) -> RespondActivityTaskCompletedResponse:
    with _last_word(cluster, request) as activity:
        _complete(activity, request)
    return RespondActivityTaskCompletedResponse()


@rpc("RespondActivityTaskCompletedById")
def completed_by_id(
    cluster: Cluster, call: Call, request: RespondActivityTaskCompletedByIdRequest
) -> RespondActivityTaskCompletedByIdResponse:
    activity = _named(cluster, request)
    if not activity.is_started:
        activities.start(activity, "", request.identity)
    _complete(activity, request)
    return RespondActivityTaskCompletedByIdResponse()


@rpc("RespondActivityTaskFailed")
def failed(
    cluster: Cluster, call: Call, request: RespondActivityTaskFailedRequest
) -> RespondActivityTaskFailedResponse:
    with _last_word(cluster, request) as activity:
        return RespondActivityTaskFailedResponse(failures=_fail(activity, request))


@rpc("RespondActivityTaskFailedById")
def failed_by_id(
    cluster: Cluster, call: Call, request: RespondActivityTaskFailedByIdRequest
) -> RespondActivityTaskFailedByIdResponse:
    activity = _by_id(cluster, request)
    return RespondActivityTaskFailedByIdResponse(failures=_fail(activity, request))


@rpc("RespondActivityTaskCanceled")
def canceled(
    cluster: Cluster, call: Call, request: RespondActivityTaskCanceledRequest
) -> RespondActivityTaskCanceledResponse:
    with _last_word(cluster, request) as activity:
        _cancel(activity, request)
    return RespondActivityTaskCanceledResponse()


@rpc("RespondActivityTaskCanceledById")
def canceled_by_id(
    cluster: Cluster, call: Call, request: RespondActivityTaskCanceledByIdRequest
) -> RespondActivityTaskCanceledByIdResponse:
    _cancel(_by_id(cluster, request), request)
    return RespondActivityTaskCanceledByIdResponse()


def _complete(
    activity: Activity,
    request: RespondActivityTaskCompletedRequest | RespondActivityTaskCompletedByIdRequest,
) -> None:
    if not _fails_for_size(activity, request.result, _RESULT_TOO_LARGE, request.identity):
        result = request.result if request.HasField("result") else None
        activities.complete(activity, result, request.identity)


def _fail(
    activity: Activity,
    request: RespondActivityTaskFailedRequest | RespondActivityTaskFailedByIdRequest,
) -> list[Failure]:
    """Fail the attempt; what was too large to be kept as it is is returned."""
    too_large = []
    if request.last_heartbeat_details.ByteSize() > MAX_PAYLOAD_SIZE:
        too_large.append(server_failure(_HEARTBEAT_TOO_LARGE))
    elif request.HasField("last_heartbeat_details"):
        activity.heartbeat_details = request.last_heartbeat_details
        activity.heartbeat_time = activity.run.cluster.clock.now()
        history_limits.enforce_on_state(activity.run)
    reported = request.failure
    failure = fitting_failure(reported)
    if failure is not reported:
        too_large.append(failure)
    activities.fail(activity, failure, request.identity)
    return too_large


def _cancel(
    activity: Activity,
    request: RespondActivityTaskCanceledRequest | RespondActivityTaskCanceledByIdRequest,
) -> None:
    if _fails_for_size(activity, request.details, _CANCEL_DETAILS_TOO_LARGE, request.identity):
        return
    if not activity.cancel_requested:
        raise invalid_argument(
            "unable to mark activity as canceled without activity being request canceled first"
        )
    activities.cancel(activity, _details(request), request.identity)


def _fails_for_size(activity: Activity, reported: Payloads, message: str, identity: str) -> bool:
    """Fail the activity for good if its worker reports more than a history may hold."""
    if reported.ByteSize() <= MAX_PAYLOAD_SIZE:
        return False
    activities.fail(activity, server_failure(message), identity)
    return True


def _details(
    request: RecordActivityTaskHeartbeatRequest
    | RecordActivityTaskHeartbeatByIdRequest
    | RespondActivityTaskCanceledRequest
    | RespondActivityTaskCanceledByIdRequest,
) -> Payloads | None:
    return request.details if request.HasField("details") else None


def _by_token(cluster: Cluster, request: ByToken) -> Activity:
    """The attempt that a worker's token names, if the worker still has it."""
    token = read_token(cluster, request, tokens.parse_task)
    validate_activity_answer(request)
    run = run_of_token(cluster, token)
    if not run.is_open:
        raise not_found("workflow execution already completed")
    activity = run.activities.get(token.scheduled_event_id)
    if activity is None or activity.token != request.task_token:
        raise _gone()
    if isinstance(
        request, RespondActivityTaskCompletedRequest | RespondActivityTaskFailedRequest
    ) and request.HasField("worker_version"):
        activity.worker_version = request.worker_version
    return activity


@contextlib.contextmanager
def _last_word(cluster: Cluster, request: ByToken) -> Iterator[Activity]:
    """The attempt that a worker ends. If the end is refused the worker says nothing more of it."""
    try:
        yield _by_token(cluster, request)
    except ServiceError:
        activity = cluster.started_activities.get(request.task_token)
        if activity is not None:
            activity.is_deserted = True
        raise


def _by_id(cluster: Cluster, request: ById) -> Activity:
    """The running attempt of an activity that is named by its id."""
    activity = _named(cluster, request)
    if not activity.is_started:
        raise _gone()
    return activity


def _named(cluster: Cluster, request: ById) -> Activity:
    """The activity that is named by its id, running or not."""
    namespace = cluster.namespace(request.namespace)
    validate_activity_answer_by_id(request)
    run = cluster.run_of(
        namespace, WorkflowExecution(workflow_id=request.workflow_id, run_id=request.run_id)
    )
    if not run.is_open:
        raise not_found("workflow execution already completed")
    for activity in run.activities.values():
        if activity.activity_id == request.activity_id:
            return activity
    raise not_found(
        f"cannot find pending activity with ActivityID {request.activity_id}, "
        "check workflow execution history for more details"
    )


def _gone() -> ServiceError:
    return not_found(_NOT_FOUND)
