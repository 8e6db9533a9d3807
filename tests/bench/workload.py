"""What every peer is asked to run."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

TASK_QUEUE = "bench"


@activity.defn
async def double(number: int) -> int:
    return 2 * number


@workflow.defn
class SleepAYear:
    """A year of sleep, then one activity. Returns twice its argument."""

    @workflow.run
    async def run(self, number: int) -> int:
        await workflow.sleep(timedelta(days=365))
        return await workflow.execute_activity(
            double, number, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class Minutes:
    """An activity and a timer of a minute, over and over. Returns the number of rounds."""

    @workflow.run
    async def run(self, rounds: int) -> int:
        done = 0
        for _ in range(rounds):
            await workflow.execute_activity(
                double, done, start_to_close_timeout=timedelta(seconds=10)
            )
            await workflow.sleep(timedelta(minutes=1))
            done += 1
        return done


@workflow.defn
class Attentive:
    """Goes through minutes, and then waits to be told that it may end."""

    def __init__(self) -> None:
        self._rounds = 0
        self._may_end = False

    @workflow.run
    async def run(self, rounds: int) -> None:
        for _ in range(rounds):
            await workflow.execute_activity(
                double, self._rounds, start_to_close_timeout=timedelta(seconds=10)
            )
            await workflow.sleep(timedelta(minutes=1))
            self._rounds += 1
        await workflow.wait_condition(lambda: self._may_end)

    @workflow.signal
    def end(self) -> None:
        self._may_end = True

    @workflow.query
    def rounds(self) -> int:
        return self._rounds


def runner(*, sandboxed: bool) -> WorkflowRunner:
    """With or without the SDK's workflow sandbox."""
    return SandboxedWorkflowRunner() if sandboxed else UnsandboxedWorkflowRunner()


def bench_worker(client: Client, runner: WorkflowRunner, cached_workflows: int = 1000) -> Worker:
    """The same worker for every peer, unless it is to keep more than the SDK's 1,000 in its cache."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[SleepAYear, Minutes, Attentive],
        activities=[double],
        workflow_runner=runner,
        max_cached_workflows=cached_workflows,
    )
