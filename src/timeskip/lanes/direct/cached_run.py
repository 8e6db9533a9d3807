"""A run that a worker has in its memory, and the workflow task that it is working on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import QueryResultType
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse
from temporalio.bridge.proto.workflow_activation import (
    QueryWorkflow,
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import QueryResult, WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines

#: The id of the query that is a task of its own.
LEGACY_QUERY = "legacy_query"


class CachedRun:
    """What a worker holds of one run.

    `activate` hands an activation to the workflow's code; the code's completions come back through
    `completed`. Exactly one activation is out at any time.
    """

    def __init__(
        self,
        run_id: str,
        machines: WorkflowMachines,
        activate: Callable[[WorkflowActivation], None],
    ) -> None:
        self.run_id = run_id
        self.machines = machines
        self.task: PollWorkflowTaskQueueResponse | None = None
        self.next_task: PollWorkflowTaskQueueResponse | None = None
        self.evicting: RemoveFromCache | None = None
        self.is_out = False
        self.query_results: dict[str, WorkflowQueryResult] = {}
        self.legacy_result: QueryResult | None = None
        self._activate = activate
        self._queries: dict[str, WorkflowQuery] = {}

    def begin(self, task: PollWorkflowTaskQueueResponse) -> None:
        """Take on a workflow task, or a query that is a task of its own."""
        self.task = task
        self.query_results = {}
        self.legacy_result = None
        self._queries = dict(task.queries)
        if task.HasField("query"):
            self._queries[LEGACY_QUERY] = task.query

    def go_on(self) -> bool:
        """Hand out what there is to do next; False if there is nothing before the task's answer."""
        machines = self.machines
        while not machines.has_jobs and machines.has_more:
            machines.apply_next()
        if machines.has_jobs:
            self._hand_out(machines.activation())
            return True
        if self._queries and not machines.has_more:
            queries, self._queries = self._queries, {}
            for query_id, query in queries.items():
                machines.add_job(WorkflowActivationJob(query_workflow=_query(query_id, query)))
            self._hand_out(machines.activation())
            return True
        return False

    def take(self, commands: list[WorkflowCommand]) -> None:
        """What the code answered: results of queries, and commands for the machines."""
        asked = []
        for command in commands:
            if command.HasField("respond_to_query"):
                self._answer(command.respond_to_query)
            else:
                asked.append(command)
        self.machines.take_commands(asked)

    def evict(self, reason: RemoveFromCache) -> None:
        """Have the code forget the run, as soon as it is not working on it."""
        if self.evicting is None:
            self.evicting = reason
            if not self.is_out:
                self.hand_out_eviction()

    def hand_out_eviction(self) -> None:
        assert self.evicting is not None
        self._hand_out(
            WorkflowActivation(
                run_id=self.run_id,
                jobs=[WorkflowActivationJob(remove_from_cache=self.evicting)],
            )
        )

    def returned(self, completion: WorkflowActivationCompletion) -> None:
        """The activation that was out has come back."""
        self.is_out = False

    def _hand_out(self, activation: WorkflowActivation) -> None:
        self.is_out = True
        self._activate(activation)

    def _answer(self, answer: QueryResult) -> None:
        if answer.query_id == LEGACY_QUERY:
            self.legacy_result = answer
            return
        result = WorkflowQueryResult()
        if answer.HasField("failed"):
            result.result_type = QueryResultType.QUERY_RESULT_TYPE_FAILED
            result.error_message = answer.failed.message
            result.failure.CopyFrom(answer.failed)
        else:
            result.result_type = QueryResultType.QUERY_RESULT_TYPE_ANSWERED
            if answer.succeeded.HasField("response"):
                result.answer.payloads.append(answer.succeeded.response)
        self.query_results[answer.query_id] = result


def _query(query_id: str, query: WorkflowQuery) -> QueryWorkflow:
    job = QueryWorkflow(
        query_id=query_id, query_type=query.query_type, arguments=query.query_args.payloads
    )
    for name, payload in query.header.fields.items():
        job.headers[name].CopyFrom(payload)
    return job
