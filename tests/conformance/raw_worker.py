"""A worker whose every poll and answer is a line of the scenario.

An SDK worker takes tasks when it likes and answers when it is done, so what the server sees between
the two is a race. Here a scenario holds a task as long as it needs, and a server has only one
possible history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import (
    QueryResultType,
    TaskQueueKind,
    TaskQueueType,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.nexus.v1 import HandlerError, Response
from temporalio.api.query.v1 import WorkflowQueryResult
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    PollNexusTaskQueueRequest,
    PollNexusTaskQueueResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedRequest,
    RespondActivityTaskFailedResponse,
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskCompletedResponse,
    RespondNexusTaskFailedRequest,
    RespondNexusTaskFailedResponse,
    RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
    RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
)
from temporalio.client import Client

from tests.conformance.commands import seconds
from tests.conformance.payloads import application_failure, payloads


class NoTaskError(Exception):
    """A poll came back empty although the scenario expects a task."""


class RawWorker:
    """Polls and answers tasks of one task queue by hand."""

    def __init__(self, client: Client, task_queue: str, identity: str = "raw-worker") -> None:
        self.task_queue = task_queue
        self.identity = identity
        self._service = client.workflow_service
        self._namespace = client.namespace

    # --- workflow tasks

    async def poll_workflow_task(
        self, *, sticky_queue: str | None = None, wait: float = 20
    ) -> PollWorkflowTaskQueueResponse:
        """The next workflow task, from the sticky queue if one is named.

        Raises NoTaskError if the server answers without one, and the RPC's own error if it does not
        answer within `wait` seconds.
        """
        task = await self.poll_workflow_queue(sticky_queue=sticky_queue, wait=wait)
        if not task.task_token:
            raise NoTaskError(f"no workflow task on {sticky_queue or self.task_queue}")
        return task

    async def poll_workflow_queue(
        self, *, sticky_queue: str | None = None, wait: float = 20
    ) -> PollWorkflowTaskQueueResponse:
        """What one poll for workflow tasks answers, a task or nothing."""
        return await self._service.poll_workflow_task_queue(
            PollWorkflowTaskQueueRequest(
                namespace=self._namespace,
                task_queue=self._queue(sticky_queue),
                identity=self.identity,
            ),
            timeout=timedelta(seconds=wait),
        )

    async def start_polling(self, sticky_queue: str) -> asyncio.Task[PollWorkflowTaskQueueResponse]:
        """Poll a sticky queue from now on; the result is the next task on it.

        Returns once the server knows of the poll: it gives a sticky task to the normal queue if
        nobody polls the sticky one.
        """
        poll = asyncio.create_task(self.poll_workflow_task(sticky_queue=sticky_queue))
        request = DescribeTaskQueueRequest(
            namespace=self._namespace,
            task_queue=self._queue(sticky_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        while not (await self._service.describe_task_queue(request)).pollers:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return poll

    async def complete_workflow_task(
        self,
        task: PollWorkflowTaskQueueResponse,
        *commands: Command,
        sticky_queue: str | None = None,
        sticky_timeout: float = 10,
        query_results: Mapping[str, WorkflowQueryResult] | None = None,
        **fields: Any,
    ) -> RespondWorkflowTaskCompletedResponse:
        """Answer a workflow task with these commands; `sticky_timeout` is in seconds."""
        sticky = None
        if sticky_queue is not None:
            sticky = StickyExecutionAttributes(
                worker_task_queue=self._queue(sticky_queue),
                schedule_to_start_timeout=seconds(sticky_timeout),
            )
        return await self._service.respond_workflow_task_completed(
            RespondWorkflowTaskCompletedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                commands=commands,
                sticky_attributes=sticky,
                query_results=query_results,
                **fields,
            )
        )

    async def run_workflow_task(
        self, *commands: Command, wait: float = 20, **fields: Any
    ) -> RespondWorkflowTaskCompletedResponse:
        """Poll the next workflow task and answer it with these commands."""
        return await self.complete_workflow_task(
            await self.poll_workflow_task(wait=wait), *commands, **fields
        )

    async def fail_workflow_task(
        self,
        task: PollWorkflowTaskQueueResponse,
        failure: Failure | str = "workflow task failed",
        cause: WorkflowTaskFailedCause.ValueType = (
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        ),
        **fields: Any,
    ) -> RespondWorkflowTaskFailedResponse:
        """Report that a workflow task failed."""
        return await self._service.respond_workflow_task_failed(
            RespondWorkflowTaskFailedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                cause=cause,
                failure=_failure(failure),
                **fields,
            )
        )

    async def answer_query(
        self,
        task: PollWorkflowTaskQueueResponse,
        *answer: Any,
        error: str = "",
        failure: Failure | None = None,
    ) -> RespondQueryTaskCompletedResponse:
        """Answer a task that carries one query and nothing else."""
        return await self._service.respond_query_task_completed(
            RespondQueryTaskCompletedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                completed_type=(
                    QueryResultType.QUERY_RESULT_TYPE_FAILED
                    if error
                    else QueryResultType.QUERY_RESULT_TYPE_ANSWERED
                ),
                query_result=payloads(*answer) if answer else None,
                error_message=error,
                failure=failure,
            )
        )

    # --- activity tasks

    async def poll_activity_task(self, *, wait: float = 20) -> PollActivityTaskQueueResponse:
        """The next activity task.

        Raises NoTaskError if the server answers without one, and the RPC's own error if it does not
        answer within `wait` seconds.
        """
        task = await self.poll_activity_queue(wait=wait)
        if not task.task_token:
            raise NoTaskError(f"no activity task on {self.task_queue}")
        return task

    async def poll_activity_queue(self, *, wait: float = 20) -> PollActivityTaskQueueResponse:
        """What one poll for activity tasks answers, a task or nothing."""
        return await self._service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(
                namespace=self._namespace,
                task_queue=TaskQueue(name=self.task_queue),
                identity=self.identity,
            ),
            timeout=timedelta(seconds=wait),
        )

    async def complete_activity_task(
        self, task: PollActivityTaskQueueResponse, *result: Any
    ) -> RespondActivityTaskCompletedResponse:
        """Report an activity's result; without arguments there is no result at all."""
        return await self._service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                result=payloads(*result) if result else None,
            )
        )

    async def fail_activity_task(
        self,
        task: PollActivityTaskQueueResponse,
        failure: Failure | str = "activity failed",
        last_heartbeat: Sequence[Any] = (),
    ) -> RespondActivityTaskFailedResponse:
        """Report an activity's failure."""
        return await self._service.respond_activity_task_failed(
            RespondActivityTaskFailedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                failure=_failure(failure),
                last_heartbeat_details=payloads(*last_heartbeat) if last_heartbeat else None,
            )
        )

    async def cancel_activity_task(
        self, task: PollActivityTaskQueueResponse, *details: Any
    ) -> RespondActivityTaskCanceledResponse:
        """Report that an activity ended because it was cancelled."""
        return await self._service.respond_activity_task_canceled(
            RespondActivityTaskCanceledRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                details=payloads(*details) if details else None,
            )
        )

    async def heartbeat(
        self, task: PollActivityTaskQueueResponse, *details: Any
    ) -> RecordActivityTaskHeartbeatResponse:
        """Heartbeat a running activity."""
        return await self._service.record_activity_task_heartbeat(
            RecordActivityTaskHeartbeatRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                details=payloads(*details) if details else None,
            )
        )

    # --- Nexus tasks

    async def poll_nexus_task(self, *, wait: float = 20) -> PollNexusTaskQueueResponse:
        """The next Nexus task.

        Raises NoTaskError if the server answers without one.
        """
        task = await self.poll_nexus_queue(wait=wait)
        if not task.task_token:
            raise NoTaskError(f"no Nexus task on {self.task_queue}")
        return task

    async def poll_nexus_queue(self, *, wait: float = 20) -> PollNexusTaskQueueResponse:
        """What one poll for Nexus tasks answers, a task or nothing."""
        return await self._service.poll_nexus_task_queue(
            PollNexusTaskQueueRequest(
                namespace=self._namespace,
                task_queue=TaskQueue(name=self.task_queue),
                identity=self.identity,
            ),
            timeout=timedelta(seconds=wait),
        )

    async def complete_nexus_task(
        self, task: PollNexusTaskQueueResponse, response: Response
    ) -> RespondNexusTaskCompletedResponse:
        """Answer a Nexus task."""
        return await self._service.respond_nexus_task_completed(
            RespondNexusTaskCompletedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                response=response,
            )
        )

    async def fail_nexus_task(
        self,
        task: PollNexusTaskQueueResponse,
        failure: Failure | None = None,
        error: HandlerError | None = None,
    ) -> RespondNexusTaskFailedResponse:
        """Report that a handler has failed, in either of two ways."""
        return await self._service.respond_nexus_task_failed(
            RespondNexusTaskFailedRequest(
                namespace=self._namespace,
                task_token=task.task_token,
                identity=self.identity,
                failure=failure,
                error=error,
            )
        )

    def _queue(self, sticky_queue: str | None) -> TaskQueue:
        if sticky_queue is None:
            return TaskQueue(name=self.task_queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL)
        return TaskQueue(
            name=sticky_queue,
            kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
            normal_name=self.task_queue,
        )


def _failure(failure: Failure | str) -> Failure:
    return application_failure(failure) if isinstance(failure, str) else failure
