"""Updates: accepted, completed, rejected, and asked for again."""

from __future__ import annotations

import asyncio

from temporalio.api.workflowservice.v1 import RespondWorkflowTaskCompletedRequest

from tests.conformance.commands import (
    complete_workflow,
    continue_as_new,
    fail_workflow,
    start_timer,
)
from tests.conformance.payloads import header
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import (
    ACCEPTED,
    ADMITTED,
    UNSPECIFIED,
    accept,
    answer,
    begun,
    idle_run,
    poll_update,
    reject,
    respond,
    update,
    update_request,
)
from tests.conformance.world import Run, World


@scenario(
    "rpc:UpdateWorkflowExecution",
    "command:ProtocolMessage",
    "option:ProtocolMessageCommandAttributes.message_id",
    "event:WorkflowExecutionUpdateAccepted",
    "event:WorkflowExecutionUpdateCompleted",
    *options(
        "UpdateWorkflowExecutionRequest",
        "namespace",
        "workflow_execution",
        "wait_policy",
        "request",
    ),
    "option:RespondWorkflowTaskCompletedRequest.messages",
)
async def test_an_update_is_accepted_and_completed_in_one_task(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run, "update", 1, "two"))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await world.observe_history("while the task is in flight", run)
    world.observe("description in flight", await world.describe(run))
    world.observe(
        "task's answer", await answer(world, task, accept(message), respond(message, "done"))
    )
    world.observe("answer", await call)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "rpc:UpdateWorkflowExecution",
    "rpc:PollWorkflowExecutionUpdate",
    *options("PollWorkflowExecutionUpdateRequest", "update_ref", "identity", "wait_policy"),
)
async def test_an_update_is_completed_by_a_later_task(world: World) -> None:
    run = await idle_run(world)
    accepted = asyncio.create_task(update(world, run, stage=ACCEPTED))
    completed = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message), commands=(start_timer("pause", 0.5),))
    world.observe("accepted", await accepted)
    world.observe("polled when accepted", await poll_update(world, run, stage=ACCEPTED))
    polled = asyncio.create_task(poll_update(world, run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("second task", task)
    await answer(world, task, respond(message, "done"))
    world.observe("completed", await completed)
    world.observe("polled", await polled)
    world.observe("polled again", await poll_update(world, run, stage=UNSPECIFIED))
    await world.observe_history("history", run)


@scenario("event:WorkflowExecutionUpdateCompleted")
async def test_an_update_fails(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, failure="broken"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedResponse.reset_history_event_id")
async def test_a_rejected_update_leaves_no_trace(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
    await world.observe_error("polled", poll_update(world, run))
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task when requested again", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer when requested again", await call)
    await world.observe_history("history when requested again", run)


@scenario()
async def test_a_rejection_with_commands_is_written(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    world.observe(
        "task's answer",
        await answer(world, task, reject(message), commands=(start_timer("pause", 1000),)),
    )
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_an_update_that_is_rejected_twice(world: World) -> None:
    run = await idle_run(world)
    for attempt in range(2):
        call = asyncio.create_task(update(world, run, f"update-{attempt}"))
        task = await world.raw.poll_workflow_task()
        world.observe_task(f"task {attempt}", task)
        [message] = task.messages
        world.observe(f"task's answer {attempt}", await answer(world, task, reject(message)))
        world.observe(f"answer {attempt}", await call)
    await world.signal(run)
    world.observe_task("normal task", await world.raw.poll_workflow_task())


@scenario()
async def test_an_update_that_the_worker_ignores_is_rejected(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    world.observe("task's answer", await answer(world, task))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_an_update_comes_with_the_first_task(world: World) -> None:
    run = await world.start()
    call = await begun(update(world, run))
    await world.observe_history("before the task", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_the_first_task_rejects_an_update(world: World) -> None:
    run = await world.start()
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_updates_of_one_task_come_in_order(world: World) -> None:
    run = await world.start()
    calls = [await begun(update(world, run, f"update-{number}", number)) for number in range(3)]
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    first, second, third = task.messages
    await answer(
        world,
        task,
        accept(first),
        accept(third),
        respond(third, "third"),
        respond(first, "first"),
        reject(second),
    )
    for number, call in enumerate(calls):
        world.observe(f"answer {number}", await call)
    await world.observe_history("history", run)


@scenario()
async def test_an_update_while_a_task_is_in_flight(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    call = await begun(update(world, run))
    await world.raw.complete_workflow_task(task)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.return_new_workflow_task")
async def test_an_update_comes_with_the_answer_to_a_task(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    call = await begun(update(world, run))
    completed = await world.raw.complete_workflow_task(task, return_new_workflow_task=True)
    task = completed.workflow_task
    world.observe_task("task", task)
    [message] = task.messages
    await world.observe_history("in flight", run)
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_a_signal_makes_a_speculative_task_a_normal_one(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    await world.signal(run)
    await world.observe_history("after the signal", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_a_signal_while_a_speculative_task_is_in_flight(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    await world.observe_history("after the signal", run)
    [message] = task.messages
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_an_update_comes_with_a_scheduled_task(world: World) -> None:
    run = await idle_run(world)
    await world.signal(run)
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario("rpc:UpdateWorkflowExecution")
async def test_an_update_is_deduplicated_by_its_id(world: World) -> None:
    run = await idle_run(world)
    first = await begun(update(world, run, "update", 1))
    second = await begun(update(world, run, "update", 2))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("first", await first)
    world.observe("second", await second)
    world.observe("third", await update(world, run, "update", 3))
    await world.terminate(run)
    world.observe("after the end", await update(world, run, "update", 4))
    world.observe("polled after the end", await poll_update(world, run))
    await world.observe_error("another after the end", update(world, run, "another"))
    await world.observe_error("poll another", poll_update(world, run, "another"))
    await world.observe_history("history", run)


@scenario()
async def test_a_run_completes_with_an_accepted_update(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    accepted = asyncio.create_task(update(world, run, stage=ACCEPTED))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message), commands=(complete_workflow("end"),))
    await world.observe_error("answer", call)
    await world.observe_error("accepted", accepted)
    await world.observe_error("polled", poll_update(world, run))
    await world.observe_error("requested again", update(world, run))
    await world.observe_history("history", run)


@scenario()
async def test_a_run_completes_without_answering_an_update(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, commands=(complete_workflow("end"),))
    await world.observe_error("answer", call)
    await world.observe_error("polled", poll_update(world, run))
    await world.observe_history("history", run)


@scenario()
async def test_a_run_fails_while_an_update_is_in_progress(world: World) -> None:
    run = await idle_run(world)
    call = asyncio.create_task(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message))
    await world.signal(run)
    await world.raw.run_workflow_task(fail_workflow())
    await world.observe_error("answer", call)
    await world.observe_error("polled", poll_update(world, run))
    await world.observe_history("history", run)


@scenario()
async def test_a_run_completes_while_an_update_comes(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    call = await begun(update(world, run))
    await world.raw.complete_workflow_task(task, complete_workflow("end"))
    await world.observe_error("answer", call)
    await world.observe_history("history", run)


@scenario("rpc:TerminateWorkflowExecution")
async def test_a_run_is_terminated_with_updates(world: World) -> None:
    run = await idle_run(world)
    accepted = asyncio.create_task(update(world, run, "accepted"))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message))
    admitted = await begun(update(world, run, "admitted"))
    await world.terminate(run)
    await world.observe_error("accepted", accepted)
    await world.observe_error("admitted", admitted)
    await world.observe_error("polled", poll_update(world, run, "accepted"))
    await world.observe_history("history", run)


@scenario("rpc:TerminateWorkflowExecution")
async def test_a_run_is_terminated_while_its_worker_has_an_update(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    await world.terminate(run)
    await world.observe_error("answer", call)
    [message] = task.messages
    await world.observe_error(
        "task's answer", answer(world, task, accept(message), respond(message, "done"))
    )
    await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskFailed")
async def test_a_speculative_task_fails(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await world.observe_history("after the failure", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("second attempt", task)
    [message] = task.messages
    world.observe("task's answer", await answer(world, task, reject(message)))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_a_speculative_task_times_out(world: World) -> None:
    run = await world.start(workflow_task_timeout={"seconds": 1})
    await world.raw.run_workflow_task()
    call = await begun(update(world, run))
    await world.raw.poll_workflow_task()
    task = await world.raw.poll_workflow_task()
    world.observe_task("second attempt", task)
    await world.observe_history("history in flight", run)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_a_task_with_an_update_and_a_bad_command_fails(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await world.observe_error(
        "task's answer",
        answer(world, task, accept(message), commands=(start_timer("", 1),)),
    )
    await world.observe_history("after the failure", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("second attempt", task)
    await world.raw.complete_workflow_task(task)
    await world.observe_error("answer", call)
    await world.observe_history("history", run)


@scenario()
async def test_a_run_whose_tasks_fail_takes_no_update(world: World) -> None:
    run = await world.start()
    for _ in range(3):
        await world.raw.fail_workflow_task(await world.raw.poll_workflow_task())
    await world.observe_error("answer", update(world, run))


@scenario("rpc:PollWorkflowExecutionUpdate")
async def test_nobody_takes_an_update(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    polled = await begun(poll_update(world, run))
    world.observe("polled at once", await poll_update(world, run, stage=UNSPECIFIED))
    world.observe("polled for admission", await poll_update(world, run, stage=ADMITTED))
    await world.observe_history("history", run)
    await world.pass_time(5)
    await world.observe_history("history after a while", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message))
    world.observe("polled when accepted", await poll_update(world, run, stage=UNSPECIFIED))
    call.cancel()
    polled.cancel()


@scenario("option:UpdateWorkflowExecutionRequest.first_execution_run_id")
async def test_an_update_of_another_chain_of_runs(world: World) -> None:
    run = await idle_run(world)
    await world.observe_error(
        "answer", update(world, run, first_execution_run_id="00000000-1111-4222-8333-444444444444")
    )


@scenario()
async def test_an_update_with_headers_and_without_an_id(world: World) -> None:
    run = await idle_run(world)
    request = update_request(world, run, "")
    request.request.input.header.CopyFrom(header(trace="t-1"))
    call = asyncio.create_task(world.client.workflow_service.update_workflow_execution(request))
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)


@scenario("option:StartWorkflowExecutionRequest.workflow_start_delay")
async def test_a_start_delay_ends_with_an_update(world: World) -> None:
    run = await world.start(workflow_start_delay={"seconds": 5})
    call = await begun(update(world, run))
    await world.observe_history("after the request", run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.sticky_attributes")
async def test_an_update_goes_to_the_sticky_queue(world: World) -> None:
    run = await world.start()
    sticky = world.unique("sticky")
    await world.raw.run_workflow_task(sticky_queue=sticky)
    for number in range(2):
        poll = asyncio.create_task(world.raw.poll_workflow_task(sticky_queue=sticky))
        await asyncio.sleep(0.3)
        call = asyncio.create_task(update(world, run, f"update-{number}"))
        task = await poll
        world.observe_task(f"task {number}", task)
        [message] = task.messages
        response = reject(message) if number == 0 else accept(message)
        world.observe(
            f"task's answer {number}", await answer(world, task, response, sticky_queue=sticky)
        )
        if number == 0:
            world.observe("answer", await call)
        else:
            await world.terminate(run)
            world.observe("answer when terminated", await call)
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.capabilities")
async def test_a_rejection_after_other_events(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(start_timer("pause", 1000))
    for able in (True, False):
        call = asyncio.create_task(update(world, run, f"update-{able}"))
        task = await world.raw.poll_workflow_task()
        world.observe_task("task", task)
        [message] = task.messages
        capabilities = RespondWorkflowTaskCompletedRequest.Capabilities(
            discard_speculative_workflow_task_with_events=able
        )
        world.observe(
            "task's answer",
            await answer(world, task, reject(message), capabilities=capabilities),
        )
        world.observe("answer", await call)
        await world.observe_history("history", run)


@scenario()
async def test_a_run_continues_as_new_while_an_update_comes(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    call = await begun(update(world, Run(run.workflow_id)))
    await world.raw.complete_workflow_task(task, continue_as_new())
    world.observe_task("first task of the next run", await world.raw.poll_workflow_task())
    await world.observe_error("answer", call)


@scenario()
async def test_an_accepted_update_does_not_move_on(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, Run(run.workflow_id)))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    await answer(world, task, accept(message), commands=(continue_as_new(),))
    world.observe("answer", await call)
    await world.observe_history("history", run)


@scenario()
async def test_updates_come_while_one_is_rejected(world: World) -> None:
    run = await idle_run(world)
    first = await begun(update(world, run, "first"))
    task = await world.raw.poll_workflow_task()
    second = await begun(update(world, run, "second"))
    [message] = task.messages
    completed = await answer(
        world, task, reject(message), return_new_workflow_task=True, sticky_queue=None
    )
    world.observe("task's answer", completed, without=["workflow_task"])
    world.observe("first", await first)
    task = completed.workflow_task
    world.observe_task("second task", task)
    [message] = task.messages
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("second", await second)
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.force_create_new_workflow_task")
async def test_a_heartbeat_does_not_reject_updates(world: World) -> None:
    run = await idle_run(world)
    call = await begun(update(world, run))
    task = await world.raw.poll_workflow_task()
    [message] = task.messages
    completed = await world.raw.complete_workflow_task(
        task, force_create_new_workflow_task=True, return_new_workflow_task=True
    )
    task = completed.workflow_task
    world.observe_task("next task", task)
    await answer(world, task, accept(message), respond(message, "done"))
    world.observe("answer", await call)
    await world.observe_history("history", run)
