"""Timers and activities."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.workflow import (
    ActivityCancellationType,
)

from tests.lanes.direct.subjects.stage import (
    ENOUGH,
    MOMENT,
    WHILE,
    come_what_may,
    errand,
    greet,
    let_go_of,
    linger,
    refuse,
    shout,
)


@workflow.defn
class Nap:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(MOMENT)


@workflow.defn
class TwoNaps:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(MOMENT)
        await workflow.sleep(MOMENT)


@workflow.defn
class NapsTogether:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(workflow.sleep(MOMENT), workflow.sleep(2 * MOMENT))


@workflow.defn
class NapTakenBack:
    @workflow.run
    async def run(self) -> None:
        nap = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        await let_go_of(nap)
        await errand()


@workflow.defn
class NapCutShort:
    @workflow.run
    async def run(self) -> None:
        nap = asyncio.create_task(asyncio.sleep(60))
        await errand()
        await let_go_of(nap)
        await errand(shout)


@workflow.defn
class Nothing:
    @workflow.run
    async def run(self) -> str:
        return "nothing"


@workflow.defn
class Errand:
    @workflow.run
    async def run(self) -> Any:
        return await errand()


@workflow.defn
class OtherErrand:
    @workflow.run
    async def run(self) -> Any:
        return await errand(shout)


@workflow.defn
class ErrandWithId:
    @workflow.run
    async def run(self) -> Any:
        return await errand(activity_id="by-name")


@workflow.defn
class ErrandThenNap:
    @workflow.run
    async def run(self) -> None:
        await errand()
        await workflow.sleep(MOMENT)


@workflow.defn
class NapThenErrand:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(MOMENT)
        await errand()


@workflow.defn
class ErrandsTogether:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(errand(), errand(shout))


@workflow.defn
class ErrandsTheOtherWayRound:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(errand(shout), errand())


@workflow.defn
class ErrandRefused:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(errand(refuse))


@workflow.defn
class ErrandTooLate:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(errand(task_queue="nobody", schedule_to_start_timeout=MOMENT))


class _ErrandCancelled:
    kind = ActivityCancellationType.TRY_CANCEL

    async def go(self) -> str:
        going = workflow.start_activity(
            linger,
            start_to_close_timeout=ENOUGH,
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=self.kind,
        )
        await workflow.sleep(WHILE)
        ending = await let_go_of(going)
        await errand()
        return ending


@workflow.defn
class ErrandCancelledTry(_ErrandCancelled):
    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ErrandCancelledWait(_ErrandCancelled):
    kind = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ErrandCancelledAbandon(_ErrandCancelled):
    kind = ActivityCancellationType.ABANDON

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ErrandCancelledUnstarted:
    @workflow.run
    async def run(self) -> str:
        going = workflow.start_activity(
            greet,
            start_to_close_timeout=ENOUGH,
            task_queue="nobody",
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await workflow.sleep(MOMENT)
        return await let_go_of(going)


@workflow.defn
class ErrandTakenBack:
    @workflow.run
    async def run(self) -> str:
        going = workflow.start_activity(greet, start_to_close_timeout=ENOUGH)
        ending = await let_go_of(going)
        await workflow.sleep(MOMENT)
        return ending
