"""Clients and workers whose every request is a line of the test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, TaskQueueKind
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    QueryWorkflowRequest,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

from tests.conformance.commands import seconds
from tests.server.engine_driver import EngineDriver, Sent
from timeskip.server.run import Run

QUEUE = "orders"


class HandWorker(EngineDriver):
    """An engine with the requests that tests need most; all on the queue `QUEUE`."""

    def start(self, workflow_id: str = "order", **fields: Any) -> Run:
        """Start a workflow; `fields` go into the request."""
        sent = self.send("StartWorkflowExecution", start_request(workflow_id, **fields))
        assert isinstance(sent.answer, StartWorkflowExecutionResponse)
        return self.cluster.runs[sent.answer.run_id]

    def signal(self, run: Run, name: str = "approve") -> Sent:
        return self.send(
            "SignalWorkflowExecution",
            SignalWorkflowExecutionRequest(
                namespace="default", workflow_execution=execution_of(run), signal_name=name
            ),
        )

    def query(self, run: Run) -> Sent:
        return self.send(
            "QueryWorkflow",
            QueryWorkflowRequest(
                namespace="default",
                execution=execution_of(run),
                query=WorkflowQuery(query_type="state"),
            ),
        )

    def ask_for_workflow_task(self, queue: str = QUEUE, identity: str = "worker") -> Sent:
        return self.send(
            "PollWorkflowTaskQueue",
            PollWorkflowTaskQueueRequest(
                namespace="default", task_queue=TaskQueue(name=queue), identity=identity
            ),
        )

    def workflow_task(self, queue: str = QUEUE) -> PollWorkflowTaskQueueResponse:
        """The next workflow task, which must be waiting."""
        answer = self.ask_for_workflow_task(queue).answer
        assert isinstance(answer, PollWorkflowTaskQueueResponse)
        return answer

    def complete(
        self,
        task: PollWorkflowTaskQueueResponse,
        *commands: Command,
        sticky_queue: str = "",
        sticky_timeout: float = 10,
        **fields: Any,
    ) -> Sent:
        """Answer a workflow task with these commands."""
        sticky = None
        if sticky_queue:
            sticky = StickyExecutionAttributes(
                worker_task_queue=TaskQueue(
                    name=sticky_queue,
                    kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
                    normal_name=QUEUE,
                ),
                schedule_to_start_timeout=seconds(sticky_timeout),
            )
        request = RespondWorkflowTaskCompletedRequest(
            namespace="default",
            task_token=task.task_token,
            commands=commands,
            sticky_attributes=sticky,
            **fields,
        )
        return self.send("RespondWorkflowTaskCompleted", request)

    def activity_task(self) -> PollActivityTaskQueueResponse:
        """The next activity task, which must be waiting."""
        sent = self.send(
            "PollActivityTaskQueue",
            PollActivityTaskQueueRequest(
                namespace="default", task_queue=TaskQueue(name=QUEUE), identity="worker"
            ),
        )
        assert isinstance(sent.answer, PollActivityTaskQueueResponse)
        return sent.answer

    def complete_activity(self, task: PollActivityTaskQueueResponse) -> Sent:
        return self.send(
            "RespondActivityTaskCompleted",
            RespondActivityTaskCompletedRequest(namespace="default", task_token=task.task_token),
        )


def start_request(workflow_id: str = "order", **fields: Any) -> StartWorkflowExecutionRequest:
    """A start request; `fields` may say more."""
    return StartWorkflowExecutionRequest(
        **{
            "namespace": "default",
            "workflow_id": workflow_id,
            "workflow_type": WorkflowType(name="Order"),
            "task_queue": TaskQueue(name=QUEUE),
            **fields,
        }
    )


def execution_of(run: Run) -> WorkflowExecution:
    """The run as requests name it."""
    return WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id)


def event_names(run: Run) -> list[str]:
    """The types of the run's events, such as "TIMER_FIRED"."""
    return list(_names(event.event_type for event in run.history.events))


def _names(types: Iterable[EventType.ValueType]) -> Iterable[str]:
    return (EventType.Name(each).removeprefix("EVENT_TYPE_") for each in types)
