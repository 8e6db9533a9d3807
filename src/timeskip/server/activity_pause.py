"""Pausing activities: no attempt begins and no timeout fires until they are unpaused.

An attempt that is running learns of it in the answer to its next heartbeat, and may go on.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PauseActivityResponse,
    UnpauseActivityRequest,
    UnpauseActivityResponse,
)

from timeskip.clock import Nanoseconds
from timeskip.server import activities, pause_attribute
from timeskip.server.activities import Activity
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.named_activities import named_activities, open_run
from timeskip.server.pauses import Pause
from timeskip.server.rpcs import rpc
from timeskip.server.validation.durations import nanoseconds


@rpc("PauseActivity")
def pause_activity(
    cluster: Cluster, call: Call, request: PauseActivityRequest
) -> PauseActivityResponse:
    run = open_run(cluster, request)
    pause = Pause(cluster.clock.now(), request.identity, request.reason, request.request_id)
    named = named_activities(run, request)
    for activity in named:
        if activity.pause is not None and activity.pause.request_id != pause.request_id:
            raise ServiceError(StatusCode.FAILED_PRECONDITION, "activity is already paused")
    for activity in named:
        if activity.pause is None:
            _pause(activity, pause)
    pause_attribute.refresh(run)
    run.commit()
    return PauseActivityResponse()


@rpc("UnpauseActivity")
def unpause_activity(
    cluster: Cluster, call: Call, request: UnpauseActivityRequest
) -> UnpauseActivityResponse:
    run = open_run(cluster, request)
    for activity in named_activities(run, request):
        if activity.pause is not None:
            _unpause(activity, request)
    pause_attribute.refresh(run)
    run.commit()
    return UnpauseActivityResponse()


def jittered(cluster: Cluster, jitter: Duration) -> Nanoseconds:
    """Some instant between now and the end of the jitter."""
    longest = nanoseconds(jitter)
    return cluster.clock.now() + (cluster.ids.random.randrange(longest) if longest > 0 else 0)


def _pause(activity: Activity, pause: Pause) -> None:
    activity.pause = pause
    activity.withdraw()
    activity.stop_timeouts()


def _unpause(activity: Activity, request: UnpauseActivityRequest) -> None:
    activity.pause = None
    if request.reset_attempts:
        activities.start_over(activity)
    if request.reset_heartbeat:
        activity.heartbeat_details = activity.heartbeat_time = None
    if activity.is_started:
        activity.restart_timeouts()
    else:
        activities.offer_anew(activity, jittered(activity.run.cluster, request.jitter))
