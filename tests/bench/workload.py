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
