"""Calls of methods that do not exist, and of bytes that are no request."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import aio
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    StartWorkflowExecutionRequest,
)

from tests.conformance.scenario import scenario
from tests.conformance.world import World

SERVICE = "temporal.api.workflowservice.v1.WorkflowService"


async def observe_call(world: World, method: str, request: bytes) -> None:
    """Call a method with these bytes, and note the code and the words of the error."""
    async with aio.insecure_channel(world.client.service_client.config.target_host) as channel:
        call: Any = channel.unary_unary(method)
        try:
            await call(request)
        except aio.AioRpcError as error:
            # Go's protobuf library writes one of two kinds of space, lest anybody rely on it.
            words = (error.details() or "").replace("\xa0", " ")
            world.observe("error", {"code": error.code().name, "details": words})
        else:
            world.observe("error", "none")


@pytest.mark.parametrize("method", [f"/{SERVICE}/Nope", "/temporal.api.Nope/Nope"])
@scenario(speaks_grpc=True)
async def test_unknown_method_is_refused(world: World, method: str) -> None:
    await observe_call(world, method, b"")


REQUESTS = {"nothing": b"", "garbage": b"\xff\xff\xff", "a field without its value": b"\n"}


@pytest.mark.parametrize("request_", REQUESTS)
@scenario(speaks_grpc=True)
async def test_bytes_are_refused(world: World, request_: str) -> None:
    await observe_call(world, f"/{SERVICE}/DescribeWorkflowExecution", REQUESTS[request_])


@scenario(speaks_grpc=True)
async def test_request_of_more_than_four_megabytes_is_refused(world: World) -> None:
    request = StartWorkflowExecutionRequest(
        namespace=world.client.namespace,
        workflow_id=world.unique("order"),
        input=Payloads(payloads=[Payload(data=b"x" * (4 * 1024 * 1024))]),
    )
    await observe_call(world, f"/{SERVICE}/StartWorkflowExecution", request.SerializeToString())


@scenario(speaks_grpc=True)
async def test_poll_without_a_deadline_is_refused(world: World) -> None:
    request = PollWorkflowTaskQueueRequest(
        namespace=world.client.namespace, task_queue=TaskQueue(name=world.task_queue)
    )
    await observe_call(world, f"/{SERVICE}/PollWorkflowTaskQueue", request.SerializeToString())
