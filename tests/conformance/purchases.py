"""Workflows that buy by Nexus operations, and the shop that they buy from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
import temporalio.nexus
from nexusrpc import HandlerError, HandlerErrorType, OperationError, OperationErrorState
from temporalio import workflow
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, NexusOperationError
from temporalio.workflow import NexusOperationCancellationType

#: Seconds; long enough for everybody to hear of what was before.
_SOON = 1.2


@workflow.defn
class Delivery:
    """Delivers after a while, when it is told so, or never."""

    def __init__(self) -> None:
        self._told = ""

    @workflow.run
    async def run(self, what: str) -> str:
        try:
            if what == "letter":
                await workflow.wait_condition(lambda: bool(self._told))
            elif what in ("never", "stubborn", "too late"):
                await asyncio.sleep(100_000)
            else:
                await asyncio.sleep(_SOON)
        except asyncio.CancelledError:
            await asyncio.sleep(_SOON)
            if what == "stubborn":
                return "delivered all the same"
            raise
        if what == "nothing":
            raise ApplicationError("nothing to deliver", "details", type="Empty")
        if what == "twice":
            workflow.continue_as_new("once")
        return f"delivered {what} {self._told}".rstrip()

    @workflow.signal
    def tell(self, what: str) -> None:
        self._told = what


@nexusrpc.service
class Shop:
    """Sells at once, or delivers."""

    buy: nexusrpc.Operation[str, str]
    ask: nexusrpc.Operation[str, str]
    deliver: nexusrpc.Operation[str, str]
    share: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=Shop)
class ShopHandler:
    """`suffix` makes the ids of its workflows unique; `failures` counts what is to fail first."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._failures = 0

    @nexusrpc.handler.sync_operation
    async def buy(self, ctx: nexusrpc.handler.StartOperationContext, what: str) -> str:
        if what == "nothing":
            raise HandlerError("what?", type=HandlerErrorType.BAD_REQUEST)
        if what == "air":
            raise OperationError("sold out", state=OperationErrorState.FAILED)
        if what == "time":
            raise OperationError("changed my mind", state=OperationErrorState.CANCELED)
        if what == "trouble":
            raise ApplicationError("in trouble", "details", type="Trouble", non_retryable=True)
        if what == "patience" and self._failures == 0:
            self._failures += 1
            raise ValueError("not yet")
        return f"sold {what} {ctx.headers.get('colour', '')}".rstrip()

    @nexusrpc.handler.sync_operation
    async def ask(self, ctx: nexusrpc.handler.StartOperationContext, workflow_id: str) -> str:
        handle = temporalio.nexus.client().get_workflow_handle(workflow_id)
        await handle.signal("tell", "by the shop")
        return "told"

    @temporalio.nexus.workflow_run_operation
    async def deliver(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, what: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(
            Delivery.run,
            what,
            id=f"delivery-{what}{self._suffix}",
            run_timeout=timedelta(seconds=2) if what == "too late" else None,
        )

    @temporalio.nexus.workflow_run_operation
    async def share(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, what: str
    ) -> temporalio.nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(
            Delivery.run,
            what,
            id=f"shared{self._suffix}",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )


@nexusrpc.handler.service_handler(name="Shop")
class StubbornShopHandler:
    """Begins what it cannot cancel."""

    @nexusrpc.handler.operation_handler(name="deliver")
    def deliver(self) -> nexusrpc.handler.OperationHandler[str, str]:
        return _Stubborn()


class _Stubborn(nexusrpc.handler.OperationHandler[str, str]):
    async def start(
        self, ctx: nexusrpc.handler.StartOperationContext, input: str
    ) -> nexusrpc.handler.StartOperationResultAsync:
        return nexusrpc.handler.StartOperationResultAsync("a token")

    async def cancel(self, ctx: nexusrpc.handler.CancelOperationContext, token: str) -> None:
        raise HandlerError(f"never {token}", type=HandlerErrorType.NOT_FOUND)


def shop(endpoint: str) -> Any:
    """The shop as a workflow sees it."""
    return workflow.create_nexus_client(service=Shop, endpoint=endpoint)


@workflow.defn
class Buyer:
    """Has one operation carried out."""

    @workflow.run
    async def run(
        self, endpoint: str, operation: str, what: str, options: Mapping[str, float]
    ) -> list[str]:
        timeouts = {name: timedelta(seconds=length) for name, length in options.items()}
        try:
            said = await shop(endpoint).execute_operation(
                operation,
                what,
                output_type=str,
                headers={"Colour": "green"},
                summary="a purchase",
                **timeouts,
            )
        except NexusOperationError as error:
            return [error.message, *_causes(error)]
        return [said]


@workflow.defn
class ChangingBuyer:
    """Cancels what it has ordered, at once or once it has begun, and waits or not."""

    @workflow.run
    async def run(self, endpoint: str, what: str, cancellation: int, at_once: bool) -> list[str]:
        kind = NexusOperationCancellationType(cancellation)
        started: asyncio.Task[Any] = asyncio.create_task(
            shop(endpoint).start_operation(Shop.deliver, what, cancellation_type=kind)
        )
        try:
            if at_once:
                await asyncio.sleep(0)
                started.cancel()
            handle = await started
            if not at_once:
                handle.cancel()
            return [await handle]
        except (NexusOperationError, CancelledError, asyncio.CancelledError) as error:
            # Longer than the handler takes to end what it has begun.
            await asyncio.sleep(3)
            return [str(error), *_causes(error)]


@workflow.defn
class SharedBuyers:
    """Two operations that one workflow carries out."""

    @workflow.run
    async def run(self, endpoint: str) -> list[str]:
        first = await shop(endpoint).start_operation(Shop.share, "letter")
        second = await shop(endpoint).start_operation(Shop.share, "letter")
        told = await shop(endpoint).execute_operation(
            Shop.ask, f"shared{workflow.info().workflow_id.removeprefix('order')}"
        )
        return [told, await first, await second]


def _causes(error: BaseException) -> list[str]:
    cause = error.__cause__
    if cause is None:
        return []
    return [f"{type(cause).__name__}: {cause}", *_causes(cause)]
