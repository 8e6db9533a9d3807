"""Workers in processes of their own: real signals, and no trace of them afterwards."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

import timeskip
from tests.faults import process_workers
from tests.faults.process_workers import Does, Fails, Naps
from timeskip import Simulation
from timeskip.lanes.heartbeats import Heartbeats
from timeskip.processes.messages import AttemptStarted
from timeskip.processes.running_worker import RunningWorker
from timeskip.server.calls import Answer

_WORKERS = "tests.faults.process_workers"
_BUILD = f"{_WORKERS}:build"
_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

#: Real seconds in which what is sure to happen has happened on any machine.
_PATIENCE = 60.0


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with Simulation(lane="wire") as simulation:
        yield simulation
        simulation.check()
        simulation.check_faults()


class World:
    """What is outside of all processes: a file that activities write to."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def path(self) -> str:
        return str(self._file)

    @property
    def entries(self) -> list[str]:
        """What they wrote."""
        return self._file.read_text().splitlines()

    def begin(self) -> None:
        """There is a file, with nothing in it."""
        self._file.touch()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


async def do(sim: Simulation, name: str, *arguments: Any, locally: bool = False) -> Any:
    """The result of a workflow that runs this activity."""
    return await sim.client.execute_workflow(
        Does.run, args=[name, list(arguments), locally], id="w", task_queue=sim.task_queue
    )


def is_gone(pid: int) -> bool:
    """Whether there is no such process any more, not even as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# -- killed ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_process_is_killed_and_another_takes_its_place(
    sim: Simulation, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report")
    async with sim.worker_process(_BUILD) as process:
        first = process.pid
        second = await do(sim, "charge", world.path)
        assert second == process.pid != first
        assert is_gone(first)
        assert process.is_alive
    assert is_gone(second)
    assert world.entries == ["charged", "charged"]
    assert sim.elapsed == 2 * _HOUR + _SECOND  # start-to-close timeout, retry interval
    assert capsys.readouterr().out == "charged\ncharged\n"


@pytest.mark.slow
@pytest.mark.asyncio
async def test_activity_that_had_not_begun_is_done_once(sim: Simulation, world: World) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-start")
    async with sim.worker_process(_BUILD):
        await do(sim, "charge", world.path)
    assert world.entries == ["charged"]


@pytest.mark.slow
@pytest.mark.asyncio
async def test_replacement_comes_after_a_while(sim: Simulation, world: World) -> None:
    sim.faults.kill_worker(at="workflow-task:w:1:before-report", restart_after=5 * _HOUR)
    async with sim.worker_process(_BUILD):
        await do(sim, "charge", world.path)
    assert sim.elapsed == 5 * _HOUR


@pytest.mark.slow
@pytest.mark.asyncio
async def test_worker_of_the_test_takes_over(sim: Simulation, world: World) -> None:
    sim.faults.kill_worker(at="activity:charge#1:before-report", restart_after=None)
    async with sim.worker_process(_BUILD, identity="first") as process:
        handle = await sim.client.start_workflow(
            Does.run, args=["charge", [world.path], False], id="w", task_queue=sim.task_queue
        )
        await sim.sleep(_MINUTE)
        assert not process.is_alive
        async with sim.worker(
            workflows=process_workers.WORKFLOWS, activities=process_workers.ACTIVITIES
        ):
            assert await handle.result() == os.getpid()


@pytest.mark.slow
@pytest.mark.asyncio
async def test_another_of_the_same_name_takes_its_place(sim: Simulation, world: World) -> None:
    sim.faults.kill_worker(at="activity:charge", times=3)
    async with sim.worker_process(_BUILD, identity="the one") as process:
        assert await do(sim, "charge", world.path) == process.pid
        assert process.identity == "the one"


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("moment", ["before-start", "before-report"])
async def test_local_activities_are_places_too(sim: Simulation, world: World, moment: str) -> None:
    sim.faults.kill_worker(at=f"local-activity:charge#1:{moment}")
    async with sim.worker_process(_BUILD) as process:
        assert await do(sim, "charge", world.path, locally=True) == process.pid
    assert len(world.entries) == (1 if moment == "before-start" else 2)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_heartbeat_details_outlive_the_process(sim: Simulation, world: World) -> None:
    sim.faults.kill_worker(at="heartbeat:count#1:3:after-report")
    async with sim.worker_process(_BUILD):
        assert await do(sim, "count", world.path, 5) == [3, 5]
    # Three minutes of work, the heartbeat timeout, the retry interval, the rest of the work.
    assert sim.elapsed == timedelta(minutes=3 + 2 + 2, seconds=1)


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("verdict", ["delay-response by=30s", "partition length=30s"])
async def test_time_passes_while_a_heartbeat_is_late(
    sim: Simulation, world: World, verdict: str
) -> None:
    name, _, length = verdict.partition(" ")
    sim.faults.add_plan(f"{name} at heartbeat:count#1:1:after-report {length}")
    async with sim.worker_process(_BUILD):
        assert await do(sim, "count", world.path, 3) == [3]
    assert sim.elapsed == 3 * _MINUTE


@pytest.mark.asyncio
async def test_heartbeat_arrives_before_it_is_known_who_sends_it(
    sim: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process tells comes by two ways, of which either may be the faster one."""
    is_answered = threading.Event()
    answered, receive = Heartbeats.answered, RunningWorker._receive

    def tell(heartbeats: Heartbeats, request: Message, answer: Answer) -> None:
        answered(heartbeats, request, answer)
        is_answered.set()

    def receive_late(running: RunningWorker, message: object) -> None:
        if isinstance(message, AttemptStarted):
            assert is_answered.wait(_PATIENCE)
        receive(running, message)

    monkeypatch.setattr(Heartbeats, "answered", tell)
    monkeypatch.setattr(RunningWorker, "_receive", receive_late)
    async with sim.worker_process(_BUILD):
        assert await do(sim, "begin_to_count", world.path) == "begun"
    assert sim.elapsed == _MINUTE


# -- virtual time ---------------------------------------------------------------------------------

_NAPS = pytest.mark.parametrize(
    ("name", "locally"),
    [
        ("nap", False),
        pytest.param("nap", True, marks=pytest.mark.slow),
        pytest.param("nap_in_thread", False, marks=pytest.mark.slow),
        pytest.param("nap_in_thread", True, marks=pytest.mark.slow),
        pytest.param("nap_on_loop", False, marks=pytest.mark.slow),
        pytest.param("nap_on_loop", True, marks=pytest.mark.slow),
    ],
)


@pytest.mark.asyncio
@_NAPS
async def test_sleeping_activities_are_killed_and_sleep_again_in_virtual_time(
    sim: Simulation, world: World, name: str, locally: bool
) -> None:
    sim.faults.kill_worker(at="time:10m")
    async with sim.worker_process(_BUILD):
        assert await do(sim, name, world.path, 1200, locally=locally) == 1200
    assert world.entries == ["lies down", "lies down", "gets up"]


@pytest.mark.slow
@pytest.mark.asyncio
async def test_activity_that_calls_the_service_takes_the_time_of_the_answer(
    sim: Simulation, world: World
) -> None:
    async with sim.worker_process(_BUILD):
        assert await do(sim, "wait_for_nap", world.path) == "awake"
    assert sim.elapsed == _HOUR


@pytest.mark.slow
@pytest.mark.asyncio
async def test_failed_workflow_task_is_told_and_tried_again(sim: Simulation, world: World) -> None:
    async with sim.worker_process(_BUILD):
        handle = await sim.client.start_workflow(
            Fails.run, world.path, id="f", task_queue=sim.task_queue
        )
        with pytest.raises(timeskip.WorkflowTaskFailed, match="nothing there"):
            await handle.result()
    with Simulation(lane="wire") as another, another.expect_workflow_task_failures():
        async with another.worker_process(_BUILD):
            handle = await another.client.start_workflow(
                Fails.run, world.path, id="f", task_queue=another.task_queue
            )
            await another.sleep(_HOUR)
            world.begin()
            assert await handle.result() == "there"


# -- stopped --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_answer_of_a_stopped_process_comes_after_its_timeout(
    sim: Simulation, world: World
) -> None:
    sim.faults.stop_worker(at="activity:charge#1:before-report", for_=3 * _HOUR)
    async with sim.worker_process(_BUILD) as process:
        first = process.pid
        assert await do(sim, "charge", world.path) == first
    # The second attempt has gone to the process's open poll, and waited there.
    assert world.entries == ["charged", "charged"]
    assert sim.elapsed == 3 * _HOUR


@pytest.mark.slow
@pytest.mark.asyncio
async def test_answer_of_a_process_that_is_cut_off_comes_late(
    sim: Simulation, world: World
) -> None:
    sim.faults.partition(at="activity:charge#1:before-report", for_=_HOUR)
    async with sim.worker_process(_BUILD) as process:
        assert await do(sim, "charge", world.path) == process.pid
    assert world.entries == ["charged"]
    assert sim.elapsed == _HOUR


@pytest.mark.slow
@pytest.mark.asyncio
async def test_what_a_stopped_process_waits_for_is_late(sim: Simulation, world: World) -> None:
    sim.faults.stop_worker(at="time:10m", for_=_HOUR)
    async with sim.worker_process(_BUILD):
        assert await do(sim, "nap", world.path, 1800) == 70 * 60
    assert sim.elapsed == 70 * _MINUTE


@pytest.mark.slow
@pytest.mark.asyncio
async def test_query_of_a_stopped_process_is_given_up(sim: Simulation) -> None:
    sim.faults.stop_worker(at="query:state#1:before-start", for_=10 * _MINUTE)
    async with sim.worker_process(_BUILD):
        handle: WorkflowHandle[Naps, str] = await sim.client.start_workflow(
            Naps.run, id="n", task_queue=sim.task_queue
        )
        await sim.sleep(_MINUTE)
        with pytest.raises(RPCError):
            await handle.query(Naps.state)
        await sim.sleep(10 * _MINUTE)
        assert await handle.query(Naps.state) == "asleep"
        assert await handle.result() == "awake"


@pytest.mark.slow
@pytest.mark.asyncio
async def test_stopped_process_can_be_killed_and_its_test_can_end(sim: Simulation) -> None:
    sim.faults.stop_worker(at="time:1m", for_=_HOUR)
    sim.faults.kill_worker(at="time:2m")
    sim.faults.stop_worker(at="time:3m", for_=_HOUR)
    async with sim.worker_process(_BUILD) as process:
        await sim.sleep(5 * _MINUTE)
    assert is_gone(process.pid)


# -- asked to end ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_process_that_is_asked_to_end_gives_in_what_it_has(
    sim: Simulation, world: World
) -> None:
    sim.faults.terminate_worker(at="activity:charge#1:before-report")
    async with sim.worker_process(_BUILD) as process:
        first = process.pid
        assert await do(sim, "charge", world.path) == first != process.pid
    assert sim.elapsed == timedelta(0)


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("grace", "entries", "minutes"),
    [
        (0, ["lies down", "lies down", "gets up"], 10 + 60),
        (20, ["lies down", "lies down", "gets up"], 10 + 20 + 60),
        (60, ["lies down", "gets up"], 60),
    ],
)
async def test_activities_have_the_grace_of_their_worker(
    sim: Simulation, world: World, grace: int, entries: list[str], minutes: int
) -> None:
    sim.faults.terminate_worker(at="time:10m")
    async with sim.worker_process(_BUILD, graceful_shutdown_timeout=grace * _MINUTE):
        assert await do(sim, "nap", world.path, 3600) == 3600
    assert world.entries == entries
    assert sim.elapsed - minutes * _MINUTE in (timedelta(0), _SECOND)


# -- starting and ending --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "place", ["activity:charge#1", "workflow-task:w:2", "heartbeat:begin_to_count#1:1"]
)
async def test_process_that_ends_waits_for_an_answer_that_is_late(
    sim: Simulation, world: World, place: str
) -> None:
    sim.faults.add_plan(f"delay-response at {place}:after-report by=10m")
    async with sim.worker_process(_BUILD):
        await do(sim, "begin_to_count" if "count" in place else "charge", world.path)
        assert sim.elapsed <= _MINUTE
    assert sim.elapsed == 10 * _MINUTE


def test_process_in_a_synchronous_test(sim: Simulation, world: World) -> None:
    with sim.worker_process(_BUILD) as process:
        assert sim.run(do(sim, "charge", world.path)) == process.pid


@pytest.mark.slow
@pytest.mark.asyncio
async def test_process_with_several_workers(sim: Simulation, world: World) -> None:
    async with sim.worker_process(f"{_WORKERS}:build_several", queues=["a", "b"]) as process:
        for queue in ("a", "b"):
            done = await sim.client.execute_workflow(
                Does.run, args=["charge", [world.path], False], id=queue, task_queue=queue
            )
            assert done == process.pid


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("factory", "told"),
    [
        pytest.param(
            "tests.nowhere:build", "No module named 'tests.nowhere'", marks=pytest.mark.slow
        ),
        (f"{_WORKERS}:build_without_settings", "there are no settings"),
        pytest.param(f"{_WORKERS}:build_nothing", "has to return a", marks=pytest.mark.slow),
        pytest.param(f"{_WORKERS}:stop_at_once", "exit code 3", marks=pytest.mark.slow),
    ],
)
async def test_process_that_does_not_start_fails_the_test(
    sim: Simulation, factory: str, told: str
) -> None:
    process = sim.worker_process(factory)
    with pytest.raises(timeskip.WorkerProcessDied, match=told):
        await process.__aenter__()
    assert is_gone(process.pid)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_process_that_starts_for_ever_fails_the_test(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = told = ""
    patience = 1
    # On a busy machine Python itself takes a while, and then has nothing to say of the factory.
    while "begun" not in written:
        patience *= 2
        with Simulation(lane="wire", stall_timeout=timedelta(seconds=patience)) as sim:
            process = sim.worker_process(f"{_WORKERS}:build_for_ever")
            with pytest.raises(timeskip.WorkerProcessDied) as died:
                await process.__aenter__()
        assert is_gone(process.pid)
        written, told = capsys.readouterr().out, str(died.value)
    assert "in build_for_ever" in told


@pytest.mark.slow
@pytest.mark.asyncio
async def test_process_that_dies_by_itself_fails_the_test(sim: Simulation, world: World) -> None:
    async with sim.worker_process(_BUILD):
        with pytest.raises(timeskip.WorkerProcessDied, match=r"SIGKILL(?s:.)*last words"):
            await do(sim, "crash", world.path)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_process_that_may_die_by_itself_is_replaced(sim: Simulation, world: World) -> None:
    async with sim.worker_process(_BUILD, may_crash=True):
        assert await do(sim, "crash", world.path) == 2


@pytest.mark.slow
@pytest.mark.asyncio
async def test_no_process_outlasts_a_failed_test(sim: Simulation) -> None:
    process = sim.worker_process(_BUILD)
    with pytest.raises(ZeroDivisionError):
        async with process:
            raise ZeroDivisionError
    assert is_gone(process.pid)


@pytest.mark.slow
def test_no_process_outlasts_its_simulation(sim: Simulation) -> None:
    process = sim.worker_process(_BUILD)
    process.__enter__()
    sim.stop()
    assert is_gone(process.pid)


def test_direct_lane_says_what_to_do_instead() -> None:
    with Simulation(lane="direct") as sim, pytest.raises(timeskip.WorkerRefused, match="wire"):
        sim.worker_process(_BUILD)


def test_what_cannot_be_handed_over_is_refused(sim: Simulation) -> None:
    with pytest.raises(timeskip.WorkerRefused, match="plain values"):
        sim.worker_process(_BUILD, callback=lambda: None)
    with pytest.raises(timeskip.WorkerRefused, match=r"package\.module:build_worker"):
        sim.worker_process("tests.faults.process_workers.build")


# -- the test itself is killed --------------------------------------------------------------------

_ENDLESS = f"""
import os, signal, sys
import timeskip

with timeskip.Simulation(lane="wire") as sim, sim.worker_process({_BUILD!r}) as process:
    if {{stopped}}:
        os.kill(process.pid, signal.SIGSTOP)
    print(process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_process_outlasts_a_test_that_is_killed(stopped: bool) -> None:
    program = [sys.executable, "-c", _ENDLESS.format(stopped=stopped)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as test:
        assert test.stdout is not None
        worker = int(test.stdout.readline())
        end = _end_of(worker)
        test.send_signal(signal.SIGKILL)
        assert end()


def _end_of(pid: int) -> Any:
    """A function that waits for the end of a process, and says whether it has come."""
    if hasattr(os, "pidfd_open"):  # not on every system
        descriptor = os.pidfd_open(pid)

        def has_ended() -> bool:
            ended, _, _ = select.select([descriptor], [], [], _PATIENCE)
            os.close(descriptor)
            return bool(ended)

        return has_ended

    def is_found_gone() -> bool:
        deadline = time.monotonic() + _PATIENCE
        while not is_gone(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        return is_gone(pid)

    return is_found_gone
