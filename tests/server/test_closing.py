"""The end of a service: nobody waits for an answer for ever."""

from __future__ import annotations

from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

from tests.server.hand_worker import HandWorker, execution_of
from timeskip.server.errors import ServiceError, StatusCode

ENDED = ServiceError(StatusCode.UNAVAILABLE, "the server has stopped")


def test_closing_answers_every_open_call() -> None:
    worker = HandWorker()
    run = worker.start()
    worker.complete(worker.workflow_task())
    long_poll = worker.send(
        "GetWorkflowExecutionHistory",
        GetWorkflowExecutionHistoryRequest(
            namespace="default",
            execution=execution_of(run),
            wait_new_event=True,
            history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        ),
    )
    query = worker.query(run)
    poll = worker.ask_for_workflow_task("another queue")
    worker.service.close(ENDED)
    assert [sent.refusal for sent in (long_poll, query, poll)] == [ENDED] * 3
    assert not worker.cluster.time_waits
    assert not worker.cluster.query_tasks


def test_closed_service_refuses_what_still_comes() -> None:
    worker = HandWorker()
    worker.service.close(ENDED)
    assert worker.ask_for_workflow_task().refusal is ENDED


def test_closing_twice_keeps_the_first_reason() -> None:
    worker = HandWorker()
    worker.service.close(ENDED)
    worker.service.close(ServiceError(StatusCode.INTERNAL, "again"))
    assert worker.ask_for_workflow_task().refusal is ENDED
