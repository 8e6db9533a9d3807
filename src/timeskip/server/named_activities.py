"""The activities that an operator's request is about."""

from __future__ import annotations

from timeskip.server.activities import Activity
from timeskip.server.cluster import Cluster, not_found
from timeskip.server.run import Run
from timeskip.server.validation.activity_operations import (
    ActivityOperation,
    validate_activity_operation,
)


def open_run(cluster: Cluster, request: ActivityOperation) -> Run:
    """The run that a request names, or the errors that the real server gives."""
    namespace = cluster.namespace(request.namespace)
    validate_activity_operation(request)
    run = cluster.run_of(namespace, request.execution)
    if not run.is_open:
        raise not_found("workflow execution already completed")
    return run


def named_activities(run: Run, request: ActivityOperation) -> list[Activity]:
    """Those that a request names by their id or their type, or all. NOT_FOUND if there are none."""
    named = [activity for activity in run.activities.values() if _is_named(activity, request)]
    if not named:
        raise not_found(
            "Can't find pending activity with such ID. "
            "Invalid activityID or activity already completed"
        )
    return named


def _is_named(activity: Activity, request: ActivityOperation) -> bool:
    by = request.WhichOneof("activity")
    if by == "id":
        return activity.activity_id == request.id
    if by == "type":
        return activity.scheduled.activity_type.name == request.type
    return True
