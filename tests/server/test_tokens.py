"""Tokens: what was given out can be read, nothing else can, and nothing else does harm."""

from __future__ import annotations

import pytest

from tests.conformance.commands import schedule_activity
from tests.server.engine_requests import GARBAGE_TOKENS
from tests.server.hand_worker import QUEUE, HandWorker
from timeskip.server import tokens
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.tokens import TaskToken

WELL_FORMED = [token for token in GARBAGE_TOKENS if token.startswith((b'["task","', b'["query"'))]


def test_workflow_task_token_names_one_attempt() -> None:
    worker = HandWorker()
    run = worker.start()
    token = tokens.parse_task(worker.workflow_task().task_token)
    assert token == TaskToken("default", "order", run.run_id, 2, 3, 1, run.start_time)


def test_activity_token_has_no_started_event() -> None:
    worker = HandWorker()
    run = worker.start()
    activity = schedule_activity("charge", task_queue=QUEUE, start_to_close=5)
    worker.complete(worker.workflow_task(), activity)
    token = tokens.parse_task(worker.activity_task().task_token)
    assert token == TaskToken("default", "order", run.run_id, 5, 0, 1, run.start_time)


@pytest.mark.parametrize(
    "token", [token for token in GARBAGE_TOKENS if token not in WELL_FORMED], ids=len
)
def test_garbage_is_no_token(token: bytes) -> None:
    for parse in (tokens.parse_task, tokens.parse_query_task):
        with pytest.raises(ServiceError) as refused:
            parse(token)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT


def test_page_token_keeps_its_parts() -> None:
    assert tokens.parse_page(tokens.page("run", 7), (str, int)) == ("run", 7)


def test_page_token_of_another_listing_is_refused() -> None:
    with pytest.raises(ServiceError, match="Invalid NextPageToken"):
        tokens.parse_page(tokens.page("run", 7), (str, int, int))
