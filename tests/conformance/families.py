"""Workflows with children, in chains of runs, or that reach others, for the SDK's worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ChildWorkflowError

SOON = timedelta(milliseconds=200)


@workflow.defn
class Shipping:
    """Ships once it is told to hurry, or fails, or waits for ever."""

    def __init__(self) -> None:
        self._hurry = ""

    @workflow.run
    async def run(self, what: str) -> str:
        if what == "nothing":
            raise ApplicationError("nothing to ship", type="Empty")
        if what != "slowly":
            return f"shipped {what}"
        await workflow.wait_condition(lambda: bool(self._hurry))
        return f"hurried by {self._hurry}"

    @workflow.signal
    def hurry(self, by: str) -> None:
        self._hurry = by


@workflow.defn
class StubbornShipping:
    """Succeeds at its second attempt."""

    @workflow.run
    async def run(self) -> str:
        if workflow.info().attempt < 2:
            raise ApplicationError("try again")
        return f"attempt {workflow.info().attempt}"


@workflow.defn
class Shop:
    """Has a child for each thing to be shipped, one after the other."""

    @workflow.run
    async def run(self, child: str, things: list[str]) -> list[str]:
        return [await self._ship(child, thing) for thing in things]

    async def _ship(self, child: str, thing: str) -> str:
        try:
            return await workflow.execute_child_workflow(Shipping.run, thing, id=child)
        except ChildWorkflowError as error:
            return f"{error.message}: {error.cause}"


@workflow.defn
class HurriedShop:
    """Signals its child through its handle, and another run of the child's id in vain."""

    @workflow.run
    async def run(self, child: str) -> str:
        handle = await workflow.start_child_workflow(Shipping.run, "slowly", id=child)
        await handle.signal(Shipping.hurry, "its parent")
        result = await handle
        try:
            await workflow.get_external_workflow_handle(child).signal("hurry", "too late")
        except ApplicationError as error:
            return f"{result}, then {error.message}"
        return "not reached"


@workflow.defn
class StubbornShop:
    """Its child is retried."""

    @workflow.run
    async def run(self, child: str) -> str:
        return await workflow.execute_child_workflow(
            StubbornShipping.run, id=child, retry_policy=RetryPolicy(initial_interval=SOON)
        )


@workflow.defn
class ChangedMind:
    """Cancels its child, waiting for it or not."""

    @workflow.run
    async def run(self, child: str, cancellation: int) -> str:
        handle = await workflow.start_child_workflow(
            Shipping.run,
            "slowly",
            id=child,
            cancellation_type=workflow.ChildWorkflowCancellationType(cancellation),
        )
        handle.cancel()
        try:
            await handle
        except ChildWorkflowError as error:
            return f"{error.message}: {error.cause}"
        return "not reached"


@workflow.defn
class Leaving:
    """Closes while its child is running."""

    @workflow.run
    async def run(self, child: str, policy: int) -> None:
        await workflow.start_child_workflow(
            Shipping.run,
            "slowly",
            id=child,
            parent_close_policy=workflow.ParentClosePolicy(policy),
        )


@workflow.defn
class Countdown:
    """Continues as new until it has counted to zero."""

    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1, memo={"left": left})
        return f"done in {workflow.info().first_execution_run_id != workflow.info().run_id}"


@workflow.defn
class Canceller:
    """Cancels another workflow, and says how that went."""

    @workflow.run
    async def run(self, other: str) -> str:
        try:
            await workflow.get_external_workflow_handle(other).cancel()
        except ApplicationError as error:
            return error.message
        return "asked"


@workflow.defn
class Patient:
    """Waits until it is cancelled."""

    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(100_000)
        except asyncio.CancelledError:
            return "cancelled"
        return "not reached"
