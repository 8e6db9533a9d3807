"""Clients and workers in other processes than the server's."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.api.workflowservice.v1 import ListNamespacesRequest
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.cli.raw_client import start_workflow
from tests.cli.serving import Ended, Served, run_to_end, serving
from tests.cli.workflows import Nap


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server with the virtual clock for the tests of this file that need no other."""
    with serving() as running:
        yield running


def run_nap(address: str, seconds: float) -> tuple[datetime, datetime]:
    """A real client and worker: run a nap of that many seconds; its beginning and its end."""

    async def run() -> tuple[datetime, datetime]:
        client = await Client.connect(address)
        async with Worker(
            client,
            task_queue="naps",
            workflows=[Nap],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            return await client.execute_workflow(Nap.run, seconds, id="nap", task_queue="naps")

    return asyncio.run(run())


def test_virtual_clock_skips_a_year(served: Served) -> None:
    year = timedelta(days=365)
    began, ended = run_nap(served.address, year.total_seconds())
    assert ended - began == year


def test_real_clock_waits() -> None:
    with serving("--clock", "real") as real:
        before, begun_waiting = datetime.now(timezone.utc), time.monotonic()
        began, ended = run_nap(real.address, 0.05)
        assert time.monotonic() - begun_waiting >= 0.05
        assert before <= began < ended <= datetime.now(timezone.utc)


def test_namespaces_that_are_asked_for_exist() -> None:
    with (
        serving("--namespace", "orders", "--namespace", "payments") as asked,
        grpc.insecure_channel(asked.address) as channel,
    ):
        listed = WorkflowServiceStub(channel).ListNamespaces(ListNamespacesRequest())
        names = {namespace.namespace_info.name for namespace in listed.namespaces}
        assert names == {"orders", "payments", "temporal-system"}


def test_same_seed_gives_the_same_ids() -> None:
    def first_run_id(seed: str) -> str:
        with serving("--seed", seed) as seeded, grpc.insecure_channel(seeded.address) as channel:
            return start_workflow(WorkflowServiceStub(channel), "seeded", "nobody-polls")

    first, again, other = (first_run_id(seed) for seed in ("1", "1", "2"))
    assert first == again != other


@pytest.mark.parametrize(
    "service",
    [
        "",
        "temporal.api.workflowservice.v1.WorkflowService",
        "temporal.api.operatorservice.v1.OperatorService",
    ],
)
def test_health_of_a_service(served: Served, service: str) -> None:
    with grpc.insecure_channel(served.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service(served: Served) -> None:
    with grpc.insecure_channel(served.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_temporal_cli_is_told_which_call_is_missing(served: Served) -> None:
    temporal = shutil.which("temporal")
    assert temporal is not None
    ended = run_to_end(temporal, "activity", "list", "--address", served.address)
    assert ended.exit_code == 1
    assert "ListActivityExecutions" in ended.stderr


def test_short_client_processes_end_cleanly(served: Served) -> None:
    def run_client(number: int) -> Ended:
        return run_to_end(
            sys.executable, "-m", "tests.cli.short_client", served.address, f"short-{number}"
        )

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(run_client, range(20)))
    assert ends == [Ended(0, "DONE\n", "")] * 20
