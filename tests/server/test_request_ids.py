"""Requests that are sent twice, and requests that do not say which they are."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import StartWorkflowExecutionResponse

from tests.server.hand_worker import HandWorker, event_names, start_request
from timeskip.server.errors import StatusCode


def test_start_that_is_sent_twice_starts_once() -> None:
    worker = HandWorker()
    run = worker.start(request_id="same")
    again = worker.send("StartWorkflowExecution", start_request(request_id="same")).answer
    assert isinstance(again, StartWorkflowExecutionResponse)
    assert again.run_id == run.run_id
    assert again.started


def test_start_without_a_request_id_is_the_same_as_no_other() -> None:
    worker = HandWorker()
    worker.start()
    refusal = worker.send("StartWorkflowExecution", start_request()).refusal
    assert refusal is not None
    assert refusal.code == StatusCode.ALREADY_EXISTS


def test_signal_without_a_request_id_is_the_same_as_no_other() -> None:
    worker = HandWorker()
    run = worker.start()
    worker.signal(run)
    worker.signal(run)
    assert event_names(run).count("WORKFLOW_EXECUTION_SIGNALED") == 2
