"""Starting a workflow: what the request carries, and where it ends up."""

from __future__ import annotations

import asyncio

from temporalio.api.common.v1 import Priority, RetryPolicy
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.service import RPCError

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    seconds,
)
from tests.conformance.payloads import (
    LINK,
    application_failure,
    header,
    memo,
    payload,
    payloads,
    search_attributes,
)
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


@scenario(
    "rpc:StartWorkflowExecution",
    "rpc:DescribeWorkflowExecution",
    "event:WorkflowExecutionStarted",
    "event:WorkflowTaskScheduled",
    "option:StartWorkflowExecutionRequest.workflow_type",
    "option:StartWorkflowExecutionRequest.task_queue",
    *options("StartWorkflowExecutionRequest", "namespace", "workflow_id"),
    *options("DescribeWorkflowExecutionRequest", "namespace", "execution"),
)
async def test_start_with_nothing_but_what_is_needed(world: World) -> None:
    request = world.start_request()
    response = await world.start_with(request)
    world.observe("answer", response)
    run = world.run_of(request, response)
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)


@scenario(
    "rpc:StartWorkflowExecution",
    "rpc:DescribeWorkflowExecution",
    "option:StartWorkflowExecutionRequest.input",
    "option:StartWorkflowExecutionRequest.memo",
    "option:StartWorkflowExecutionRequest.header",
    "option:StartWorkflowExecutionRequest.user_metadata",
    "option:StartWorkflowExecutionRequest.priority",
    "option:StartWorkflowExecutionRequest.identity",
    *options(
        "StartWorkflowExecutionRequest", "links", "continued_failure", "last_completion_result"
    ),
)
async def test_start_carries_what_users_attach(world: World) -> None:
    run = await world.start(
        input=payloads("book", 3),
        memo=memo(customer="Ada", items=[1, 2]),
        header=header(trace="t-1"),
        user_metadata=UserMetadata(summary=payload("an order"), details=payload("of books")),
        priority=Priority(priority_key=2, fairness_key="ada", fairness_weight=1.5),
        identity="the starter",
        links=[LINK],
        continued_failure=application_failure("before"),
        last_completion_result=payloads("last time"),
    )
    world.observe("description", await world.describe(run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("first task", task)
    await world.observe_history("history", run)


@scenario("option:StartWorkflowExecutionRequest.search_attributes")
async def test_start_carries_search_attributes(world: World) -> None:
    run = await world.start(
        search_attributes=search_attributes(
            ConformanceKeyword=("Keyword", "blue"), ConformanceInt=("Int", 7)
        )
    )
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)


@scenario("option:StartWorkflowExecutionRequest.search_attributes")
async def test_start_with_search_attributes_that_the_server_refuses(world: World) -> None:
    await world.observe_error(
        "unknown name", world.start(search_attributes=search_attributes(Nonsense=("Keyword", "x")))
    )
    await world.observe_error(
        "wrong type",
        world.start(search_attributes=search_attributes(ConformanceInt=("Int", "seven"))),
    )


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_execution_timeout",
    "option:StartWorkflowExecutionRequest.workflow_run_timeout",
    "option:StartWorkflowExecutionRequest.workflow_task_timeout",
)
async def test_start_timeouts_fit_into_each_other(world: World) -> None:
    for name, execution, run_timeout, task in [
        ("all given", 100, 50, 5),
        ("run longer than execution", 10, 50, 5),
        ("execution only", 40, None, None),
        ("run only", None, 40, None),
        ("task longer than run", None, 3, 20),
        ("task very long", None, None, 500),
        ("execution shorter than default task", 4, None, None),
    ]:
        timeouts = {
            "workflow_execution_timeout": execution,
            "workflow_run_timeout": run_timeout,
            "workflow_task_timeout": task,
        }
        given = {key: seconds(value) for key, value in timeouts.items() if value is not None}
        run = await world.start(name.replace(" ", "-"), **given)
        await world.observe_history(f"{name}: history", run)
        world.observe(f"{name}: description", await world.describe(run))


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_id_reuse_policy",
    "option:StartWorkflowExecutionRequest.workflow_id_conflict_policy",
)
async def test_start_with_an_id_that_is_running(world: World) -> None:
    for reuse in WorkflowIdReusePolicy.keys():  # noqa: SIM118 an enum wrapper, not a dict
        for conflict in WorkflowIdConflictPolicy.keys():  # noqa: SIM118
            name = f"{reuse}-{conflict}"
            first = await world.start(name)
            await world.observe_error(
                name,
                world.start_with(
                    world.start_request(
                        name,
                        workflow_id_reuse_policy=WorkflowIdReusePolicy.Value(reuse),
                        workflow_id_conflict_policy=WorkflowIdConflictPolicy.Value(conflict),
                    )
                ),
            )
            await world.observe_history(f"{name}: the run that was there", first)


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_id_reuse_policy",
    "option:StartWorkflowExecutionRequest.workflow_id_conflict_policy",
)
async def test_start_with_an_id_that_has_closed(world: World) -> None:
    endings = {
        "completed": complete_workflow(),
        "failed": fail_workflow(),
        "cancelled": cancel_workflow(),
        "terminated": None,
        "timed out": None,
    }
    policies = [
        (reuse, conflict)
        for reuse in WorkflowIdReusePolicy.keys()  # noqa: SIM118 an enum wrapper, not a dict
        for conflict in WorkflowIdConflictPolicy.keys()  # noqa: SIM118
    ]
    runs = []
    for ending, command in endings.items():
        for reuse, conflict in policies:
            name = f"{ending}-{reuse}-{conflict}".replace(" ", "-")
            timeout = {"workflow_run_timeout": seconds(1)} if ending == "timed out" else {}
            run = await world.start(name, **timeout)
            if command is not None:
                await world.raw.run_workflow_task(command)
            elif ending == "terminated":
                await world.terminate(run)
            runs.append((name, reuse, conflict, run))
    for name, reuse, conflict, run in runs:
        await world.closed(run)
        await world.observe_error(
            name,
            world.start_with(
                world.start_request(
                    name,
                    workflow_id_reuse_policy=WorkflowIdReusePolicy.Value(reuse),
                    workflow_id_conflict_policy=WorkflowIdConflictPolicy.Value(conflict),
                )
            ),
        )


@scenario("option:StartWorkflowExecutionRequest.request_id")
async def test_start_twice_with_one_request_id(world: World) -> None:
    request = world.start_request(request_id="same")
    world.observe("first", await world.start_with(request))
    world.observe("again while scheduled", await world.start_with(request))
    task = await world.raw.poll_workflow_task()
    world.observe("again while started", await world.start_with(request))
    await world.raw.complete_workflow_task(task)
    world.observe("again after the first task", await world.start_with(request))
    await world.observe_error("another request", world.start(request_id="other"))
    await world.terminate(Run(request.workflow_id))
    world.observe("again after close", await world.start_with(request))
    for policy in (
        WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
    ):
        with_policy = world.start_request(request_id="same", workflow_id_conflict_policy=policy)
        world.observe(f"again with policy {policy}", await world.start_with(with_policy))
    await world.observe_history("history", Run(request.workflow_id))


@scenario(
    "option:StartWorkflowExecutionRequest.on_conflict_options",
    "event:WorkflowExecutionOptionsUpdated",
)
async def test_start_attaches_its_request_id_to_the_existing_run(world: World) -> None:
    run = await world.start(request_id="first")
    await world.raw.run_workflow_task()
    request = world.start_request(
        request_id="second",
        workflow_id_conflict_policy=(
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        ),
        on_conflict_options=OnConflictOptions(attach_request_id=True),
    )
    world.observe("attached", await world.start_with(request))
    world.observe("attached again", await world.start_with(request))
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)


@scenario(
    "option:StartWorkflowExecutionRequest.on_conflict_options",
    "event:WorkflowExecutionOptionsUpdated",
)
async def test_start_attaches_its_request_id_while_a_task_is_in_flight(world: World) -> None:
    run = await world.start(request_id="first")
    task = await world.raw.poll_workflow_task()
    request = world.start_request(
        request_id="second",
        workflow_id_conflict_policy=(
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        ),
        on_conflict_options=OnConflictOptions(attach_request_id=True, attach_links=True),
        links=[LINK],
    )
    world.observe("attached", await world.start_with(request))
    world.observe("description in flight", await world.describe(run))
    await world.raw.complete_workflow_task(task)
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)


@scenario("option:StartWorkflowExecutionRequest.workflow_start_delay")
async def test_start_after_a_delay(world: World) -> None:
    run = await world.start(workflow_start_delay=seconds(1))
    world.observe("description during the delay", await world.describe(run))
    await world.observe_history("history during the delay", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task after the delay", task)
    world.observe("description after the delay", await world.describe(run))


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_start_delay", "rpc:SignalWorkflowExecution"
)
async def test_signal_during_a_start_delay(world: World) -> None:
    run = await world.start(workflow_start_delay=seconds(100))
    await world.signal(run)
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_start_delay",
    "rpc:RequestCancelWorkflowExecution",
)
async def test_request_cancel_during_a_start_delay(world: World) -> None:
    run = await world.start(workflow_start_delay=seconds(100))
    await world.request_cancel(run)
    world.observe("description", await world.describe(run))
    await world.observe_history("history", run)


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_run_timeout",
    "option:StartWorkflowExecutionRequest.workflow_execution_timeout",
    "event:WorkflowExecutionTimedOut",
)
async def test_runs_time_out(world: World) -> None:
    untouched = await world.start("untouched", workflow_run_timeout=seconds(1))
    execution = await world.start("execution", workflow_execution_timeout=seconds(1))
    runs = {"nobody took its task": untouched, "execution timeout": execution}
    for name, run in runs.items():
        await world.closed(run)
        await world.observe_history(f"{name}: history", run)
        world.observe(f"{name}: description", await world.describe(run))
        await world.observe_error(f"{name}: signal", world.signal(run))


@scenario(
    "option:StartWorkflowExecutionRequest.workflow_run_timeout", "event:WorkflowExecutionTimedOut"
)
async def test_a_run_times_out_while_its_task_is_in_flight(world: World) -> None:
    run = await world.start(workflow_run_timeout=seconds(1))
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered")
    await world.closed(run)
    await world.observe_error("late answer", world.raw.complete_workflow_task(task))
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("option:StartWorkflowExecutionRequest.retry_policy", "event:WorkflowExecutionFailed")
async def test_a_failed_run_is_retried_in_a_new_run(world: World) -> None:
    first = await world.start(
        input=payloads("book"),
        memo=memo(customer="Ada"),
        header=header(trace="t-1"),
        search_attributes=search_attributes(ConformanceKeyword=("Keyword", "blue")),
        priority=Priority(priority_key=2),
        user_metadata=UserMetadata(summary=payload("an order")),
        workflow_execution_timeout=seconds(100),
        workflow_run_timeout=seconds(50),
        retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=2),
    )
    world.observe("answer", await world.raw.run_workflow_task(fail_workflow("first attempt")))
    history = await world.observe_history("first run", first)
    failed = history.events[-1].workflow_execution_failed_event_attributes
    second = Run(first.workflow_id, failed.new_execution_run_id)
    world.observe("second run waits", await world.describe(second))
    task = await world.raw.poll_workflow_task()
    world.observe_task("second run's first task", task)
    await world.raw.complete_workflow_task(task, fail_workflow("second attempt"))
    await world.observe_history("second run", second)
    world.observe("second run closed", await world.describe(second))
    world.observe("first run closed", await world.describe(first))


@scenario("option:StartWorkflowExecutionRequest.retry_policy", "event:WorkflowExecutionTimedOut")
async def test_a_timed_out_run_is_retried_in_a_new_run(world: World) -> None:
    first = await world.start(
        workflow_run_timeout=seconds(1),
        retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=2),
    )
    await world.closed(first)
    history = await world.observe_history("first run", first)
    timed_out = history.events[-1].workflow_execution_timed_out_event_attributes
    second = Run(first.workflow_id, timed_out.new_execution_run_id)
    await world.closed(second)
    await world.observe_history("second run", second)


@scenario("option:StartWorkflowExecutionRequest.retry_policy")
async def test_runs_that_a_retry_policy_does_not_retry(world: World) -> None:
    policy = RetryPolicy(
        initial_interval=seconds(1), maximum_attempts=3, non_retryable_error_types=["Refused"]
    )
    await world.start("completed", retry_policy=policy)
    await world.raw.run_workflow_task(complete_workflow())
    await world.start("non-retryable", retry_policy=policy)
    await world.raw.run_workflow_task(fail_workflow(application_failure("no", non_retryable=True)))
    await world.start("type-refused", retry_policy=policy)
    await world.raw.run_workflow_task(
        fail_workflow(application_failure("no", error_type="Refused"))
    )
    await world.start("cancelled", retry_policy=policy)
    await world.raw.run_workflow_task(cancel_workflow())
    terminated = await world.start("terminated", retry_policy=policy)
    await world.terminate(terminated)
    await world.start(
        "no-time-left",
        workflow_execution_timeout=seconds(10),
        retry_policy=RetryPolicy(initial_interval=seconds(60)),
    )
    await world.raw.run_workflow_task(fail_workflow("the next attempt would start too late"))
    for name in (
        "completed",
        "non-retryable",
        "type-refused",
        "cancelled",
        "terminated",
        "no-time-left",
    ):
        await world.observe_history(name, Run(world.unique(name)))


@scenario("option:StartWorkflowExecutionRequest.retry_policy")
async def test_the_failure_of_a_run_names_the_delay_of_its_retry(world: World) -> None:
    run = await world.start(
        retry_policy=RetryPolicy(initial_interval=seconds(1), maximum_attempts=3)
    )
    await world.raw.run_workflow_task(
        fail_workflow(application_failure("later", next_retry_delay=50))
    )
    await world.observe_history("first run", run)
    await world.observe_history("latest run", Run(run.workflow_id))


@scenario("rpc:StartWorkflowExecution")
async def test_many_start_requests_at_once_make_one_run(world: World) -> None:
    async def attempt() -> str:
        try:
            return (await world.start()).run_id
        except RPCError as error:
            return error.status.name

    answers = await asyncio.gather(*(attempt() for _ in range(5)))
    world.observe("refused", sorted(answer for answer in answers if answer == "ALREADY_EXISTS"))
    await world.observe_history("history", Run(world.unique("order")))
