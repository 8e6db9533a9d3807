"""Local activities that timed out, of which the SDK's core tells otherwise in a replay.

The worker that ran the activity was told of an `ActivityError` with a `TimeoutError` as its cause. The
marker in the history has the cause alone, and that is what the core tells in a replay. So it refuses
what a workflow of its own has recorded that lets only the one be raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivation

from timeskip.lanes.direct import local_activity_markers
from timeskip.lanes.direct.local_activity_results import around_timeout, is_timeout_of_core

#: By the workflow's number of the activity, what its workflow was told at first.
Timeouts = Mapping[int, Failure]

AS_THE_CORE_TELLS: Timeouts = {}


def timeouts_of(events: Iterable[HistoryEvent]) -> Timeouts:
    """Those that a history has recorded."""
    found: dict[int, Failure] = {}
    for event in events:
        failure = event.marker_recorded_event_attributes.failure
        if is_timeout_of_core(failure) and local_activity_markers.is_marker(event):
            marker = local_activity_markers.read(event)
            found[marker.seq] = around_timeout(marker.activity_type, marker.activity_id, failure)
    return found


def tell_as_at_first(activation: WorkflowActivation, timeouts: Timeouts) -> None:
    """Have an activation tell of timeouts what the worker was told that ran the activities."""
    for job in activation.jobs:
        end = job.resolve_activity
        if end.is_local and end.result.failed.failure.HasField("timeout_failure_info"):
            failure = timeouts.get(end.seq)
            if failure is not None:
                end.result.failed.failure.CopyFrom(failure)
