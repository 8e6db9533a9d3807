"""`timeskip serve` from its announcement to its end."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
)
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from tests.cli.raw_client import start_workflow
from tests.cli.serving import PATIENCE, Ended, run_timeskip, serving

ENDED_CLEANLY = Ended(0, "", "")

STOP_SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def test_one_line_says_where_it_listens() -> None:
    with serving("--seed", "7") as served:
        assert served.announcement == (
            f"timeskip listens on {served.address} (virtual clock, namespace default, seed 7)\n"
        )


def test_announcement_in_json() -> None:
    with serving("--json", "--clock", "real", "--namespace", "a", "--namespace", "b") as served:
        assert json.loads(served.announcement) == {
            "address": served.address,
            "host": "127.0.0.1",
            "port": int(served.port),
            "clock": "real",
            "namespaces": ["a", "b"],
            "seed": 0,
        }


def test_port_that_is_asked_for_is_the_one_served() -> None:
    with serving() as first:
        port = first.port
    with serving("--port", port) as second:
        assert second.port == port


def test_port_in_use_is_refused() -> None:
    with serving() as first:
        ended = run_timeskip("serve", "--port", first.port)
        assert ended == Ended(
            1, "", f"Error: cannot listen on {first.address}: {os.strerror(errno.EADDRINUSE)}\n"
        )
        assert first.end() == ENDED_CLEANLY


@STOP_SIGNALS
def test_signal_ends_an_idle_server(number: signal.Signals) -> None:
    with serving() as served:
        assert served.end(number) == ENDED_CLEANLY


@STOP_SIGNALS
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_signal_ends_a_server_with_open_long_polls(clock: str, number: signal.Signals) -> None:
    queue = TaskQueue(name="polled")
    with serving("--clock", clock) as served, grpc.insecure_channel(served.address) as channel:
        stub = WorkflowServiceStub(channel)
        run_id = start_workflow(stub, "waited-for", "nobody-polls")
        polls: list[grpc.Future[Any]] = [
            stub.GetWorkflowExecutionHistory.future(
                GetWorkflowExecutionHistoryRequest(
                    namespace="default",
                    execution=WorkflowExecution(workflow_id="waited-for", run_id=run_id),
                    wait_new_event=True,
                )
            ),
            stub.PollActivityTaskQueue.future(
                PollActivityTaskQueueRequest(
                    namespace="default", task_queue=queue, identity="poller"
                ),
                timeout=PATIENCE,
            ),
            stub.PollWorkflowTaskQueue.future(
                PollWorkflowTaskQueueRequest(
                    namespace="default", task_queue=queue, identity="poller"
                ),
                timeout=PATIENCE,
            ),
        ]
        describe = DescribeTaskQueueRequest(
            namespace="default",
            task_queue=queue,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        while not stub.DescribeTaskQueue(describe).pollers:
            pass
        assert served.end(number) == ENDED_CLEANLY
        # The first answer holds the events known by then; the others have nothing to say.
        assert [poll.exception() is None for poll in polls] == [True, False, False]


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_signal_ends_a_busy_server(clock: str) -> None:
    with serving("--clock", clock) as served:
        client = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.busy_client", served.address],
            stdout=subprocess.PIPE,
            text=True,
        )
        with client:
            assert client.stdout is not None
            assert client.stdout.readline() == "busy\n"
            assert served.end() == ENDED_CLEANLY
            client.kill()


def test_signals_that_follow_do_not_disturb_the_end() -> None:
    with serving() as served:
        for _ in range(20):
            served.process.send_signal(signal.SIGINT)
        assert served.end(signal.SIGTERM) == ENDED_CLEANLY


@pytest.mark.skipif(sys.platform != "linux", reason="reads what the process listens on from /proc")
def test_only_loopback_is_bound() -> None:
    with serving() as served:
        assert listened_on(served.process.pid) == {("loopback", int(served.port))}


#: 127.0.0.1, and the same as an IPv6 address, in the machine's byte order.
_LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


def listened_on(pid: int) -> set[tuple[str, int]]:
    """Address (or `loopback`) and port of each socket that the process listens on."""
    process = Path("/proc") / str(pid)
    sockets = {str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (process / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *others = line.split()
            inode = others[5]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                address, _, port = local.partition(":")
                found.add(("loopback" if address in _LOOPBACK else address, int(port, 16)))
    return found
