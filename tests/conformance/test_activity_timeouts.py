"""The four timeouts of an activity, with and without attempts left."""

from __future__ import annotations

from temporalio.api.common.v1 import RetryPolicy

from tests.conformance.commands import schedule_activity, seconds
from tests.conformance.scenario import scenario
from tests.conformance.world import World

ONCE = RetryPolicy(maximum_attempts=1)


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_start_timeout",
)
async def test_nobody_starts_an_activity_in_time(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, schedule_to_start=1, start_to_close=100)
    )
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
    world.observe("description", await world.describe(run))


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_close_timeout",
)
async def test_nobody_starts_an_activity_before_it_has_to_be_closed(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, schedule_to_close=1)
    )
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.start_to_close_timeout",
)
async def test_an_attempt_takes_too_long_and_there_is_no_other(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=1, retry_policy=ONCE)
    )
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, "half", "way")
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
    await world.observe_error("late answer", world.raw.complete_activity_task(task))


@scenario(
    "event:ActivityTaskStarted",
    "option:ScheduleActivityTaskCommandAttributes.start_to_close_timeout",
)
async def test_an_attempt_takes_too_long_and_is_tried_again(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=1,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )
    first = await world.raw.poll_activity_task()
    await world.raw.heartbeat(first, "half")
    second = await world.raw.poll_activity_task()
    world.observe_task("second attempt", second)
    world.observe("description", await world.describe(run))
    await world.observe_error("late answer", world.raw.complete_activity_task(first))
    await world.raw.complete_activity_task(second, "done")
    await world.observe_history("history", run)


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.heartbeat_timeout",
)
async def test_heartbeats_stop_and_there_is_no_other_attempt(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a", task_queue=world.task_queue, start_to_close=100, heartbeat=1, retry_policy=ONCE
        )
    )
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, "last")
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
    await world.observe_error("late heartbeat", world.raw.heartbeat(task))


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.start_to_close_timeout",
)
async def test_the_last_attempt_takes_too_long(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=1,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2), maximum_attempts=2),
        )
    )
    await world.raw.fail_activity_task(await world.raw.poll_activity_task(), "first")
    await world.raw.poll_activity_task()
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario("option:ScheduleActivityTaskCommandAttributes.start_to_close_timeout")
async def test_a_timed_out_attempt_waits_for_the_next(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=1,
            retry_policy=RetryPolicy(initial_interval=seconds(60)),
        )
    )
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, "half")
    await world.pass_time(2.5)
    world.observe("waits", await world.describe(run))


@scenario("option:ScheduleActivityTaskCommandAttributes.heartbeat_timeout")
async def test_heartbeats_stop_and_the_activity_is_tried_again(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            start_to_close=100,
            heartbeat=1,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )
    task = await world.raw.poll_activity_task()
    await world.raw.heartbeat(task, "last")
    task = await world.raw.poll_activity_task()
    world.observe_task("second attempt", task)
    world.observe("description", await world.describe(run))
    await world.raw.complete_activity_task(task)
    await world.observe_history("history", run)


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_close_timeout",
)
async def test_all_attempts_together_take_too_long(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "running",
            task_queue=world.task_queue,
            schedule_to_close=2,
            start_to_close=100,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )
    task = await world.raw.poll_activity_task()
    await world.raw.fail_activity_task(task, "first")
    await world.raw.poll_activity_task()
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_close_timeout",
)
async def test_the_only_attempt_has_as_long_as_all_attempts_together(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            schedule_to_close=2,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
    )
    await world.raw.poll_activity_task()
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_start_timeout",
)
async def test_nobody_starts_the_second_attempt_in_time(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            schedule_to_start=1,
            start_to_close=100,
            retry_policy=RetryPolicy(initial_interval=seconds(0.2)),
        )
    )
    await world.raw.fail_activity_task(await world.raw.poll_activity_task(), "first")
    world.observe_task("workflow task", await world.raw.poll_workflow_task())


@scenario(
    "event:ActivityTaskTimedOut",
    "option:ScheduleActivityTaskCommandAttributes.schedule_to_close_timeout",
)
async def test_schedule_to_close_bounds_a_start_to_close_that_is_tried_again(world: World) -> None:
    await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a",
            task_queue=world.task_queue,
            schedule_to_close=3,
            start_to_close=1,
            retry_policy=RetryPolicy(initial_interval=seconds(10)),
        )
    )
    await world.raw.poll_activity_task()
    world.observe_task("workflow task", await world.raw.poll_workflow_task())
