"""No test ever hangs: what it is told instead, and that it is told at once.

The messages are read by people who meet them for the first time, in the middle of something else.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner

from timeskip import (
    ActivityNotRegistered,
    Simulation,
    SimulationClosed,
    SimulationStalled,
    SimulationStuck,
    TooManyAttempts,
    WorkflowTaskFailed,
)
from timeskip.lanes.selection import LaneName

pytestmark = pytest.mark.both_lanes

HERE = "tests/simulation/test_no_hang.py"


def line_of(text: str, within: Callable[..., Any]) -> int:
    """The number of the first line of a function that contains the text."""
    lines, first = inspect.getsourcelines(within)
    return next(first + offset for offset, line in enumerate(lines) if text in line)


@activity.defn
async def charge(order: str) -> str:
    return f"charged {order}"


@activity.defn
async def decline(order: str) -> str:
    raise ValueError(f"no money for {order}")


@activity.defn
async def wait_for_a_thread(order: str) -> str:
    await asyncio.to_thread(released.wait)
    return order


@activity.defn
def block(order: str) -> str:
    blocking.set()
    released.wait()
    return order


@activity.defn
async def heartbeat_on_and_on(order: str) -> str:
    while True:
        activity.heartbeat()
        await asyncio.sleep(1)


blocking = threading.Event()
released = threading.Event()


@workflow.defn
class Approval:
    """Waits for a signal, two calls down."""

    def __init__(self) -> None:
        self._approved = False

    @workflow.run
    async def run(self) -> str:
        return await self._decision()

    async def _decision(self) -> str:
        await workflow.wait_condition(lambda: self._approved)
        return "approved"

    @workflow.signal
    def approve(self) -> None:
        self._approved = True

    @workflow.signal
    def approve_wrongly(self) -> None:
        raise RuntimeError("in a signal handler")

    @workflow.query
    def is_approved(self) -> bool:
        return self._approved

    @workflow.query
    def ask_wrongly(self) -> bool:
        raise RuntimeError("in a query")


@workflow.defn(name="Approval")
class BrokenApproval:
    """`Approval` before somebody mended it."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("not yet")


@workflow.defn
class Branches:
    """Waits in several tasks at once."""

    @workflow.run
    async def run(self) -> None:
        child = asyncio.create_task(self._child())
        await asyncio.gather(self._left(), self._right())
        await child

    async def _child(self) -> None:
        await asyncio.Event().wait()

    async def _left(self) -> None:
        await workflow.wait_condition(lambda: False)

    async def _right(self) -> None:
        await asyncio.get_running_loop().create_future()


@workflow.defn
class FailsAtOnce:
    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("oops")


@workflow.defn
class FailsLater:
    @workflow.run
    async def run(self) -> None:
        await asyncio.sleep(3600)
        self._look_up({})

    def _look_up(self, prices: dict[str, int]) -> int:
        return prices["apple"]


@workflow.defn
class Blocks:
    @workflow.run
    async def run(self) -> None:
        with workflow.unsafe.sandbox_unrestricted():
            threading.Event().wait(2.5)


@workflow.defn
class ChangesItsMind:
    """Does something else when it is run again."""

    @workflow.run
    async def run(self) -> None:
        if workflow.unsafe.is_replaying():
            await workflow.execute_activity(charge, "x", start_to_close_timeout=timedelta(hours=1))
        await asyncio.sleep(10)


@workflow.defn
class Calls:
    """Calls the activity that it is told to."""

    @workflow.run
    async def run(self, name: str, task_queue: str | None = None) -> str:
        result: str = await workflow.execute_activity(
            name,
            "order 7",
            task_queue=task_queue,
            start_to_close_timeout=timedelta(days=3650),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=1)),
        )
        return result


WORKFLOWS = [Approval, Branches, FailsAtOnce, FailsLater, Blocks, ChangesItsMind, Calls]
ACTIVITIES = [charge, decline, wait_for_a_thread, block, heartbeat_on_and_on]


async def start(
    sim: Simulation, run: Any, *args: Any, id: str = "order-7"
) -> WorkflowHandle[Any, Any]:
    return await sim.client.start_workflow(run, args=args, id=id, task_queue=sim.task_queue)


async def message(error: type[Exception], sim: Simulation, run: Any, *args: Any) -> str:
    """What a test is told that waits for the result of a workflow."""
    async with sim.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await start(sim, run, *args)
        with pytest.raises(error) as told:
            await handle.result()
    return str(told.value)


# -- workflow tasks that fail -----------------------------------------------------------------


async def test_bug_in_a_workflow_is_told_with_its_traceback(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        with pytest.raises(WorkflowTaskFailed) as told:
            await (await start(sim, FailsAtOnce.run)).result()
    line = line_of("oops", FailsAtOnce)
    text = str(told.value)
    assert text.startswith(
        "workflow 'order-7' (FailsAtOnce) cannot go on: its workflow task failed "
        "(WORKFLOW_WORKER_UNHANDLED_FAILURE).\n\n"
        f'Traceback (most recent call last):\n  File "{__file__}", line {line}, in run\n'
        '    raise RuntimeError("oops")\n'
    )
    assert "\nRuntimeError: oops\n" in text
    assert "Only Temporal's own errors fail a workflow" in text
    assert text.endswith("wrap it in `with sim.expect_workflow_task_failures():`.")
    assert "temporalio/worker" not in text
    assert told.value.workflow_id == "order-7"
    assert told.value.cause == "WORKFLOW_WORKER_UNHANDLED_FAILURE"
    assert told.value.run_id == sim.runs[0].run_id


async def test_bug_after_a_timer_is_told_when_it_happens(sim: Simulation) -> None:
    text = await message(WorkflowTaskFailed, sim, FailsLater.run)
    assert f"line {line_of('look_up({})', FailsLater)}, in run" in text
    assert f"line {line_of('apple', FailsLater)}, in _look_up" in text
    assert "\nKeyError: 'apple'\n" in text
    assert sim.elapsed == timedelta(hours=1)


async def test_bug_in_a_signal_handler_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, Approval.run)
        await handle.signal(Approval.approve_wrongly)
        with pytest.raises(WorkflowTaskFailed, match="RuntimeError: in a signal handler"):
            await handle.result()


async def test_bug_in_a_query_fails_the_query_only(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, Approval.run)
        with pytest.raises(WorkflowQueryFailedError, match="in a query"):
            await handle.query(Approval.ask_wrongly)
        await handle.signal(Approval.approve)
        assert await handle.result() == "approved"


async def test_bug_is_told_to_whatever_waits(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        await start(sim, FailsLater.run)
        with pytest.raises(WorkflowTaskFailed, match="KeyError: 'apple'"):
            await sim.sleep(timedelta(days=1))
    assert sim.elapsed == timedelta(hours=1)


async def test_bug_is_told_to_all_that_wait(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handles = [await start(sim, Approval.run, id="a"), await start(sim, FailsLater.run, id="b")]
        told = await asyncio.gather(
            sim.sleep(timedelta(days=1)),
            sim.run_until(lambda: False),
            *(handle.result() for handle in handles),
            return_exceptions=True,
        )
    assert [type(error) for error in told] == [WorkflowTaskFailed] * 4
    assert len({str(error) for error in told}) == 1


async def test_bug_is_told_again_to_who_waits_for_the_workflow_later(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        broken = await start(sim, FailsAtOnce.run, id="broken")
        for _ in range(2):
            with pytest.raises(WorkflowTaskFailed, match="workflow 'broken'"):
                await broken.result()
        sound = await start(sim, Approval.run, id="sound")
        sim.at(timedelta(days=365), sound.signal, Approval.approve)
        assert await sound.result() == "approved"
        with pytest.raises(WorkflowTaskFailed, match="workflow 'broken'"):
            await broken.query(Approval.is_approved)


async def test_each_broken_workflow_is_told_with_its_own_bug(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        first = await start(sim, FailsAtOnce.run, id="first")
        with pytest.raises(WorkflowTaskFailed, match="workflow 'first'"):
            await first.result()
        second = await start(sim, FailsLater.run, id="second")
        with pytest.raises(WorkflowTaskFailed, match="workflow 'second'"):
            await second.result()
        with pytest.raises(WorkflowTaskFailed, match="workflow 'first'"):
            await first.result()


async def test_bug_that_nobody_waited_for_is_told_by_check(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        await start(sim, FailsAtOnce.run)
        while "WORKFLOW_TASK_FAILED" not in str(sim.runs[0].history):  # noqa: ASYNC110
            await asyncio.sleep(0)
    with pytest.raises(WorkflowTaskFailed, match="RuntimeError: oops"):
        sim.check()
    sim.check()


async def test_broken_workflow_can_be_ended(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, FailsAtOnce.run)
        with pytest.raises(WorkflowTaskFailed):
            await handle.result()
        await handle.terminate()
        again = await start(sim, Approval.run)
        await again.signal(Approval.approve)
        assert await again.result() == "approved"


async def test_expected_bug_is_tried_again_until_the_right_code_comes(sim: Simulation) -> None:
    with sim.expect_workflow_task_failures():
        async with sim.worker(workflows=[BrokenApproval]):
            handle = await start(sim, Approval.run)
            await sim.sleep(timedelta(minutes=5))
    async with sim.worker(workflows=WORKFLOWS):
        await handle.signal(Approval.approve)
        assert await handle.result() == "approved"


@pytest.mark.timeskip(max_activity_attempts=20)
async def test_expected_bug_that_never_ends_is_told_after_many_attempts(sim: Simulation) -> None:
    with sim.expect_workflow_task_failures():
        text = await message(TooManyAttempts, sim, FailsAtOnce.run)
    assert text == (
        "the workflow task of 'order-7' (FailsAtOnce) has failed 20 times in a row.\n"
        "The test expects failing workflow tasks, but waits for what can happen only if they "
        "succeed.\nLet a worker with the right code take over before."
    )


async def test_unknown_workflow_type_is_told_with_the_known_ones(sim: Simulation) -> None:
    text = await message(WorkflowTaskFailed, sim, "Aproval")
    assert text.startswith(
        "workflow 'order-7' (Aproval) cannot go on: the worker of task queue 'timeskip' does not "
        "know its type.\n"
        "Registered there: Approval, Blocks, Branches, Calls, ChangesItsMind, FailsAtOnce, "
        "FailsLater. Did you mean 'Approval'?\n"
        "Add it to the worker's `workflows=[...]`.\n"
    )


async def test_workflow_that_blocks_its_thread_is_told_where(sim: Simulation) -> None:
    text = await message(WorkflowTaskFailed, sim, Blocks.run)
    text = re.sub(r"\n *[~^]+(?=\n)", "", text)  # as of Python 3.13
    line = line_of("wait(2.5)", Blocks)
    assert (
        "[TMPRL1101] Potential deadlock detected: workflow didn't yield within 2 second(s).\n"
        f'  File "{__file__}", line {line}, in run\n'
        "    threading.Event().wait(2.5)\n\n"
        "A workflow must not block: no `time.sleep`, no input or output, no long computation."
    ) in text
    assert "debug_mode=True" in text


async def test_nondeterminism_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS, activities=ACTIVITIES, max_cached_workflows=0):
        with pytest.raises(WorkflowTaskFailed) as told:
            await (await start(sim, ChangesItsMind.run)).result()
    assert told.value.cause == "NON_DETERMINISTIC_ERROR"
    text = str(told.value)
    assert "\n[TMPRL1100] Nondeterminism error:" in text
    assert "its code asks for something else than the history says" in text


# -- activities -------------------------------------------------------------------------------


async def test_unknown_activity_is_told_with_the_known_ones(sim: Simulation) -> None:
    assert await message(ActivityNotRegistered, sim, Calls.run, "chargee") == (
        "workflow 'order-7' (Calls) called the activity 'chargee', which the worker of task queue "
        "'timeskip' does not know.\n"
        "Registered there: block, charge, decline, heartbeat_on_and_on, wait_for_a_thread. "
        "Did you mean 'charge'?\n"
        "Add it to the worker's `activities=[...]`. A real server would try it again and again."
    )


@pytest.mark.timeskip(max_activity_attempts=50)
async def test_activity_that_fails_for_ever_is_told(
    sim: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    text = await message(TooManyAttempts, sim, Calls.run, "decline")
    failures = [
        each for each in caplog.messages if each.startswith("Completing activity as failed")
    ]
    assert len(failures) == 10
    assert failures[-1].endswith(". Further attempts that fail are not logged")
    assert text.startswith(
        "the activity 'decline' of workflow 'order-7' (Calls) has failed 50 times in a row,\n"
        "and its retry policy allows more, so that the test would never end. Its last failure:\n"
    )
    assert f"line {line_of('no money', decline)}, in decline" in text
    assert "\nValueError: no money for order 7\n" in text
    assert "`maximum_attempts`" in text
    assert "`max_activity_attempts`" in text


async def test_activity_on_a_queue_that_nobody_polls_is_told(sim: Simulation) -> None:
    text = await message(SimulationStuck, sim, Calls.run, "charge", "timeskop")
    assert (
        "    its activity 'charge' waits on task queue 'timeskop', which no worker polls. "
        "Did you mean 'timeskip'?\n"
    ) in text


async def test_activity_for_a_worker_without_activities_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        with pytest.raises(SimulationStuck) as told:
            await (await start(sim, Calls.run, "charge")).result()
    assert (
        "its activity 'charge' waits on task queue 'timeskip', whose worker was started without "
        "activities\n"
    ) in str(told.value)


# -- nothing can happen any more --------------------------------------------------------------


async def test_signal_that_never_comes_is_told_with_the_await(sim: Simulation) -> None:
    outer = line_of("self._decision()", Approval)
    inner = line_of("wait_condition", Approval)
    assert await message(SimulationStuck, sim, Approval.run) == (
        "the test waits for the result of workflow 'order-7', which can no longer happen.\n"
        "\n"
        "Virtual time stands at 2024-01-01 00:00:00 UTC.\n"
        "No timer, timeout or retry is due, and no worker has anything to do.\n"
        "\n"
        "Open workflows:\n"
        "  'order-7' (Approval)\n"
        "    it stands at\n"
        f"      {HERE}:{outer} in run: return await self._decision()\n"
        f"        {HERE}:{inner} in _decision: await workflow.wait_condition("
        "lambda: self._approved)\n"
        "\n"
        "A workflow that waits for a signal needs one: send it before the test waits for the "
        "result, or let\n`sim.at(...)` send it at its time.\n"
        "\n"
        "Workers:\n"
        "  on 'timeskip': workflows Approval, Blocks, Branches, Calls, ChangesItsMind, "
        "FailsAtOnce, FailsLater; activities block, charge, decline, heartbeat_on_and_on, "
        "wait_for_a_thread"
    )


@pytest.mark.parametrize("sandboxed", [True, False])
async def test_every_task_of_a_workflow_is_told(sim: Simulation, sandboxed: bool) -> None:
    runner: dict[str, Any] = {}
    if not sandboxed:
        runner["workflow_runner"] = UnsandboxedWorkflowRunner()
    async with sim.worker(workflows=WORKFLOWS, **runner):
        with pytest.raises(SimulationStuck) as told:
            await (await start(sim, Branches.run)).result()
    text = str(told.value)
    for source, function in (
        ("await asyncio.gather(self._left(), self._right())", "run"),
        ("await asyncio.Event().wait()", "_child"),
        ("await workflow.wait_condition(lambda: False)", "_left"),
        ("await asyncio.get_running_loop().create_future()", "_right"),
    ):
        assert f"      {HERE}:{line_of(source, Branches)} in {function}: {source}\n" in text


async def test_workflow_on_a_queue_that_nobody_polls_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS, task_queue="orders"):
        with pytest.raises(SimulationStuck) as told:
            await sim.client.execute_workflow(Approval.run, id="order-7", task_queue="order")
    assert (
        "    its next workflow task waits on task queue 'order', which no worker polls. "
        "Did you mean 'orders'?\n"
    ) in str(told.value)


async def test_no_worker_at_all_is_told(sim: Simulation) -> None:
    with pytest.raises(SimulationStuck) as told:
        await (await start(sim, Approval.run)).result()
    text = str(told.value)
    assert "its next workflow task waits on task queue 'timeskip', which no worker polls" in text
    assert text.endswith(
        "Workers:\n  none was started: use `async with sim.worker(workflows=[...], "
        "activities=[...]):`"
    )


async def test_result_after_the_worker_is_gone_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, Approval.run)
        await sim.sleep(0)
    await handle.signal(Approval.approve)
    with pytest.raises(SimulationStuck) as told:
        await handle.result()
    text = str(told.value)
    assert "its next workflow task waits on task queue 'timeskip', whose worker has stopped" in text
    assert "activities none (stopped)" in text


async def test_workflow_task_that_the_stopping_worker_lost_is_told(sim: Simulation) -> None:
    for number in range(10):
        async with sim.worker(workflows=[Calls], workflow_runner=UnsandboxedWorkflowRunner()):
            handle = await start(sim, Calls.run, "charge", id=f"order-{number}")
        with pytest.raises(SimulationStuck, match="whose worker has stopped"):
            await handle.result()


async def test_query_without_a_worker_is_told(sim: Simulation) -> None:
    handle = await start(sim, Approval.run)
    with pytest.raises(SimulationStuck) as told:
        await handle.query(Approval.is_approved)
    assert str(told.value).startswith(
        "the test waits for the answer to the query 'is_approved' of workflow 'order-7', which "
        "can no longer happen.\n"
    )


async def test_condition_that_never_holds_is_told(sim: Simulation) -> None:
    with pytest.raises(SimulationStuck) as told:
        await sim.run_until(lambda: False)
    line = line_of("lambda: False", test_condition_that_never_holds_is_told)
    assert str(told.value).startswith(
        f"the test waits for `sim.run_until(<lambda> at {HERE}:{line})`, which can no longer "
        "happen.\n"
    )


async def test_condition_that_never_holds_is_told_when_nothing_is_due_any_more(
    sim: Simulation,
) -> None:
    for days in range(1, 4):
        sim.at(timedelta(days=days), lambda: None)
    with pytest.raises(SimulationStuck, match="Virtual time stands at 2024-01-04 00:00:00 UTC"):
        await sim.run_until(lambda: False)


async def test_what_another_thread_of_the_test_will_do_is_waited_for(sim: Simulation) -> None:
    ready = threading.Event()
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, Approval.run)
        result = asyncio.create_task(handle.result())
        asyncio.get_running_loop().call_later(0.3, ready.set)
        await asyncio.to_thread(ready.wait)
        await handle.signal(Approval.approve)
        assert await result == "approved"


async def test_what_a_timer_of_the_test_will_do_is_waited_for(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, Approval.run)
        result = asyncio.create_task(handle.result())
        await asyncio.sleep(0.3)
        await handle.signal(Approval.approve)
        assert await result == "approved"


# -- something goes on, and nothing comes of it -----------------------------------------------

impatient = pytest.mark.timeskip(stall_timeout=timedelta(milliseconds=400))


@pytest.fixture
def _release_threads() -> Any:
    released.clear()
    blocking.clear()
    yield
    released.set()


@impatient
@pytest.mark.usefixtures("_release_threads")
@pytest.mark.parametrize("blocking", [wait_for_a_thread, block])
async def test_activity_that_blocks_for_real_is_told(
    sim: Simulation, blocking: Callable[[str], Any]
) -> None:
    text = await message(SimulationStalled, sim, Calls.run, blocking.__name__)
    line = line_of("released.wait", blocking)
    assert text.startswith(
        "for 0.4 seconds of real time nothing has happened in any workflow, while the test waits "
        "for the result of workflow 'order-7'.\n"
        "\n"
        "Virtual time stands at 2024-01-01 00:00:00 UTC while something real goes on:\n"
        f"  activity '{blocking.__name__}' of workflow 'order-7' (attempt 1) is running: "
    )
    assert f"    {HERE}:{line} in {blocking.__name__}: " in text
    assert text.endswith(
        "An activity that goes on until it is cancelled has to heartbeat, or to wait for that by "
        "`time.sleep`,\n`activity.wait_for_cancelled_sync` or `asyncio`: all else that it does is "
        "work, for which time stands still.\n"
        "\n"
        "If that may take so long, give the simulation a larger `stall_timeout` (in pytest's "
        "settings:\n`timeskip_stall_timeout`)."
    )


@impatient
@pytest.mark.usefixtures("_release_threads")
async def test_worker_that_cannot_stop_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await start(sim, Calls.run, "block")
        await asyncio.to_thread(blocking.wait)
    with pytest.raises(SimulationStalled) as told:
        sim.check()
    text = str(told.value)
    assert "while the test waits for a worker to stop" in text
    assert "  activity 'block' of workflow 'order-7' (attempt 1) is running: " in text


@impatient
async def test_activity_that_goes_on_in_virtual_time_is_told(sim: Simulation) -> None:
    text = await message(SimulationStalled, sim, Calls.run, "heartbeat_on_and_on")
    line = line_of("sleep(1)", heartbeat_on_and_on)
    assert "Virtual time passes and has reached 2024-01-01 " in text
    assert "  activity 'heartbeat_on_and_on' of workflow 'order-7' goes on and on\n" in text
    assert f"    {HERE}:{line} in heartbeat_on_and_on: await asyncio.sleep(1)\n" in text


@impatient
async def test_action_that_never_ends_is_told(sim: Simulation) -> None:
    async def act() -> None:
        await asyncio.get_running_loop().create_future()

    sim.at(timedelta(days=1), act)
    with pytest.raises(SimulationStalled) as told:
        await sim.sleep(timedelta(days=2))
    line = line_of("async def act", test_action_that_never_ends_is_told)
    assert f"  what was given to `sim.at`: act at {HERE}:{line}\n" in str(told.value)


@impatient
async def test_polling_while_time_stands_still_is_told(sim: Simulation) -> None:
    async with sim.worker(workflows=WORKFLOWS):
        handle = await start(sim, FailsLater.run)

        async def poll() -> None:
            while (await handle.describe()).close_time is None:  # noqa: ASYNC110
                await asyncio.sleep(0)

        with pytest.raises(SimulationStalled) as told:
            await poll()
    assert str(told.value) == (
        "for 0.4 seconds of real time the test has asked again and again, and nothing has "
        "happened in any workflow.\n"
        "\n"
        "Virtual time stands at 2024-01-01 00:00:00 UTC, because nobody waits for it. Wait for a "
        "result, or with\n"
        "`await sim.sleep(...)` or `await sim.run_until(...)`."
    )


# -- the end of the simulation ----------------------------------------------------------------


@pytest.mark.asyncio
async def test_use_after_the_end_is_told(lane: LaneName) -> None:
    async with Simulation(lane=lane) as sim:
        client = sim.client
    with pytest.raises(SimulationClosed, match=r"^the simulation has ended$"):
        _ = sim.client
    with pytest.raises(SimulationClosed):
        await sim.sleep(1)
    with pytest.raises(Exception, match="simulation has ended"):
        await client.start_workflow(Approval.run, id="late", task_queue="timeskip")


@pytest.mark.asyncio
async def test_use_before_the_start_is_told() -> None:
    with pytest.raises(SimulationClosed, match="use it in a `with` or `async with` block"):
        _ = Simulation().client


@pytest.mark.asyncio
async def test_whoever_still_waits_at_the_end_is_told(lane: LaneName) -> None:
    async with Simulation(lane=lane) as sim:
        handle = await start(sim, Approval.run)
        with sim.auto_time_skipping_disabled():
            sim.at(timedelta(days=1), print)
            waiting = [
                asyncio.create_task(handle.result()),
                asyncio.create_task(sim.run_until(lambda: False)),
            ]
            await asyncio.sleep(0.05)
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in told] == [SimulationClosed, SimulationClosed]
