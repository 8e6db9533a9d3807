"""Resetting activities: they begin again with their first attempt.

An attempt that is running learns of it in the answer to its next heartbeat. If it is the first one
its result still counts; what the worker of a later one reports is refused, and it times out.
"""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import ResetActivityRequest, ResetActivityResponse

from timeskip.server import activities, activity_options, pause_attribute
from timeskip.server.activities import Activity
from timeskip.server.activity_pause import jittered
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.named_activities import named_activities, open_run
from timeskip.server.rpcs import rpc


@rpc("ResetActivity")
def reset_activity(
    cluster: Cluster, call: Call, request: ResetActivityRequest
) -> ResetActivityResponse:
    run = open_run(cluster, request)
    for activity in named_activities(run, request):
        _reset(activity, request)
    pause_attribute.refresh(run)
    run.commit()
    return ResetActivityResponse()


def _reset(activity: Activity, request: ResetActivityRequest) -> None:
    activities.start_over(activity)
    activity.reset = True
    activity.reset_heartbeats |= request.reset_heartbeat
    if request.restore_original_options:
        activity_options.restore(activity, but_for_priority=True)
    if not request.keep_paused:
        activity.pause = None
    if activity.is_started:
        activity.restart_timeouts()
    elif activity.pause is None:
        activities.offer_anew(activity, jittered(activity.run.cluster, request.jitter))
