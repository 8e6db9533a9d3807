"""Local activities."""

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
    ONCE,
    QUICKLY,
    WHILE,
    come_what_may,
    dawdle,
    errand,
    greet,
    let_go_of,
    linger,
    local,
    refuse,
    shout,
    stumble,
)


@workflow.defn
class Local:
    @workflow.run
    async def run(self) -> Any:
        return await local()


@workflow.defn
class OtherLocal:
    @workflow.run
    async def run(self) -> Any:
        return await local(shout)


@workflow.defn
class LocalWithId:
    @workflow.run
    async def run(self) -> Any:
        return await local(activity_id="by-name")


@workflow.defn
class LocalThenErrand:
    @workflow.run
    async def run(self) -> None:
        await local()
        await errand()


@workflow.defn
class ErrandThenLocal:
    @workflow.run
    async def run(self) -> None:
        await errand()
        await local()


@workflow.defn
class TwoLocals:
    @workflow.run
    async def run(self) -> None:
        await local()
        await local(shout)


@workflow.defn
class LocalsTogether:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(local(), local(shout), workflow.sleep(MOMENT))


@workflow.defn
class LocalRefused:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(local(refuse))


@workflow.defn
class LocalRetried:
    @workflow.run
    async def run(self) -> Any:
        return await local(stumble, retry_policy=QUICKLY)


@workflow.defn
class LocalRetriedByTimer:
    @workflow.run
    async def run(self) -> Any:
        return await local(
            stumble, retry_policy=QUICKLY, local_retry_threshold=timedelta(microseconds=1)
        )


@workflow.defn
class LocalTooSlow:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(local(linger, start_to_close_timeout=WHILE, retry_policy=ONCE))


@workflow.defn
class LongLocal:
    """To be run with a workflow task timeout of a second, so that it sends heartbeats."""

    @workflow.run
    async def run(self) -> Any:
        result = await local(dawdle)
        await errand()
        return result


@workflow.defn
class LongLocalBesideNaps:
    """To be run with a workflow task timeout of a second."""

    @workflow.run
    async def run(self) -> Any:
        async def nap() -> None:
            for _ in range(3):
                await workflow.sleep(WHILE)

        return await asyncio.gather(local(dawdle), nap())


class _LocalCancelled:
    kind = ActivityCancellationType.TRY_CANCEL

    async def go(self) -> str:
        going = workflow.start_local_activity(
            linger, start_to_close_timeout=ENOUGH, cancellation_type=self.kind
        )
        await local()
        ending = await let_go_of(going)
        await workflow.sleep(MOMENT)
        return ending


@workflow.defn
class LocalCancelledTry(_LocalCancelled):
    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class LocalCancelledWait(_LocalCancelled):
    kind = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class LocalCancelledAbandon(_LocalCancelled):
    kind = ActivityCancellationType.ABANDON

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class LocalTakenBack:
    @workflow.run
    async def run(self) -> str:
        going = workflow.start_local_activity(greet, start_to_close_timeout=ENOUGH)
        ending = await let_go_of(going)
        await workflow.sleep(MOMENT)
        return ending
