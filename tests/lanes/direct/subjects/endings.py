"""How runs end, and what they say of themselves."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from tests.lanes.direct.subjects.families import child
from tests.lanes.direct.subjects.stage import (
    DISTRICT,
    MOMENT,
    QUICKLY,
    errand,
    greet,
    local,
    refuse,
    shout,
    stumble,
)


@workflow.defn
class Fails:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(MOMENT)
        raise ApplicationError("that was it")


@workflow.defn
class IsCancelled:
    """Waits to be cancelled, and cleans up."""

    @workflow.run
    async def run(self) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.shield(errand())


@workflow.defn
class WaitsForEver:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self) -> None:
        if workflow.info().continued_run_id is None:
            await workflow.sleep(MOMENT)
            workflow.continue_as_new()


@workflow.defn
class EndsInTheMiddle:
    """Its main part ends while another part still asks for something."""

    @workflow.run
    async def run(self) -> str:
        asyncio.create_task(errand())  # noqa: RUF006 - it is to be left alone
        asyncio.create_task(workflow.sleep(MOMENT))  # noqa: RUF006
        await asyncio.sleep(0)
        return "enough"


@workflow.defn
class Describes:
    @workflow.run
    async def run(self) -> None:
        workflow.upsert_search_attributes([DISTRICT.value_set("Marais")])
        workflow.upsert_memo({"wine": "red"})
        await workflow.sleep(MOMENT, summary="a pause")


@workflow.defn
class DescribesOtherwise:
    @workflow.run
    async def run(self) -> None:
        workflow.upsert_memo({"wine": "red"})
        workflow.upsert_search_attributes([DISTRICT.value_set("Marais")])
        await workflow.sleep(MOMENT)


@workflow.defn
class DescribesOnlyMemo:
    @workflow.run
    async def run(self) -> None:
        workflow.upsert_memo({"wine": "red"})
        await workflow.sleep(MOMENT)


@workflow.defn
class Stumbles:
    """Its first workflow task fails a few times."""

    failures = 0

    @workflow.run
    async def run(self) -> None:
        if Stumbles.failures:
            Stumbles.failures -= 1
            raise KeyError("a stone")
        await errand()


@workflow.defn
class DrawsLots:
    """What it does depends on its own random numbers. It is reset, after which it has others."""

    @workflow.run
    async def run(self) -> None:
        await errand(activity_id=str(workflow.uuid4()))
        await workflow.sleep(MOMENT)
        await errand(activity_id=str(workflow.uuid4()))


@workflow.defn
class Everything:
    @workflow.run
    async def run(self) -> None:
        patched = workflow.patched("first")
        with suppress(FailureError):
            await asyncio.gather(
                errand(shout if patched else greet),
                local(),
                child(),
                workflow.sleep(MOMENT),
                errand(refuse),
            )
        workflow.upsert_memo({"all": "done"})
        await local(stumble, retry_policy=QUICKLY)
