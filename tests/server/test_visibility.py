"""Listing runs in virtual time, where many things happen at one instant."""

from __future__ import annotations

from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)

from tests.server.engine_driver import EngineDriver

NAMES = [f"run-{number}" for number in range(5)]


def start_all(driver: EngineDriver) -> None:
    for name in NAMES:
        driver.send(
            "StartWorkflowExecution",
            StartWorkflowExecutionRequest(
                namespace="default",
                workflow_id=name,
                workflow_type=WorkflowType(name="Order"),
                task_queue=TaskQueue(name="queue"),
                request_id=name,
            ),
        )


def terminate(driver: EngineDriver, name: str) -> None:
    driver.send(
        "TerminateWorkflowExecution",
        TerminateWorkflowExecutionRequest(
            namespace="default", workflow_execution=WorkflowExecution(workflow_id=name)
        ),
    )


def listed(driver: EngineDriver, page_size: int = 0) -> list[str]:
    names: list[str] = []
    token = b""
    while True:
        page = driver.send(
            "ListWorkflowExecutions",
            ListWorkflowExecutionsRequest(
                namespace="default", page_size=page_size, next_page_token=token
            ),
        ).answer
        assert isinstance(page, ListWorkflowExecutionsResponse)
        names += [info.execution.workflow_id for info in page.executions]
        token = page.next_page_token
        if not token:
            return names


def test_runs_started_at_one_instant_are_listed_newest_first() -> None:
    driver = EngineDriver()
    start_all(driver)
    assert listed(driver) == NAMES[::-1]


def test_runs_closed_at_one_instant_are_listed_last_closed_first() -> None:
    driver = EngineDriver()
    start_all(driver)
    for name in ("run-3", "run-1", "run-4"):
        terminate(driver, name)
    assert listed(driver) == ["run-2", "run-0", "run-4", "run-1", "run-3"]


def test_pages_of_one_instant_leave_nothing_out() -> None:
    driver = EngineDriver()
    start_all(driver)
    terminate(driver, "run-2")
    terminate(driver, "run-0")
    whole = listed(driver)
    assert all(listed(driver, page_size) == whole for page_size in (1, 2, 3, 4))


def test_a_list_shows_what_changed_since_the_one_before() -> None:
    driver = EngineDriver()
    start_all(driver)
    assert listed(driver)[0] == "run-4"
    terminate(driver, "run-4")
    assert listed(driver) == ["run-3", "run-2", "run-1", "run-0", "run-4"]
