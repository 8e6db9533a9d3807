"""Who runs the workflows, and how, with every peer."""

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.bench.activities import double
from tests.bench.attentive import Attentive
from tests.bench.minutes import Minutes
from tests.bench.year import SleepAYear

TASK_QUEUE = "bench"


def runner(*, sandboxed: bool) -> WorkflowRunner:
    """With or without the SDK's workflow sandbox."""
    return SandboxedWorkflowRunner() if sandboxed else UnsandboxedWorkflowRunner()


def bench_worker(client: Client, runner: WorkflowRunner) -> Worker:
    """The same worker for every peer."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[SleepAYear, Minutes, Attentive],
        activities=[double],
        workflow_runner=runner,
    )
