"""Every run that a test leaves behind is replayed."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import temporalio.converter
import temporalio.worker
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ExecuteWorkflowInput,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowInterceptorClassInput,
)

from timeskip import (
    ReplayFailed,
    Simulation,
    WorkflowNotDeterministic,
    WorkflowTaskFailed,
    replays,
    stall,
)
from timeskip.lanes.selection import LaneName

pytestmark = pytest.mark.asyncio

every_lane = pytest.mark.parametrize("lane", ["wire", "direct"])

SOON = timedelta(seconds=10)


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


begun: set[str] = set()


@workflow.defn(sandboxed=False)
class Forgetful:
    """Asks for something else whenever it is run again."""

    @workflow.run
    async def run(self, seconds: float) -> None:
        if workflow.info().run_id in begun:
            await workflow.execute_activity(greet, "again", start_to_close_timeout=SOON)
        begun.add(workflow.info().run_id)
        await workflow.sleep(seconds)


@workflow.defn
class Patient:
    """Does the same each time, in the sandbox."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        greeting = await workflow.execute_activity(greet, "Ada", start_to_close_timeout=SOON)
        workflow.logger.info("has greeted")
        await workflow.sleep(seconds)
        workflow.logger.info("has slept")
        return greeting


@workflow.defn(name="Patient", sandboxed=False)
class Impatient:
    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.sleep(seconds)
        return "Hello!"


@workflow.defn(name="Patient", sandboxed=False)
class Patched:
    @workflow.run
    async def run(self, seconds: float) -> str:
        if not workflow.patched("no greeting"):
            await workflow.execute_activity(greet, "Ada", start_to_close_timeout=SOON)
        await workflow.sleep(seconds)
        return "Hello!"


@pytest.fixture(autouse=True)
def nothing_begun() -> None:
    """Simulations of one seed give their runs the same ids."""
    begun.clear()


async def leave(sim: Simulation, kind: Any, seconds: float = 1.0) -> None:
    """Start a run, and stop its worker a minute later."""
    async with sim.worker(workflows=[kind], activities=[greet]):
        await sim.client.start_workflow(kind.run, seconds, id="w", task_queue=sim.task_queue)
        await sim.sleep(timedelta(minutes=1))


@workflow.defn(sandboxed=False)
class Restless:
    """Takes a timer back if it has not begun before; the constant that is read last is as it was."""

    @workflow.run
    async def run(self, seconds: float) -> None:
        alarm = asyncio.create_task(workflow.sleep(seconds))
        await workflow.sleep(1)
        if not begun:
            begun.add("once")
            alarm.cancel()
        await workflow.sleep(SOON)


async def test_constant_is_not_blamed_for_what_other_state_has_done() -> None:
    with pytest.raises(WorkflowNotDeterministic, match=r"`begun` of module \S+ may have changed"):
        async with Simulation() as sim:
            await leave(sim, Restless, 1_000)


@every_lane
async def test_closed_run_that_does_something_else_fails(lane: LaneName) -> None:
    with pytest.raises(WorkflowNotDeterministic, match="is not deterministic") as failure:
        async with Simulation(lane=lane) as sim:
            await leave(sim, Forgetful)
    explanation = failure.value.explanation
    assert explanation is not None
    assert explanation.cause.kind == "state outside of the workflow"
    # The line that has asked for what is recorded was noted when it did.
    assert explanation.recorded_place is not None
    assert explanation.recorded_place.code is not None


@every_lane
async def test_open_run_that_does_something_else_fails(lane: LaneName) -> None:
    with pytest.raises(WorkflowNotDeterministic):
        async with Simulation(lane=lane) as sim:
            await leave(sim, Forgetful, seconds=10_000)


@every_lane
@pytest.mark.parametrize("seconds", [1.0, 10_000.0])
async def test_run_that_does_the_same_passes(lane: LaneName, seconds: float) -> None:
    async with Simulation(lane=lane) as sim:
        await leave(sim, Patient, seconds)


async def test_own_error_of_the_test_comes_first() -> None:
    async def fail() -> None:
        async with Simulation(lane="direct") as sim:
            await leave(sim, Forgetful)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def test_replays_can_be_switched_off() -> None:
    async with Simulation(lane="direct", auto_replay=False) as sim:
        await leave(sim, Forgetful)


async def test_replays_may_block_the_loop_for_longer_than_the_test_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As those of ten thousand runs do."""
    ended: list[Exception] = []

    def take_long(runs: object, **_: object) -> list[str]:
        ended.clear()
        threading.Event().wait(0.5)
        assert not ended
        return []

    monkeypatch.setattr(stall, "_GRACE", 0.0)
    monkeypatch.setattr(stall, "end_block", ended.append)
    monkeypatch.setattr(replays, "require_replays", take_long)
    async with Simulation(stall_timeout=timedelta(milliseconds=100)) as sim:
        await sim.sleep(1)


async def test_synchronous_simulation_is_checked_too() -> None:
    def use_one() -> None:
        with Simulation(lane="direct") as sim:
            sim.run(leave(sim, Forgetful))

    with pytest.raises(WorkflowNotDeterministic):
        await asyncio.to_thread(use_one)


async def test_replay_leaves_no_log_and_runs_no_activity(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even what came in since the last task: the workflow has not acted upon it yet."""
    caplog.set_level(logging.INFO)
    ran = itertools.count()

    @activity.defn(name="greet")
    async def count(name: str) -> str:
        next(ran)
        return name

    async with Simulation(lane="direct") as sim:
        async with sim.worker(workflows=[Patient], activities=[count]):
            await sim.client.start_workflow(Patient.run, 1000.0, id="w", task_queue=sim.task_queue)
            await sim.sleep(10)
        # Nobody is there to hear of it.
        await sim.sleep(2000)
        caplog.clear()
        sim.check_replays()
        assert "has slept" not in caplog.text
        assert "has greeted" not in caplog.text
    assert next(ran) == 1


async def test_run_whose_code_was_changed_with_a_patch_passes() -> None:
    async with Simulation(lane="direct") as sim:
        await leave(sim, Patient, 10_000.0)
        async with sim.worker(workflows=[Patched], activities=[greet]):
            await sim.client.get_workflow_handle("w").result()


async def test_code_that_was_changed_without_a_patch_is_explained_at_once() -> None:
    async with Simulation(lane="direct") as sim:
        await leave(sim, Patient, 10_000.0)
        async with sim.worker(workflows=[Impatient], activities=[greet]):
            with pytest.raises(WorkflowTaskFailed) as failure:
                await sim.client.get_workflow_handle("w").result()
    told = str(failure.value)
    assert "Likely cause: changed code" in told
    assert "The code is not the one that was recorded." in told
    assert "in Patient.run" in told
    assert "in Impatient.run" in told


async def test_nondeterminism_that_the_test_expects_is_not_held_against_the_run() -> None:
    async with Simulation(lane="direct") as sim:
        await leave(sim, Patient, 10_000.0)
        with sim.expect_workflow_task_failures():
            async with sim.worker(workflows=[Impatient], activities=[greet]):
                await sim.sleep(timedelta(hours=5))


async def test_workflow_that_fails_because_of_nondeterminism_has_said_so_itself() -> None:
    async with Simulation(lane="direct") as sim:
        await leave(sim, Patient, 10_000.0)
        fails = [workflow.NondeterminismError]
        worker = sim.worker(
            workflows=[Impatient], activities=[greet], workflow_failure_exception_types=fails
        )
        async with worker:
            with pytest.raises(WorkflowFailureError):
                await sim.client.get_workflow_handle("w").result()


@workflow.defn(sandboxed=False)
class Flaky:
    """Fails its second task for as long as there is something wrong."""

    wrong = True

    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.sleep(seconds)
        if Flaky.wrong:
            raise RuntimeError("not yet")
        return "done"


async def test_run_whose_tasks_failed_as_expected_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Simulation(lane="direct") as sim, sim.worker(workflows=[Flaky]):
        handle = await sim.client.start_workflow(Flaky.run, 1.0, id="w", task_queue=sim.task_queue)
        with sim.expect_workflow_task_failures():
            await sim.sleep(60)
        sim.check_replays()  # while it is open
        monkeypatch.setattr(Flaky, "wrong", False)
        assert await handle.result() == "done"


async def test_error_that_only_a_replay_raises_is_told_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Flaky, "wrong", False)
    async with Simulation(lane="direct", auto_replay=False) as sim:
        await leave(sim, Flaky)
        monkeypatch.setattr(Flaky, "wrong", True)
        with pytest.raises(ReplayFailed, match="RuntimeError: not yet") as failure:
            sim.check_replays()
    assert "in run" in str(failure.value)


@workflow.defn(sandboxed=False)
class Leaving:
    """In a replay it does not come back."""

    @workflow.run
    async def run(self, how: str) -> None:
        await workflow.sleep(1)
        if workflow.unsafe.is_replaying():
            if how == "ends the program":
                raise SystemExit
            threading.Event().wait()


@pytest.mark.parametrize("how", ["ends the program", pytest.param("waits", marks=pytest.mark.slow)])
async def test_code_that_does_not_come_back_fails_its_test_and_no_other(how: str) -> None:
    async with Simulation(lane="direct", auto_replay=False) as sim:
        async with sim.worker(workflows=[Leaving, Patient], activities=[greet]):
            await sim.client.execute_workflow(Leaving.run, how, id="l", task_queue=sim.task_queue)
        with pytest.raises(ReplayFailed, match="'l' breaks off the replay") as failure:
            sim.check_replays()
    assert "in run" in str(failure.value)
    async with Simulation(lane="direct") as sim:
        await leave(sim, Patient)


@workflow.defn(sandboxed=False)
class Generations:
    """Continues as new, has a child, and fails at last."""

    @workflow.run
    async def run(self, left: int) -> None:
        await workflow.execute_child_workflow(Patient.run, 1.0)
        if left:
            workflow.continue_as_new(left - 1)
        raise ApplicationError("enough")


async def test_runs_of_all_generations_and_children_pass() -> None:
    async with Simulation(lane="direct") as sim:
        async with sim.worker(workflows=[Generations, Patient], activities=[greet]):
            handle = await sim.client.start_workflow(
                Generations.run, 2, id="w", task_queue=sim.task_queue
            )
            await asyncio.wait([asyncio.ensure_future(handle.result())])
        assert len(sim.runs) == 6


async def test_many_runs_that_fail_are_named() -> None:
    sim = Simulation(lane="direct", auto_replay=False)
    async with sim, sim.worker(workflows=[Forgetful], activities=[greet]):
        for number in range(30):
            await sim.client.start_workflow(
                Forgetful.run, 1.0, id=f"w{number}", task_queue=sim.task_queue
            )
        await sim.sleep(60)
        with pytest.raises(WorkflowNotDeterministic, match=r"of 'w1', .* and 24 more failed"):
            sim.check_replays()


# -- with the worker's own options ----------------------------------------------------------------


class Reversed(PayloadCodec):
    """A codec that nobody reads who has not got it."""

    async def encode(self, payloads: Any) -> list[Payload]:
        await asyncio.sleep(0)
        return [
            Payload(metadata={"encoding": b"reversed"}, data=each.SerializeToString()[::-1])
            for each in payloads
        ]

    async def decode(self, payloads: Any) -> list[Payload]:
        return [Payload.FromString(each.data[::-1]) for each in payloads]


class Doubling(temporalio.worker.Interceptor):
    """Runs workflows with twice the time."""

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _Doubled


class _Doubled(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        await workflow.sleep(1)
        return await super().execute_workflow(input)


async def test_replay_has_the_codec_and_the_interceptors_of_the_worker() -> None:
    converter = DataConverter(payload_codec=Reversed())
    sim = Simulation(lane="direct", data_converter=converter)
    worker = sim.worker(workflows=[Patient], activities=[greet], interceptors=[Doubling()])
    async with sim, worker:
        handle = await sim.client.start_workflow(
            Patient.run, 1.0, id="w", task_queue=sim.task_queue
        )
        assert await handle.result() == "Hello, Ada!"


class Delaying(temporalio.worker.Interceptor):
    """Keeps in a slot for how many timers workflows wait first."""

    __slots__ = ("timers",)

    def __init__(self, timers: int) -> None:
        self.timers = timers

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _delayed(self.timers)


class DelayingRunner(UnsandboxedWorkflowRunner):
    """The same, for a runner of workflows."""

    def __init__(self, timers: int) -> None:
        self.timers = timers

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        delayed = [*det.interceptor_classes, _delayed(self.timers)]
        return super().create_instance(dataclasses.replace(det, interceptor_classes=delayed))


def _delayed(timers: int) -> type[WorkflowInboundInterceptor]:
    class Delayed(WorkflowInboundInterceptor):
        async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
            for _ in range(timers):
                await workflow.sleep(1)
            return await super().execute_workflow(input)

    return Delayed


@pytest.mark.parametrize(
    "options_for",
    [
        lambda timers: {"interceptors": [Delaying(timers)]},
        lambda timers: {"workflow_runner": DelayingRunner(timers)},
    ],
    ids=["interceptor", "runner"],
)
async def test_replay_is_not_that_of_another_worker_whose_options_have_another_state(
    options_for: Callable[[int], dict[str, Any]],
) -> None:
    for timers in (1, 2):
        async with Simulation(lane="direct") as sim:
            worker = sim.worker(workflows=[Patient], activities=[greet], **options_for(timers))
            async with worker:
                await sim.client.execute_workflow(
                    Patient.run, 1.0, id="w", task_queue=sim.task_queue
                )


async def test_payloads_are_told_as_the_codec_decodes_them() -> None:
    converter = DataConverter(payload_codec=Reversed())
    with pytest.raises(WorkflowNotDeterministic) as failure:
        async with Simulation(lane="direct", data_converter=converter) as sim:
            await leave(sim, Forgetful)
    assert 'activity greet("again")' in str(failure.value)


@dataclass
class Visits:
    stopped: list[object] = field(default_factory=list)

    def __call__(self, *arguments: object, **keywords: object) -> None:
        self.stopped.append(arguments)


@workflow.defn(sandboxed=False)
class Debugged:
    @workflow.run
    async def run(self, seconds: float) -> None:
        await workflow.sleep(seconds)
        breakpoint()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Visits:
    visits = Visits()
    monkeypatch.setattr("sys.breakpointhook", visits)
    monkeypatch.setattr("temporalio.worker._debugger._temporal_workflow_breakpoint_hook", visits)
    return visits


async def test_debugger_stops_only_once(visits: Visits) -> None:
    async with Simulation(lane="direct") as sim, sim.worker(workflows=[Debugged], debug_mode=True):
        await sim.client.execute_workflow(Debugged.run, 1.0, id="w", task_queue=sim.task_queue)
    assert len(visits.stopped) == 1
