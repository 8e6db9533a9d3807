"""Patches that do not do what they are for."""

from __future__ import annotations

from temporalio import workflow

from tests.histories.gallery.activities import SOON, charge, notify, reserve
from tests.histories.gallery.bug import Bug


@workflow.defn(name="Order", sandboxed=False)
class Unpatched:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class Patched:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("reserve first"):
            await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class PatchRemoved:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class PatchDeprecated:
    @workflow.run
    async def run(self) -> None:
        workflow.deprecate_patch("reserve first")
        await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class PatchUsedAgain:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("reserve first"):
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)
            await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
        await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)


@workflow.defn(name="Order", sandboxed=False)
class OldBranchChanged:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("reserve first"):
            await workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON)
            await workflow.execute_activity(charge, "a", start_to_close_timeout=SOON)
        else:
            await workflow.execute_activity(notify, "a", start_to_close_timeout=SOON)


BUGS = (
    Bug(
        "A patch was removed too early",
        PatchRemoved,
        cause="patch",
        at="execute_activity(reserve",
        asked_at="execute_activity(reserve",
        recorded_by=Patched,
    ),
    Bug(
        "A patch was deprecated too early",
        PatchDeprecated,
        cause="patch",
        at="deprecate_patch",
        asked_at="execute_activity(reserve",
        recorded_by=Unpatched,
    ),
    Bug(
        "A patch stands for two changes",
        PatchUsedAgain,
        cause="patch",
        at="execute_activity(notify",
        asked_at="execute_activity(notify",
        recorded_by=Patched,
    ),
    Bug(
        "The old branch of a patch was changed",
        OldBranchChanged,
        cause="patch",
        at="execute_activity(notify",
        asked_at="execute_activity(notify",
        recorded_by=Unpatched,
    ),
)
