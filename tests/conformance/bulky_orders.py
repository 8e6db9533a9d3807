"""Workflows and activities with more to say than the server takes, for the SDK's worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

LONG = timedelta(seconds=30)

#: More than a payload may have, less than a gRPC message may have.
TOO_MUCH = 2_500_000


@activity.defn
async def too_much() -> str:
    return "x" * TOO_MUCH


@activity.defn
async def beat_too_much() -> str:
    activity.heartbeat("x" * TOO_MUCH)
    try:
        await asyncio.sleep(20)
    except asyncio.CancelledError:
        return "cancelled"
    return "not cancelled"


@activity.defn
async def weigh(text: str) -> int:
    return len(text)


@workflow.defn
class BulkyActivity:
    """Its activity says too much."""

    @workflow.run
    async def run(self, name: str) -> str:
        try:
            return str(
                await workflow.execute_activity(
                    name,
                    start_to_close_timeout=LONG,
                    heartbeat_timeout=timedelta(seconds=20),
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            )
        except ActivityError as error:
            return f"{error.retry_state}: {error.cause!r}"


@workflow.defn
class BulkyWorkflow:
    """Says too much itself: in its result, to an activity, in a memo, in an answer."""

    @workflow.run
    async def run(self, where: str) -> str:
        text = "x" * TOO_MUCH
        if where == "activity":
            await workflow.execute_activity(weigh, text, start_to_close_timeout=LONG)
        elif where == "local activity":
            await workflow.execute_local_activity(too_much, start_to_close_timeout=LONG)
        elif where == "memo":
            workflow.upsert_memo({"text": text})
        elif where == "query":
            return "nothing"
        return text

    @workflow.query
    def answer(self) -> str:
        return "x" * TOO_MUCH


WORKFLOWS: list[type] = [BulkyActivity, BulkyWorkflow]
ACTIVITIES = [too_much, beat_too_much, weigh]
