"""Activities that a worker gets in the answer to the workflow task that schedules them."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedResponse

from tests.conformance.commands import (
    complete_workflow,
    request_cancel_activity,
    schedule_activity,
)
from tests.server.engine_driver import Sent
from tests.server.hand_worker import QUEUE, HandWorker

EAGER = schedule_activity(
    "charge", task_queue=QUEUE, start_to_close=5, request_eager_execution=True
)


def given(sent: Sent) -> list[str]:
    assert isinstance(sent.answer, RespondWorkflowTaskCompletedResponse)
    return [task.activity_id for task in sent.answer.activity_tasks]


def test_eager_activity_comes_with_the_answer() -> None:
    worker = HandWorker()
    worker.start()
    assert given(worker.complete(worker.workflow_task(), EAGER)) == ["charge"]


def test_eager_activity_of_a_run_that_closes_at_once_is_not_started() -> None:
    worker = HandWorker()
    worker.start()
    assert not given(worker.complete(worker.workflow_task(), EAGER, complete_workflow()))
    assert not worker.cluster.started_activities


def test_eager_activity_that_is_cancelled_at_once_is_not_started() -> None:
    worker = HandWorker()
    worker.start()
    cancelled = worker.complete(worker.workflow_task(), EAGER, request_cancel_activity(5))
    assert not given(cancelled)
    assert not worker.cluster.started_activities
