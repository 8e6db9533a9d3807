"""Workflows that call Nexus operations, and the service that they call."""

from __future__ import annotations

import asyncio
from typing import Any

import nexusrpc
import nexusrpc.handler
import temporalio.nexus
from temporalio import workflow
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client
from temporalio.workflow import NexusOperationCancellationType

from tests.lanes.direct.subjects.stage import ENOUGH, MOMENT, come_what_may, let_go_of

ENDPOINT = "kitchen"


@workflow.defn
class Simmer:
    """What an operation that takes its time starts."""

    @workflow.run
    async def run(self, dish: str) -> str:
        if dish == "stew":
            await asyncio.sleep(60)
        return f"{dish} is ready"


@nexusrpc.service
class KitchenService:
    chop: nexusrpc.Operation[str, str]
    cook: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=KitchenService)
class Kitchen:
    @nexusrpc.handler.sync_operation
    async def chop(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        if what == "stone":
            raise nexusrpc.HandlerError("too hard", type=nexusrpc.HandlerErrorType.BAD_REQUEST)
        return f"chopped {what}"

    @temporalio.nexus.workflow_run_operation
    async def cook(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, dish: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(Simmer.run, dish, id=f"simmer-{ctx.request_id}")


def kitchen() -> Any:
    return workflow.create_nexus_client(service=KitchenService, endpoint=ENDPOINT)


@workflow.defn
class Chops:
    @workflow.run
    async def run(self) -> Any:
        return await kitchen().execute_operation(
            KitchenService.chop, "onions", schedule_to_close_timeout=ENOUGH
        )


@workflow.defn
class ChopsStone:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(
            kitchen().execute_operation(
                KitchenService.chop, "stone", schedule_to_close_timeout=ENOUGH
            )
        )


@workflow.defn
class Cooks:
    @workflow.run
    async def run(self) -> Any:
        return await kitchen().execute_operation(
            KitchenService.cook, "rice", schedule_to_close_timeout=ENOUGH
        )


@workflow.defn
class CooksTooLong:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(
            kitchen().execute_operation(
                KitchenService.cook, "stew", schedule_to_close_timeout=ENOUGH / 10
            )
        )


class _CooksAndStops:
    kind = NexusOperationCancellationType.WAIT_COMPLETED

    async def go(self) -> str:
        handle = await kitchen().start_operation(
            KitchenService.cook,
            "stew",
            schedule_to_close_timeout=ENOUGH,
            cancellation_type=self.kind,
        )
        ending = await let_go_of(handle)
        await workflow.sleep(MOMENT * 20)
        return ending


@workflow.defn
class CooksAndWaits(_CooksAndStops):
    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class CooksAndRequests(_CooksAndStops):
    kind = NexusOperationCancellationType.WAIT_REQUESTED

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class CooksAndTries(_CooksAndStops):
    kind = NexusOperationCancellationType.TRY_CANCEL

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class CooksAndAbandons(_CooksAndStops):
    kind = NexusOperationCancellationType.ABANDON

    @workflow.run
    async def run(self) -> str:
        return await self.go()


RECORDED: list[type] = [
    Chops,
    ChopsStone,
    Cooks,
    CooksTooLong,
    CooksAndWaits,
    CooksAndRequests,
    CooksAndTries,
    CooksAndAbandons,
]
WORKFLOWS: list[type] = [*RECORDED, Simmer]


async def create_endpoint(client: Client, task_queue: str) -> None:
    """Let the operations be reached at the kitchen's endpoint."""
    await client.operator_service.create_nexus_endpoint(
        CreateNexusEndpointRequest(
            spec=EndpointSpec(
                name=ENDPOINT,
                target=EndpointTarget(
                    worker=EndpointTarget.Worker(namespace=client.namespace, task_queue=task_queue)
                ),
            )
        )
    )
