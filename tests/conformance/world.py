"""What a scenario sees of the server under test, and what it notes down about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from google.protobuf.message import Message
from temporalio.api.common.v1 import WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType
from temporalio.api.history.v1 import History
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueResponse,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
    RequestCancelWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.conformance.observations import Observations
from tests.conformance.payloads import payloads
from tests.conformance.raw_worker import RawWorker


class Run(NamedTuple):
    """A run of a workflow; an empty run id stands for the latest run."""

    workflow_id: str
    run_id: str = ""

    @property
    def execution(self) -> WorkflowExecution:
        """The run as requests name it."""
        return WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id)


class World:
    """One scenario's view of one server.

    `lane` names the server: "real", or one of ours. Everything that a scenario creates carries a
    suffix of its own, so scenarios share a server without meeting; observations are written without
    it.
    """

    def __init__(
        self, client: Client, lane: str, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.client = client
        self.lane = lane
        self._sleep = sleep
        self.suffix = f"-{uuid4().hex}"
        self.task_queue = self.unique("queue")
        self.raw = RawWorker(client, self.task_queue)
        self.observations = Observations(self.suffix, client.identity)
        #: The workflows of its SDK workers.
        self.workflows: set[type] = set()

    def unique(self, name: str) -> str:
        """This name, made unique to the scenario."""
        return name + self.suffix

    async def start_apart(self, workflow: str, **fields: Any) -> tuple[Run, RawWorker]:
        """Start a workflow on a task queue of its own, with a worker for that queue."""
        worker = RawWorker(self.client, self.unique(workflow))
        queue = TaskQueue(name=worker.task_queue)
        return await self.start(workflow, task_queue=queue, **fields), worker

    def worker_of(self, task_queue: str) -> RawWorker:
        """A worker that polls another task queue than the scenario's."""
        return RawWorker(self.client, task_queue)

    async def pass_time(self, seconds: float) -> None:
        """Let this much of the server's time pass."""
        await self._sleep(seconds)

    @asynccontextmanager
    async def worker(self, **options: Any) -> AsyncIterator[Worker]:
        """A real SDK worker on the scenario's task queue."""
        self.workflows.update(options.get("workflows", ()))
        options.setdefault("task_queue", self.task_queue)
        options.setdefault("build_id", "conformance")
        options.setdefault("identity", self.client.identity)
        options.setdefault("workflow_runner", UnsandboxedWorkflowRunner())
        async with Worker(self.client, **options) as worker:
            yield worker

    # --- requests

    async def start(self, workflow: str = "order", **fields: Any) -> Run:
        """Start a workflow whose id is made of this name; `fields` go into the request."""
        request = self.start_request(workflow, **fields)
        return self.run_of(request, await self.start_with(request))

    def run_of(
        self, request: StartWorkflowExecutionRequest, response: StartWorkflowExecutionResponse
    ) -> Run:
        """The run that a start request was answered with."""
        return Run(request.workflow_id, response.run_id)

    def start_request(
        self, workflow: str = "order", **fields: Any
    ) -> StartWorkflowExecutionRequest:
        """The request with which `start` starts a workflow."""
        request: dict[str, Any] = {
            "namespace": self.client.namespace,
            "workflow_id": self.unique(workflow),
            "workflow_type": WorkflowType(name="Order"),
            "task_queue": TaskQueue(name=self.task_queue),
            "identity": "starter",
            "request_id": str(uuid4()),
        }
        return StartWorkflowExecutionRequest(**{**request, **fields})

    async def start_with(
        self, request: StartWorkflowExecutionRequest
    ) -> StartWorkflowExecutionResponse:
        """Send a start request."""
        return await self.client.workflow_service.start_workflow_execution(request)

    async def signal(
        self, run: Run, name: str = "poke", *args: Any, **fields: Any
    ) -> SignalWorkflowExecutionResponse:
        """Signal a run."""
        return await self.client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                **{
                    "namespace": self.client.namespace,
                    "workflow_execution": run.execution,
                    "signal_name": name,
                    "input": payloads(*args) if args else None,
                    "identity": "signaller",
                    "request_id": str(uuid4()),
                    **fields,
                }
            )
        )

    async def request_cancel(self, run: Run, **fields: Any) -> None:
        """Request the cancellation of a run."""
        await self.client.workflow_service.request_cancel_workflow_execution(
            RequestCancelWorkflowExecutionRequest(
                **{
                    "namespace": self.client.namespace,
                    "workflow_execution": run.execution,
                    "identity": "canceller",
                    "request_id": str(uuid4()),
                    **fields,
                }
            )
        )

    async def terminate(self, run: Run, reason: str = "enough", **fields: Any) -> None:
        """Terminate a run."""
        await self.client.workflow_service.terminate_workflow_execution(
            TerminateWorkflowExecutionRequest(
                **{
                    "namespace": self.client.namespace,
                    "workflow_execution": run.execution,
                    "reason": reason,
                    "identity": "terminator",
                    **fields,
                }
            )
        )

    async def terminate_if_running(self, run: Run) -> None:
        """Terminate a run unless it has closed."""
        description = await self.describe(run)
        if not description.workflow_execution_info.HasField("close_time"):
            await self.terminate(run)

    async def query(
        self, run: Run, name: str = "state", *args: Any, wait: float = 20, **fields: Any
    ) -> QueryWorkflowResponse:
        """Query a run, waiting `wait` seconds at most."""
        return await self.client.workflow_service.query_workflow(
            QueryWorkflowRequest(
                namespace=self.client.namespace,
                execution=run.execution,
                query=WorkflowQuery(query_type=name, query_args=payloads(*args) if args else None),
                **fields,
            ),
            timeout=timedelta(seconds=wait),
        )

    async def poll_workflow_task_with_query(self) -> PollWorkflowTaskQueueResponse:
        """The next workflow task, polled once a query had time to arrive for it.

        A query that arrives later would be a task of its own, so its arrival has to come first;
        no API tells of it.
        """
        await asyncio.sleep(0.5)
        task = await self.raw.poll_workflow_task()
        if not task.queries:
            raise AssertionError("the query did not arrive before the task was polled")
        return task

    async def describe(self, run: Run) -> DescribeWorkflowExecutionResponse:
        """Describe a run."""
        return await self.client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=self.client.namespace, execution=run.execution
            )
        )

    async def history(self, run: Run) -> History:
        """The whole history of a run as it stands now."""
        history = History()
        token = b""
        while True:
            response = await self.client.workflow_service.get_workflow_execution_history(
                GetWorkflowExecutionHistoryRequest(
                    namespace=self.client.namespace,
                    execution=run.execution,
                    next_page_token=token,
                )
            )
            history.events.extend(response.history.events)
            token = response.next_page_token
            if not token:
                return history

    async def closed(self, run: Run, wait: float = 30) -> None:
        """Wait until a run has closed."""
        await self.client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self.client.namespace,
                execution=run.execution,
                wait_new_event=True,
                history_event_filter_type=(
                    HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
                ),
            ),
            timeout=timedelta(seconds=wait),
        )

    async def until_event(self, run: Run, event_type: EventType.ValueType) -> None:
        """Wait until the history of a run has an event of this type."""
        token = b""
        found = False
        while not found:
            page = await self.client.workflow_service.get_workflow_execution_history(
                GetWorkflowExecutionHistoryRequest(
                    namespace=self.client.namespace,
                    execution=run.execution,
                    wait_new_event=True,
                    next_page_token=token,
                ),
                timeout=timedelta(seconds=20),
            )
            token = page.next_page_token
            if not token:  # readers of a paused run's history are not made to wait
                await asyncio.sleep(0.02)
            found = any(event.event_type == event_type for event in page.history.events)

    async def until_activity(
        self, run: Run, reached: Callable[[PendingActivityInfo], bool]
    ) -> None:
        """Wait until the run has a pending activity that has come this far."""
        while not any(map(reached, (await self.describe(run)).pending_activities)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    # --- observations

    def observe(self, label: str, value: Any, *, without: Sequence[str] = ()) -> None:
        """Note a message or plain value; `without` names fields of the message that may differ."""
        self.observations.add(label, value, without)

    def observe_task(
        self, label: str, task: PollWorkflowTaskQueueResponse | PollActivityTaskQueueResponse
    ) -> None:
        """Note a workflow task with its history, or an activity task."""
        self.observations.add(label, task)
        if isinstance(task, PollWorkflowTaskQueueResponse):
            self.observations.add_history(f"{label}: history", task.history)

    async def observe_error(self, label: str, call: Awaitable[Any]) -> None:
        """Note the error with which this call fails, or what it answers if it does not."""
        try:
            answer = await call
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the scenario wants to see
            self.observations.add_error(label, error)
        else:
            self.observations.add(label, answer if isinstance(answer, Message) else "no error")

    async def observe_history(self, label: str, run: Run) -> History:
        """Note the history of a run as it stands now."""
        history = await self.history(run)
        self.observations.add_history(label, history)
        return history
