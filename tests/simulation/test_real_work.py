"""Tests and activities that do real things: threads, sockets, processes, real timeouts, many at once."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from tests.simulation.workflows import Inbox, Sleeper
from timeskip import Simulation, SimulationStuck

pytestmark = pytest.mark.both_lanes

DAY = timedelta(days=1)


@activity.defn
def digest(size: int) -> int:
    """Works hard in its thread."""
    return sum(number * number for number in range(size)) % 1_000_003


@activity.defn
def ask_in_a_thread(port: int) -> str:
    """Asks a server of the test's, which takes its time."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"Ada\n")
        return connection.makefile().readline().strip()


@activity.defn
async def ask(port: int) -> str:
    """The same, on the event loop."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"Ada\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line.decode().strip()


@activity.defn
async def run_a_program(word: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"print({word!r}.upper())", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode().strip()


@activity.defn
def run_a_program_in_a_thread(word: str) -> str:
    program = [sys.executable, "-c", f"print({word!r}.upper())"]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()


@activity.defn
async def give_up_after_a_minute(_: str) -> str:
    """A timeout in an activity is virtual, as its sleeps are."""
    try:
        await asyncio.wait_for(asyncio.sleep(3600), timeout=60)
    except asyncio.TimeoutError:
        return "gave up"
    return "slept"


@activity.defn
async def doze_on_the_loop(seconds: float) -> str:
    """Bad style: blocks the event loop of the worker, and here that of everybody."""
    time.sleep(seconds)  # noqa: ASYNC251 - the mistake in question
    return f"dozed {seconds:.0f} seconds"


@activity.defn
def fail_twice(_: str) -> str:
    time.sleep(30)
    if activity.info().attempt < 3:
        raise ApplicationError("not yet")
    return f"at attempt {activity.info().attempt}"


@workflow.defn
class CallsOne:
    @workflow.run
    async def run(self, name: str, argument: str | int | float) -> str | int:
        result: str | int = await workflow.execute_activity(
            name,
            argument,
            start_to_close_timeout=timedelta(minutes=10),
            schedule_to_close_timeout=timedelta(days=2),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        return result


@workflow.defn
class CallsMany:
    @workflow.run
    async def run(self, name: str, arguments: list[int]) -> list[int]:
        return list(
            await asyncio.gather(
                *(
                    workflow.execute_activity(
                        name, argument, start_to_close_timeout=timedelta(minutes=1)
                    )
                    for argument in arguments
                )
            )
        )


ACTIVITIES: list[Callable[..., Any]] = [
    digest,
    ask,
    ask_in_a_thread,
    run_a_program,
    run_a_program_in_a_thread,
    give_up_after_a_minute,
    doze_on_the_loop,
    fail_twice,
]


async def call(sim: Simulation, name: str, argument: str | int | float) -> str | int:
    async with sim.worker(workflows=[CallsOne, CallsMany], activities=ACTIVITIES):
        return await sim.client.execute_workflow(
            CallsOne.run, args=[name, argument], id="calls", task_queue=sim.task_queue
        )


@pytest.fixture
def slow_server() -> Iterator[int]:
    """Greets one client, but not at once; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    answered = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            line = connection.makefile().readline()
            answered.wait(0.2)
            connection.sendall(b"Hello, " + line.encode())

    thread = threading.Thread(target=serve)
    thread.start()
    yield int(listener.getsockname()[1])
    thread.join()
    listener.close()


# -- activities ---------------------------------------------------------------------------------


async def test_thread_of_an_activity_works_in_no_time(sim: Simulation) -> None:
    assert await call(sim, "digest", 200_000) == digest(200_000)
    assert sim.elapsed == timedelta(0)


async def test_activities_work_in_many_threads_at_once(sim: Simulation) -> None:
    sizes = [1_000 * number for number in range(1, 51)]
    async with sim.worker(workflows=[CallsMany], activities=ACTIVITIES):
        results = await sim.client.execute_workflow(
            CallsMany.run, args=["digest", sizes], id="many", task_queue=sim.task_queue
        )
    assert results == [digest(size) for size in sizes]
    assert sim.elapsed == timedelta(0)


@pytest.mark.parametrize("name", ["ask", "ask_in_a_thread"])
async def test_activity_waits_for_a_socket_in_no_time(
    sim: Simulation, slow_server: int, name: str
) -> None:
    assert await call(sim, name, slow_server) == "Hello, Ada"
    assert sim.elapsed == timedelta(0)


@pytest.mark.parametrize("name", ["run_a_program", "run_a_program_in_a_thread"])
async def test_activity_waits_for_a_program_in_no_time(sim: Simulation, name: str) -> None:
    assert await call(sim, name, "ada") == "ADA"
    assert sim.elapsed == timedelta(0)


async def test_timeout_within_an_activity_is_virtual(sim: Simulation) -> None:
    assert await call(sim, "give_up_after_a_minute", "") == "gave up"
    assert sim.elapsed == timedelta(minutes=1)


async def test_activity_that_blocks_the_loop_sleeps_in_virtual_time(sim: Simulation) -> None:
    assert await call(sim, "doze_on_the_loop", 300.0) == "dozed 300 seconds"
    assert sim.elapsed == timedelta(minutes=5)


async def test_activity_that_blocks_the_loop_times_out(sim: Simulation) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await call(sim, "doze_on_the_loop", 3600.0)
    assert isinstance(failed.value.cause, ActivityError)


async def test_activity_in_a_thread_sleeps_and_is_tried_again(sim: Simulation) -> None:
    assert await call(sim, "fail_twice", "") == "at attempt 3"
    # Three attempts, and the waits between them.
    assert sim.elapsed == timedelta(seconds=3 * 30 + 1 + 2)


# -- tests --------------------------------------------------------------------------------------


async def test_hundred_workflows_at_once(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        woken = await asyncio.gather(
            *(
                sim.client.execute_workflow(
                    Sleeper.run, 3600 * number, id=f"sleeper-{number}", task_queue=sim.task_queue
                )
                for number in range(100)
            )
        )
    began = sim.now.timestamp() - sim.elapsed.total_seconds()
    assert [round(when - began) for when in woken] == [3600 * number for number in range(100)]


async def test_test_waits_with_a_timeout_and_then_without(sim: Simulation) -> None:
    """The timeout is real, and so is what holds time: an activity, say."""
    async with sim.worker(workflows=[Inbox]):
        handle = await sim.client.start_workflow(
            Inbox.run, "end", id="inbox", task_queue=sim.task_queue
        )
        with sim.auto_time_skipping_disabled():
            sim.at(DAY, handle.signal, Inbox.post, "end")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(handle.result(), timeout=0.05)
        assert [text for text, _ in await handle.result()] == ["end"]
    assert DAY <= sim.elapsed < DAY + timedelta(hours=1)


async def test_result_comes_before_a_generous_timeout(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        await asyncio.wait_for(
            sim.client.execute_workflow(
                Sleeper.run, DAY.total_seconds(), id="sleeper", task_queue=sim.task_queue
            ),
            timeout=60,
        )
    assert sim.elapsed == DAY


async def test_timeout_of_a_test_does_not_hide_the_diagnosis(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        handle = await sim.client.start_workflow(
            Inbox.run, "never", id="inbox", task_queue=sim.task_queue
        )
        with pytest.raises(SimulationStuck, match="'inbox'"):
            await asyncio.wait_for(handle.result(), timeout=3600)


async def test_result_is_waited_for_again_after_a_cancellation(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        handle = await sim.client.start_workflow(
            Sleeper.run, DAY.total_seconds(), id="sleeper", task_queue=sim.task_queue
        )
        first = asyncio.create_task(handle.result())
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await handle.result()
    assert sim.elapsed == DAY


async def test_sleep_of_a_test_is_real_and_holds_time(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        handle = await sim.client.start_workflow(
            Sleeper.run, DAY.total_seconds(), id="sleeper", task_queue=sim.task_queue
        )
        await asyncio.sleep(0.05)
        assert sim.elapsed == timedelta(0)
        await handle.result()
    assert sim.elapsed == DAY


async def test_first_of_several_workflows_is_enough(sim: Simulation) -> None:
    async with sim.worker(workflows=[Sleeper]):
        handles = [
            await sim.client.start_workflow(
                Sleeper.run, hours * 3600, id=f"sleeper-{hours}", task_queue=sim.task_queue
            )
            for hours in (3, 1, 2)
        ]
        results = [asyncio.create_task(handle.result()) for handle in handles]
        done, others = await asyncio.wait(results, return_when=asyncio.FIRST_COMPLETED)
        assert done == {results[1]}
        assert sim.elapsed == timedelta(hours=1)
        for result in others:
            result.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        assert sim.elapsed == timedelta(hours=1)


async def test_test_uses_sockets_and_programs_of_its_own(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        handle = await sim.client.start_workflow(
            Inbox.run, "ADA", id="inbox", task_queue=sim.task_queue
        )
        result = asyncio.create_task(handle.result())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('ADA')", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        await handle.signal(Inbox.post, output.decode().strip())
        assert [text for text, _ in await result] == ["ADA"]


async def test_program_outlives_its_output(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        handle = await sim.client.start_workflow(
            Inbox.run, "Ada", id="inbox", task_queue=sim.task_queue
        )
        result = asyncio.create_task(handle.result())
        code = "import os, time; os.write(1, b'Ada'); os.close(1); time.sleep(0.3)"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        await handle.signal(Inbox.post, output.decode())
        assert [text for text, _ in await result] == ["Ada"]


async def test_thread_of_the_test_signals_what_the_test_waits_for(sim: Simulation) -> None:
    async with sim.worker(workflows=[Inbox]):
        handle = await sim.client.start_workflow(
            Inbox.run, "Ada", id="inbox", task_queue=sim.task_queue
        )
        loop = asyncio.get_running_loop()

        def post() -> None:
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"], check=True)
            signal = handle.signal(Inbox.post, "Ada")
            asyncio.run_coroutine_threadsafe(signal, loop).result()

        thread = threading.Thread(target=post)
        thread.start()
        assert [text for text, _ in await handle.result()] == ["Ada"]
        thread.join()
