"""The RPCs about one schedule."""

from __future__ import annotations

import struct
from typing import Final

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.errordetails.v1 import (
    QueryFailedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    CreateScheduleResponse,
    DeleteScheduleRequest,
    DeleteScheduleResponse,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListScheduleMatchingTimesRequest,
    ListScheduleMatchingTimesResponse,
    PatchScheduleRequest,
    PatchScheduleResponse,
    UpdateScheduleRequest,
    UpdateScheduleResponse,
)

from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.namespaces import Namespace
from timeskip.server.rpcs import rpc
from timeskip.server.schedules.descriptions import conflict_token, described
from timeskip.server.schedules.rows import WORKFLOW_ID_PREFIX
from timeskip.server.schedules.schedule import Schedule
from timeskip.server.validation.schedules import (
    validate_create,
    validate_patch,
    validate_update,
)

_MAX_MATCHING_TIMES: Final = 1000

#: What the service itself makes of the search attributes of schedules is not shown with them.
_OWN_ATTRIBUTES: Final = ("TemporalSchedulePaused", "TemporalNamespaceDivision")


@rpc("CreateSchedule")
def create_schedule(
    cluster: Cluster, call: Call, request: CreateScheduleRequest
) -> CreateScheduleResponse:
    namespace = cluster.namespace_to_start_in(request.namespace)
    validate_create(request, namespace.search_attributes)
    _require_id(request.schedule_id)
    known = namespace.schedules.get(request.schedule_id)
    if known is not None and request.request_id in known.request_ids:
        return CreateScheduleResponse(conflict_token=conflict_token(known))
    if known is not None and known.is_open:
        raise ServiceError(
            StatusCode.ALREADY_EXISTS,
            f'schedule "{request.schedule_id}" is already registered',
            WorkflowExecutionAlreadyStartedFailure(),
        )
    schedule = Schedule(cluster, namespace, request.schedule_id, request.schedule)
    schedule.request_ids.add(request.request_id)
    schedule.memo = dict(request.memo.fields)
    _set_search_attributes(schedule, request.search_attributes)
    namespace.schedules[request.schedule_id] = schedule
    token = conflict_token(schedule)
    if request.HasField("initial_patch"):
        schedule.patch(request.initial_patch)
    schedule.go_on()
    return CreateScheduleResponse(conflict_token=token)


@rpc("DescribeSchedule")
def describe_schedule(
    cluster: Cluster, call: Call, request: DescribeScheduleRequest
) -> DescribeScheduleResponse:
    schedule = _schedule(cluster.namespace(request.namespace), request.schedule_id)
    if not schedule.is_open:
        raise not_found("schedule not found")
    return described(schedule)


@rpc("ListScheduleMatchingTimes")
def list_schedule_matching_times(
    cluster: Cluster, call: Call, request: ListScheduleMatchingTimesRequest
) -> ListScheduleMatchingTimesResponse:
    """A thousand times at most. A schedule that is gone tells them too."""
    schedule = _schedule(cluster.namespace(request.namespace), request.schedule_id)
    if not (request.HasField("start_time") and request.HasField("end_time")):
        failure = Failure(
            message="missing or invalid query",
            source="GoSDK",
            application_failure_info=ApplicationFailureInfo(),
        )
        raise ServiceError(
            StatusCode.INVALID_ARGUMENT, failure.message, QueryFailedFailure(failure=failure)
        )
    response = ListScheduleMatchingTimesResponse()
    start, end = request.start_time.ToNanoseconds(), request.end_time.ToNanoseconds()
    for time in schedule.matching_times(start, end, _MAX_MATCHING_TIMES):
        response.start_time.add().FromNanoseconds(time)
    return response


@rpc("UpdateSchedule")
def update_schedule(
    cluster: Cluster, call: Call, request: UpdateScheduleRequest
) -> UpdateScheduleResponse:
    """An update that another one has overtaken is no error; nothing comes of it."""
    namespace = cluster.namespace(request.namespace)
    validate_update(request, namespace.search_attributes)
    schedule = _open_schedule(namespace, request.schedule_id)
    if _is_repeated(schedule, request.request_id):
        return UpdateScheduleResponse()
    token = request.conflict_token
    expected = struct.unpack(">q", token)[0] if len(token) == 8 else 0
    if expected in (0, schedule.conflict_token):
        schedule.update(request.schedule)
        if request.HasField("search_attributes"):
            _set_search_attributes(schedule, request.search_attributes)
    schedule.go_on()
    return UpdateScheduleResponse()


@rpc("PatchSchedule")
def patch_schedule(
    cluster: Cluster, call: Call, request: PatchScheduleRequest
) -> PatchScheduleResponse:
    namespace = cluster.namespace(request.namespace)
    validate_patch(request)
    schedule = _open_schedule(namespace, request.schedule_id)
    if not _is_repeated(schedule, request.request_id):
        schedule.patch(request.patch)
        schedule.go_on()
    return PatchScheduleResponse()


@rpc("DeleteSchedule")
def delete_schedule(
    cluster: Cluster, call: Call, request: DeleteScheduleRequest
) -> DeleteScheduleResponse:
    _open_schedule(cluster.namespace(request.namespace), request.schedule_id).delete()
    return DeleteScheduleResponse()


def _require_id(id: str) -> None:
    if not id:
        raise invalid_argument("Can't load workflow execution.  WorkflowId not set.")


def _schedule(namespace: Namespace, id: str) -> Schedule:
    _require_id(id)
    schedule = namespace.schedules.get(id)
    if schedule is None:
        raise not_found(f"workflow not found for ID: {WORKFLOW_ID_PREFIX}{id}")
    return schedule


def _open_schedule(namespace: Namespace, id: str) -> Schedule:
    schedule = _schedule(namespace, id)
    if not schedule.is_open:
        raise not_found("workflow execution already completed")
    return schedule


def _is_repeated(schedule: Schedule, request_id: str) -> bool:
    """Whether this request has come before; from now on it has."""
    repeated = bool(request_id) and request_id in schedule.request_ids
    schedule.request_ids.add(request_id)
    return repeated


def _set_search_attributes(schedule: Schedule, attributes: SearchAttributes) -> None:
    schedule.search_attributes = {
        name: payload
        for name, payload in attributes.indexed_fields.items()
        if name not in _OWN_ATTRIBUTES
    }
