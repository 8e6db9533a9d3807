"""Queries: of runs with and without events to process, and those that are refused."""

from __future__ import annotations

import asyncio

from temporalio.api.enums.v1 import QueryRejectCondition, QueryResultType
from temporalio.api.query.v1 import WorkflowQueryResult

from tests.conformance.commands import (
    complete_workflow,
    fail_workflow,
    record_marker,
    seconds,
    start_timer,
)
from tests.conformance.payloads import application_failure, payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


def answered(*values: object) -> WorkflowQueryResult:
    """A query answered beside a workflow task."""
    return WorkflowQueryResult(
        result_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED, answer=payloads(*values)
    )


def failed(message: str) -> WorkflowQueryResult:
    """A query that failed beside a workflow task."""
    return WorkflowQueryResult(
        result_type=QueryResultType.QUERY_RESULT_TYPE_FAILED, error_message=message
    )


@scenario(
    "rpc:QueryWorkflow",
    "rpc:RespondQueryTaskCompleted",
    *options("QueryWorkflowRequest", "namespace", "execution", "query"),
    *options(
        "RespondQueryTaskCompletedRequest",
        "task_token",
        "completed_type",
        "query_result",
        "namespace",
    ),
)
async def test_a_run_with_nothing_to_process_is_queried(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 100))
    query = asyncio.create_task(world.query(run, "state", "of", 1))
    task = await world.raw.poll_workflow_task()
    world.observe_task("query task", task)
    world.observe("answer", await world.raw.answer_query(task, "waiting"))
    world.observe("result", await query)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("rpc:QueryWorkflow", "option:RespondWorkflowTaskCompletedRequest.sticky_attributes")
async def test_a_run_is_queried_on_its_sticky_queue(world: World) -> None:
    sticky = world.unique("sticky")
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 100), sticky_queue=sticky)
    poll = await world.raw.start_polling(sticky)
    query = asyncio.create_task(world.query(run))
    task = await poll
    world.observe_task("query task", task)
    await world.raw.answer_query(task, "waiting")
    world.observe("result", await query)
    await world.observe_history("history", run)


@scenario("rpc:QueryWorkflow", *options("RespondWorkflowTaskCompletedRequest", "query_results"))
async def test_a_query_comes_with_a_scheduled_workflow_task(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 100))
    await world.signal(run)
    query = asyncio.create_task(world.query(run))
    task = await world.poll_workflow_task_with_query()
    world.observe_task("task", task)
    (query_id,) = task.queries
    await world.raw.complete_workflow_task(task, query_results={query_id: answered("signalled")})
    world.observe("result", await query)
    await world.observe_history("history", run)


@scenario("rpc:QueryWorkflow")
async def test_a_query_before_the_first_task(world: World) -> None:
    run = await world.start()
    query = asyncio.create_task(world.query(run))
    task = await world.poll_workflow_task_with_query()
    world.observe_task("task", task)
    (query_id,) = task.queries
    await world.raw.complete_workflow_task(
        task, record_marker("m"), query_results={query_id: answered("started")}
    )
    world.observe("result", await query)


@scenario("rpc:QueryWorkflow")
async def test_a_query_during_a_workflow_task_waits_for_it(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    query = asyncio.create_task(world.query(run))
    await world.pass_time(0.5)
    await world.raw.complete_workflow_task(task, start_timer("t", 100))
    task = await world.raw.poll_workflow_task()
    world.observe_task("query task", task)
    await world.raw.answer_query(task, "waiting")
    world.observe("result", await query)
    await world.observe_history("history", run)


@scenario("rpc:QueryWorkflow")
async def test_a_query_beside_a_task_that_completes_the_run(world: World) -> None:
    run = await world.start()
    query = asyncio.create_task(world.query(run))
    task = await world.poll_workflow_task_with_query()
    (query_id,) = task.queries
    await world.raw.complete_workflow_task(
        task, complete_workflow("done"), query_results={query_id: answered("completing")}
    )
    world.observe("result", await query)
    await world.observe_history("history", run)


@scenario(
    "rpc:QueryWorkflow",
    "rpc:RespondQueryTaskCompleted",
    *options("RespondQueryTaskCompletedRequest", "error_message", "failure"),
)
async def test_a_query_fails(world: World) -> None:
    run = await world.start()
    query = asyncio.create_task(world.query(run))
    task = await world.poll_workflow_task_with_query()
    (query_id,) = task.queries
    await world.raw.complete_workflow_task(task, query_results={query_id: failed("no such thing")})
    await world.observe_error("beside a task", query)
    query = asyncio.create_task(world.query(run))
    task = await world.raw.poll_workflow_task()
    await world.raw.answer_query(
        task, error="no such thing either", failure=application_failure("why", error_type="T")
    )
    await world.observe_error("alone", query)


@scenario("rpc:QueryWorkflow")
async def test_a_closed_run_is_queried(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(complete_workflow("done"))
    query = asyncio.create_task(world.query(run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("query task", task)
    await world.raw.answer_query(task, "completed")
    world.observe("result", await query)
    await world.observe_history("history", run)


@scenario("option:QueryWorkflowRequest.query_reject_condition")
async def test_queries_are_rejected_on_condition(world: World) -> None:
    completed = await world.start("completed")
    await world.raw.run_workflow_task(complete_workflow())
    failed_run = await world.start("failed")
    await world.raw.run_workflow_task(fail_workflow())
    open_condition = QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN
    clean_condition = QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY
    for name, run, condition in [
        ("completed, not open", completed, open_condition),
        ("failed, not open", failed_run, open_condition),
        ("failed, not completed cleanly", failed_run, clean_condition),
    ]:
        world.observe(name, await world.query(run, query_reject_condition=condition))
    query = asyncio.create_task(world.query(completed, query_reject_condition=clean_condition))
    await world.raw.answer_query(await world.raw.poll_workflow_task(), "clean")
    world.observe("completed, not completed cleanly", await query)


@scenario("rpc:QueryWorkflow")
async def test_queries_that_cannot_be_answered(world: World) -> None:
    await world.observe_error("unknown workflow", world.query(Run("unknown")))
    run = await world.start("terminated")
    await world.terminate(run)
    await world.observe_error("closed before its first task", world.query(run))
    delayed = await world.start("delayed", workflow_start_delay=seconds(100))
    await world.observe_error("still delayed", world.query(delayed, wait=3))


@scenario("rpc:RespondQueryTaskCompleted")
async def test_a_query_is_answered_too_late(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("t", 100))
    query = asyncio.create_task(world.query(run))
    task = await world.raw.poll_workflow_task()
    await world.raw.answer_query(task, "first")
    await query
    await world.observe_error("answered twice", world.raw.answer_query(task, "second"))


@scenario("rpc:QueryWorkflow", "rpc:RespondWorkflowTaskFailed")
async def test_queries_while_workflow_tasks_fail(world: World) -> None:
    run = await world.start()
    for attempt in range(3):
        task = await world.raw.poll_workflow_task()
        await world.raw.fail_workflow_task(task, f"failure {attempt}")
    await world.observe_error("after three failures", world.query(run, wait=5))


@scenario("rpc:QueryWorkflow")
async def test_only_one_query_waits_for_a_task(world: World) -> None:
    run = await world.start()
    first = asyncio.create_task(world.query(run, "first"))
    task = await world.poll_workflow_task_with_query()
    await world.observe_error("second", world.query(run, "second"))
    results = {query_id: answered(query.query_type) for query_id, query in task.queries.items()}
    await world.raw.complete_workflow_task(task, query_results=results)
    world.observe("first", await first)
