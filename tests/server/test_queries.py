"""Queries that wait, and what becomes of them."""

from __future__ import annotations

from temporalio.api.enums.v1 import QueryResultType
from temporalio.api.query.v1 import WorkflowQueryResult
from temporalio.api.workflowservice.v1 import RespondQueryTaskCompletedRequest

from tests.conformance.commands import complete_workflow
from tests.server.hand_worker import QUEUE, HandWorker
from timeskip.server.errors import StatusCode

ANSWERED = WorkflowQueryResult(result_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED)


def test_query_that_a_workflow_task_answered_is_forgotten() -> None:
    worker = HandWorker()
    query = worker.query(worker.start())
    task = worker.workflow_task()
    (query_id,) = task.queries
    worker.complete(task, query_results={query_id: ANSWERED})
    assert query.answers
    assert not worker.cluster.queries_asked


def test_query_waits_for_a_task_that_never_was_and_fails_when_the_run_closes() -> None:
    worker = HandWorker()
    run = worker.start()
    query = worker.query(run)
    worker.terminate(run)
    assert query.refusal is not None
    assert query.refusal.code == StatusCode.FAILED_PRECONDITION
    assert not worker.cluster.queries_asked


def test_query_that_waits_when_the_run_closes_is_sent_alone() -> None:
    worker = HandWorker()
    run = worker.start()
    worker.complete(worker.workflow_task())
    worker.signal(run)
    query = worker.query(run)
    worker.terminate(run)
    task = worker.workflow_task()
    assert task.query.query_type == "state"
    worker.send(
        "RespondQueryTaskCompleted",
        RespondQueryTaskCompletedRequest(
            namespace="default",
            task_token=task.task_token,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED,
        ),
    )
    assert query.refusal is None
    assert query.answers


def test_query_of_a_closed_run_leaves_a_sticky_queue_that_nobody_serves() -> None:
    """Once: a sticky timeout of zero must not send it back and forth at one instant for ever."""
    worker = HandWorker()
    worker.hang_up(worker.ask_for_workflow_task("sticky"))
    run = worker.start()
    worker.complete(
        worker.workflow_task(), complete_workflow(), sticky_queue="sticky", sticky_timeout=0
    )
    worker.query(run)
    worker.jump()
    assert worker.workflow_task(QUEUE).HasField("query")
