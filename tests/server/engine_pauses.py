"""Moves of people who pause runs and activities, reset activities and change their options."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
    ResetActivityRequest,
    UnpauseActivityRequest,
    UnpauseWorkflowExecutionRequest,
    UpdateActivityOptionsRequest,
)

from tests.server.engine_episode import Episode, execution_of, move
from tests.server.engine_requests import ACTIVITY_IDS

_PATHS = (
    "task_queue.name",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "retry_policy",
    "retry_policy.maximum_attempts",
    "nonsense",
)


@move(3)
def pause_run(episode: Episode) -> None:
    request = PauseWorkflowExecutionRequest(**_whose(episode), reason="an audit")
    episode.send("PauseWorkflowExecution", request)


@move(4)
def unpause_run(episode: Episode) -> None:
    episode.send("UnpauseWorkflowExecution", UnpauseWorkflowExecutionRequest(**_whose(episode)))


@move(3)
def pause_activity(episode: Episode) -> None:
    episode.send("PauseActivity", PauseActivityRequest(**_which(episode), reason="an audit"))


@move(4)
def unpause_activity(episode: Episode) -> None:
    make = episode.make
    request = UnpauseActivityRequest(
        **_which(episode),
        reset_attempts=make.sometimes(0.3),
        reset_heartbeat=make.sometimes(0.3),
        jitter=_jitter(episode),
    )
    episode.send("UnpauseActivity", request)


@move(3)
def reset_activity(episode: Episode) -> None:
    make = episode.make
    request = ResetActivityRequest(
        **_which(episode),
        keep_paused=make.sometimes(0.5),
        reset_heartbeat=make.sometimes(0.5),
        restore_original_options=make.sometimes(0.3),
        jitter=_jitter(episode),
    )
    episode.send("ResetActivity", request)


@move(2)
def change_activity(episode: Episode) -> None:
    make = episode.make
    if make.sometimes(0.3):
        request = UpdateActivityOptionsRequest(**_which(episode), restore_original=True)
    else:
        options = ActivityOptions(
            task_queue=make.task_queue(),
            schedule_to_close_timeout=_timeout(episode),
            schedule_to_start_timeout=_timeout(episode),
            start_to_close_timeout=_timeout(episode),
            heartbeat_timeout=_timeout(episode),
            retry_policy=RetryPolicy(maximum_attempts=make.one_of((-1, 0, 1, 3))),
        )
        mask = FieldMask(paths=[make.one_of(_PATHS) for _ in range(2)])
        request = UpdateActivityOptionsRequest(
            **_which(episode), activity_options=options, update_mask=mask
        )
    episode.send("UpdateActivityOptions", request)


def _whose(episode: Episode) -> dict[str, Any]:
    """A run, mostly one that there is."""
    execution = episode.execution()
    return {
        "namespace": "default",
        "workflow_id": execution.workflow_id,
        "run_id": execution.run_id,
        "request_id": episode.make.request_id(),
    }


def _which(episode: Episode) -> dict[str, Any]:
    """An activity, mostly one that is pending."""
    make = episode.make
    pending = [run for run in episode.driver.runs if run.is_open and run.activities]
    if pending and make.sometimes(0.8):
        run = make.one_of(pending)
        activity = make.one_of(list(run.activities.values()))
        by = {"id": activity.activity_id}
        if make.sometimes(0.2):
            by = {"type": activity.scheduled.activity_type.name}
        return {"namespace": run.namespace.name, "execution": execution_of(run), **by}
    by = {"id": make.one_of(ACTIVITY_IDS)}
    return {"namespace": "default", "execution": episode.execution(), **by}


def _timeout(episode: Episode) -> Duration:
    return Duration(seconds=episode.make.one_of((-1, 0, 1, 30)))


def _jitter(episode: Episode) -> Duration | None:
    return Duration(seconds=2) if episode.make.sometimes(0.3) else None
