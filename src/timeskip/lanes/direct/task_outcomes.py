"""What a worker does with a workflow task when the workflow's code has answered an activation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.protocol.v1 import Message
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse
from temporalio.bridge.proto.workflow_commands import QueryResult
from temporalio.bridge.proto.workflow_completion import Failure as CompletionFailure

from timeskip.clock import Nanoseconds
from timeskip.lanes.direct.slot_info import WorkflowSlotInfo
from timeskip.lanes.direct.slots import Permit

#: The id of the query that is a task of its own.
LEGACY_QUERY = "legacy_query"


@dataclass
class WorkflowTask:
    """A workflow task of a worker: from its poll, or from the answer to another task."""

    response: PollWorkflowTaskQueueResponse
    permit: Permit[WorkflowSlotInfo]
    start_time: Nanoseconds
    queries: dict[str, WorkflowQuery] = field(default_factory=dict)

    @property
    def is_query_only(self) -> bool:
        """Whether a query is all that there is to it."""
        return self.response.started_event_id == 0 and self.response.HasField("query")

    @property
    def has_legacy_query(self) -> bool:
        """Whether a query that is a task of its own has not been given to the workflow yet."""
        return LEGACY_QUERY in self.queries


@dataclass
class CompleteTask:
    """Tell the server that the workflow has done its task."""

    task: WorkflowTask
    commands: list[Command]
    messages: list[Message]
    query_results: list[QueryResult]
    force_new_task: bool
    versioning_behavior: int
    sdk_metadata: WorkflowTaskCompletedMetadata | None = None
    further_local_attempts: int = 0


@dataclass
class AnswerQuery:
    """Tell the server the answer to a query that was a task of its own."""

    task: WorkflowTask
    result: QueryResult


@dataclass
class FailTask:
    """Tell the server that the task, or the query that it was, failed."""

    task: WorkflowTask
    cause: WorkflowTaskFailedCause.ValueType
    failure: CompletionFailure
    is_query: bool
    #: A query that failed for a reason that may pass is not answered, so that it is asked again.
    may_be_retried: bool = False


#: None: there is more to do before there is anything to say.
Outcome: TypeAlias = "CompleteTask | AnswerQuery | FailTask | None"


class WaitingTasks:
    """Tasks that came for a run while it was busy.

    Of tasks that bring new events only the newest counts; the others are over. Queries are all
    kept, unless the task is over that they belong to.
    """

    def __init__(self) -> None:
        self._task: WorkflowTask | None = None
        self._queries: deque[WorkflowTask] = deque()
        self._queries_of_task: deque[WorkflowTask] = deque()

    def __bool__(self) -> bool:
        return self._task is not None or bool(self._queries)

    def add(self, task: WorkflowTask) -> None:
        """Keep a task for later."""
        if task.is_query_only:
            (self._queries if self._task is None else self._queries_of_task).append(task)
            return
        if self._task is not None:
            for outdated in (self._task, *self._queries_of_task):
                outdated.permit.release()
            self._queries_of_task.clear()
        self._task = task

    def next(self) -> WorkflowTask | None:
        """The task to be worked on next, removed."""
        if self._queries:
            return self._queries.popleft()
        if self._task is None:
            return None
        if self._queries_of_task:
            return self._queries_of_task.popleft()
        task, self._task = self._task, None
        return task


def application_failure(message: str, *, non_retryable: bool = False) -> Failure:
    """A failure that the core itself makes."""
    failure = Failure(message=message)
    failure.application_failure_info.non_retryable = non_retryable
    failure.application_failure_info.SetInParent()
    return failure
