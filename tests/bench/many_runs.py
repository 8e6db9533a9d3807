"""What a service with very many open runs costs.

Runs are started and signalled, and then listed by a filter, for growing numbers of runs. What one
start, one signal and one listed run cost must not grow with the number of runs that are open. The
calls go straight to the service: what gRPC and the SDK cost does not depend on that number.

Each number is measured in a process of its own: what the one before has left on the heap would slow
the next one down.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from time import process_time
from typing import TypeVar

from google.protobuf.message import Message
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    CountWorkflowExecutionsResponse,
    ListWorkflowExecutionsRequest,
    ListWorkflowExecutionsResponse,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

from timeskip.clock import VirtualClock
from timeskip.server.calls import Answer, Call
from timeskip.server.rpcs import WORKFLOW_SERVICE
from timeskip.server.service import Service

_NAMESPACE = "default"
_PAGE = 1000

RUNS = (1_000, 10_000)
SIGNALS = 100
"""To each run."""

#: Half of the runs, none of which has closed.
_FILTER = 'WorkflowType = "Even" AND ExecutionStatus = "Running"'

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Cost:
    """Seconds of the processor, with `runs` open."""

    runs: int
    start: float
    """One start."""
    signal: float
    """One signal."""
    list_each: float
    """One run that the filter finds, in pages."""
    count_each: float
    """One open run, when those that the filter finds are counted."""


def measure(runs: int, signals: int) -> Cost:
    """The cost of one of each, the run's `signals` sent in turns to all runs."""
    service = Service(VirtualClock())
    _count(service)  # imports the parser of filters
    began = process_time()
    for number in range(runs):
        _start(service, number)
    started = process_time()
    for _ in range(signals):
        for number in range(runs):
            _signal(service, number)
    signalled = process_time()
    found = sum(len(page.executions) for page in _pages(service))
    listed = process_time()
    _count(service)
    counted = process_time()
    if found != (runs + 1) // 2:
        raise AssertionError(f"the filter found {found} of {runs} runs")
    return Cost(
        runs,
        start=(started - began) / runs,
        signal=(signalled - started) / (runs * signals),
        list_each=(listed - signalled) / found,
        count_each=(counted - listed) / runs,
    )


def _ask(service: Service, method: str, request: Message, answer: type[Response]) -> Response:
    answers: list[Answer] = []
    service.handle(Call(f"{WORKFLOW_SERVICE}/{method}", request, answers.append))
    (given,) = answers
    assert isinstance(given, answer), given
    return given


def _start(service: Service, number: int) -> None:
    request = StartWorkflowExecutionRequest(
        namespace=_NAMESPACE,
        workflow_id=f"run-{number}",
        request_id=f"start-{number}",
        workflow_type=WorkflowType(name="Odd" if number % 2 else "Even"),
        task_queue=TaskQueue(name="nobody"),
    )
    _ask(service, "StartWorkflowExecution", request, StartWorkflowExecutionResponse)


def _signal(service: Service, number: int) -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')
    request = SignalWorkflowExecutionRequest(
        namespace=_NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=f"run-{number}"),
        signal_name="greet",
        input=Payloads(payloads=[payload]),
    )
    _ask(service, "SignalWorkflowExecution", request, SignalWorkflowExecutionResponse)


def _pages(service: Service) -> Iterator[ListWorkflowExecutionsResponse]:
    token = b""
    while True:
        request = ListWorkflowExecutionsRequest(
            namespace=_NAMESPACE, query=_FILTER, page_size=_PAGE, next_page_token=token
        )
        page = _ask(service, "ListWorkflowExecutions", request, ListWorkflowExecutionsResponse)
        yield page
        token = page.next_page_token
        if not token:
            return


def _count(service: Service) -> None:
    request = CountWorkflowExecutionsRequest(namespace=_NAMESPACE, query=_FILTER)
    _ask(service, "CountWorkflowExecutions", request, CountWorkflowExecutionsResponse)


def measure_apart(runs: int) -> Cost:
    """The cost with so many runs, measured in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.many_runs", str(runs)]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(process.stdout))


def print_costs(console: Console, costs: Sequence[Cost]) -> None:
    """Prints one line for each number of runs, with multiples of what the first one cost.

    Starts grow a little dearer: Python now and then looks for garbage in all that is alive.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("open runs", "start", "signal", "listed run", "counted run"):
        table.add_column(column, justify="right", no_wrap=True)
    first = costs[0]
    for cost in costs:
        pairs = (
            (cost.start, first.start),
            (cost.signal, first.signal),
            (cost.list_each, first.list_each),
            (cost.count_each, first.count_each),
        )
        cells = [f"{now * 1e6:,.0f} µs {now / then:4.1f}" for now, then in pairs]
        table.add_row(f"{cost.runs:,}", *cells)
    console.print(table)


if __name__ == "__main__":
    print(json.dumps(asdict(measure(int(sys.argv[1]), SIGNALS))))
