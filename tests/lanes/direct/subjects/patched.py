"""Patches."""

from __future__ import annotations

from temporalio import workflow

from tests.lanes.direct.subjects.stage import (
    MOMENT,
    errand,
    greet,
    shout,
)


@workflow.defn
class Patched:
    @workflow.run
    async def run(self) -> bool:
        patched = workflow.patched("first")
        await errand(shout if patched else greet)
        return patched


@workflow.defn
class PatchDeprecated:
    @workflow.run
    async def run(self) -> None:
        workflow.deprecate_patch("first")
        await errand(shout)


@workflow.defn
class PatchedOtherwise:
    @workflow.run
    async def run(self) -> bool:
        patched = workflow.patched("second")
        await errand(shout if patched else greet)
        return patched


@workflow.defn
class PatchedTwice:
    @workflow.run
    async def run(self) -> tuple[bool, bool]:
        first = workflow.patched("first")
        second = workflow.patched("second")
        await errand(shout if first else greet)
        return first, second


@workflow.defn
class PatchedAgainAndAgain:
    @workflow.run
    async def run(self) -> int:
        count = 0
        for _ in range(2):
            count += workflow.patched("first")
            await workflow.sleep(MOMENT)
        return count


@workflow.defn
class PatchedLater:
    @workflow.run
    async def run(self) -> bool:
        await workflow.sleep(MOMENT)
        patched = workflow.patched("first")
        await errand(shout if patched else greet)
        return patched


@workflow.defn
class PatchedThenDeprecated:
    @workflow.run
    async def run(self) -> bool:
        first = workflow.patched("first")
        workflow.deprecate_patch("second")
        await errand(shout)
        return first
