"""What a developer reads when a test fails: the workflow's own trouble, soon, with the way out."""

from __future__ import annotations

import sys

import pytest


def test_a_bug_in_the_workflow_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from workflows import Broken

        async def test_broken(sim):
            async with sim.worker(workflows=[Broken]):
                await sim.client.execute_workflow(Broken.run, id="b", task_queue=sim.task_queue)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*WorkflowTaskFailed*", "*RuntimeError: a bug in the workflow*"])


def test_a_wait_without_end_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from workflows import Waiter

        async def test_waits(sim):
            async with sim.worker(workflows=[Waiter]):
                await sim.client.execute_workflow(Waiter.run, id="w", task_queue=sim.task_queue)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*SimulationStuck*", "*wait_condition*"])


def test_trouble_that_nobody_waited_for_fails_the_test_at_its_end(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import asyncio
        from temporalio import workflow

        ran = []

        @workflow.defn(sandboxed=False)
        class Broken:
            @workflow.run
            async def run(self) -> None:
                ran.append(True)
                raise RuntimeError("unseen so far")

        async def test_looks_away(sim):
            async with sim.worker(workflows=[Broken]):
                await sim.client.start_workflow(Broken.run, id="b", task_queue=sim.task_queue)
                while not ran:
                    await asyncio.sleep(0)
        """
    )
    result = project.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*WorkflowTaskFailed*", "*RuntimeError: unseen so far*"])


def test_a_failure_says_how_to_have_it_again(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        async def test_fails(sim):
            await sim.sleep(90)
            assert sim.seed == 0
        """
    )
    result = project.runpytest_subprocess("--timeskip-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*virtual time 0:01:30 after the start; reproduce with --timeskip-seed=7*"]
    )


def test_an_unregistered_workflow_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from workflows import Sleeper, Waiter

        async def test_forgets(sim):
            async with sim.worker(workflows=[Sleeper]):
                await sim.client.execute_workflow(Waiter.run, id="w", task_queue=sim.task_queue)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*workflow 'w' (Waiter) cannot go on*", "*Registered there: Sleeper.*"]
    )


def test_an_unregistered_activity_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from datetime import timedelta
        from temporalio import activity, workflow

        @activity.defn
        async def ship() -> None: ...

        @activity.defn
        async def charge() -> None: ...

        @workflow.defn(sandboxed=False)
        class Order:
            @workflow.run
            async def run(self) -> None:
                await workflow.execute_activity(
                    charge, start_to_close_timeout=timedelta(seconds=1)
                )

        async def test_forgets(sim):
            async with sim.worker(workflows=[Order], activities=[ship]):
                await sim.client.execute_workflow(Order.run, id="o", task_queue=sim.task_queue)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ActivityNotRegistered*'charge'*"])


def test_nondeterminism_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import asyncio
        from temporalio import workflow

        runs = []

        @workflow.defn(sandboxed=False)
        class Fickle:
            @workflow.run
            async def run(self) -> None:
                runs.append(True)
                if len(runs) == 1:
                    await asyncio.sleep(10)
                await workflow.wait_condition(lambda: False)

        async def test_replays(sim):
            async with sim.worker(workflows=[Fickle], max_cached_workflows=0):
                await sim.client.execute_workflow(Fickle.run, id="f", task_queue=sim.task_queue)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*WorkflowTaskFailed*NON_DETERMINISTIC_ERROR*"])


def test_a_thread_that_an_activity_blocks_for_good_does_not_keep_the_process(
    project: pytest.Pytester,
) -> None:
    project.makeconftest("from timeskip import left_calls\nleft_calls.PATIENCE = 0.1")
    project.makepyfile(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from datetime import timedelta
        from temporalio import activity, workflow

        @activity.defn
        def wait_for_nobody() -> None:
            threading.Event().wait()

        @workflow.defn(sandboxed=False)
        class Blocked:
            @workflow.run
            async def run(self) -> None:
                await workflow.execute_activity(
                    wait_for_nobody, start_to_close_timeout=timedelta(days=1)
                )

        async def test_is_blocked(sim):
            options = {"activities": [wait_for_nobody], "activity_executor": ThreadPoolExecutor(1)}
            async with sim.worker(workflows=[Blocked], **options):
                await sim.client.execute_workflow(Blocked.run, id="b", task_queue=sim.task_queue)
        """
    )
    result = project.runpytest_subprocess("-o", "timeskip_stall_timeout=0.3", timeout=60)
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*SimulationStalled*"])
    result.stderr.fnmatch_lines(
        [
            "*blocked for good*: activity 'wait_for_nobody' of workflow 'b'",
            "*threading.Event().wait()",
        ]
    )


def test_a_worker_that_cannot_stop_is_not_lost_before_its_event_loop(
    project: pytest.Pytester,
) -> None:
    project.makeconftest(
        """
        import gc

        def pytest_runtest_makereport(item, call):
            gc.collect()
        """
    )
    project.makepyfile(
        """
        import asyncio
        from temporalio.client import Client
        from temporalio.converter import DataConverter, PayloadCodec
        from temporalio.worker import Worker
        from workflows import Sleeper

        class Silent(PayloadCodec):
            async def encode(self, payloads):
                return payloads

            async def decode(self, payloads):
                await asyncio.Event().wait()

        async def test_waits(sim):
            converter = DataConverter(payload_codec=Silent())
            client = Client(**{**sim.client.config(), "data_converter": converter})
            queue = sim.task_queue
            async with Worker(client, task_queue=queue, workflows=[Sleeper]):
                await client.execute_workflow(Sleeper.run, 1.0, id="s", task_queue=queue)
        """
    )
    result = project.runpytest_subprocess(
        "-o", "timeskip_stall_timeout=0.3", "-o", "asyncio_mode=auto"
    )
    result.assert_outcomes(failed=1)
    assert "_WorkflowWorker.run" not in result.stdout.str() + result.stderr.str()


@pytest.mark.skipif(sys.platform == "win32", reason="no signals for single threads")
def test_what_blocks_the_event_loop_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import threading
        from datetime import timedelta
        from temporalio import activity, workflow
        from workflows import Sleeper

        @activity.defn
        async def compute_for_ever() -> None:
            while True:
                threading.Event().wait(0.01)

        @workflow.defn(sandboxed=False)
        class Computes:
            @workflow.run
            async def run(self) -> None:
                await workflow.execute_activity(
                    compute_for_ever, start_to_close_timeout=timedelta(days=1)
                )

        async def start(sim, run, *args):
            queue = sim.task_queue
            return await sim.client.start_workflow(run, args=args, id="b", task_queue=queue)

        async def test_activity(sim):
            async with sim.worker(workflows=[Computes], activities=[compute_for_ever]):
                await (await start(sim, Computes.run)).result()

        async def test_itself(sim):
            async with sim.worker(workflows=[Sleeper]):
                await start(sim, Sleeper.run, 1.0)
                threading.Event().wait()

        def test_in_another_thread(sim):
            with sim.worker(workflows=[Computes], activities=[compute_for_ever]):
                sim.run(sim.run(start(sim, Computes.run)).result())

        async def test_next_one(sim):
            async with sim.worker(workflows=[Sleeper]):
                assert await (await start(sim, Sleeper.run, 1.0)).result() == "awake"
        """
    )
    result = project.runpytest_subprocess("-o", "timeskip_stall_timeout=0.3", timeout=60)
    result.assert_outcomes(failed=3, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*SimulationStalled: *the event loop of the test has been blocked*",
            "E *in compute_for_ever: *",
            "*SimulationStalled: *the event loop of the test has been blocked*",
            "E *in test_itself: threading.Event().wait()",
            "*SimulationStalled: *the event loop of the test has been blocked*",
            "E *in compute_for_ever: *",
        ]
    )
