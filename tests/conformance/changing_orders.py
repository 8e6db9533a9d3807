"""Workflows whose code changes while they run, or that are forgotten and replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from temporalio import workflow

from tests.conformance.orders import SOON, charge

LONG = timedelta(seconds=30)


class _Waiting:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self._told = 0

    @workflow.signal
    def go_on(self) -> None:
        self._told += 1

    @workflow.query
    def told(self) -> int:
        return self._told

    async def _wait(self, times: int = 1) -> None:
        await workflow.wait_condition(lambda: self._told >= times)


async def pay(amount: int) -> str:
    return await workflow.execute_activity(
        charge, args=["Ada", amount], start_to_close_timeout=LONG
    )


@workflow.defn(name="Changing")
class Before(_Waiting):
    """The code as it was."""

    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(SOON)
        await self._wait()
        return await pay(1)


@workflow.defn(name="Changing")
class Otherwise(_Waiting):
    """The code changed without a thought."""

    @workflow.run
    async def run(self) -> str:
        await pay(2)
        await self._wait()
        return "otherwise"


@workflow.defn(name="Changing")
class Patched(_Waiting):
    """The code changed with patches, at a place that the old code has passed and at one to come."""

    @workflow.run
    async def run(self) -> str:
        if workflow.patched("first"):
            await pay(3)
        await workflow.sleep(SOON)
        await self._wait()
        first = workflow.patched("second")
        again = workflow.patched("second")
        return f"{first} {again} {await pay(4 if first else 1)}"


@workflow.defn(name="Changing")
class PatchesDeprecated(_Waiting):
    """The code as it will be once nothing old runs any more."""

    @workflow.run
    async def run(self) -> str:
        workflow.deprecate_patch("first")
        await pay(3)
        await workflow.sleep(SOON)
        await self._wait()
        workflow.deprecate_patch("second")
        return f"deprecated {await pay(4)}"


@workflow.defn
class Stepwise(_Waiting):
    """Takes a step each time that it is told to."""

    @workflow.run
    async def run(self, steps: int) -> list[str]:
        seen: list[str] = []
        for step in range(steps):
            await self._wait(step + 1)
            info = workflow.info()
            length = info.get_current_history_length()
            suggested = info.is_continue_as_new_suggested()
            seen.append(f"{length} {suggested} {await pay(step)}")
        return seen


@workflow.defn
class Stumbling(_Waiting):
    """Its task fails at the first attempt."""

    stumbled: ClassVar[set[str]] = set()

    @workflow.run
    async def run(self) -> str:
        await self._wait()
        if workflow.info().workflow_id not in self.stumbled:
            self.stumbled.add(workflow.info().workflow_id)
            raise ValueError("stumbled")
        return "got up"
