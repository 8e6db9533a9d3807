"""What the subjects have in common: activities, and ways to wait for things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError, FailureError

MOMENT = timedelta(milliseconds=10)
WHILE = timedelta(milliseconds=100)
ENOUGH = timedelta(seconds=20)
ONCE = RetryPolicy(maximum_attempts=1)
QUICKLY = RetryPolicy(initial_interval=timedelta(milliseconds=1))
DISTRICT = SearchAttributeKey.for_keyword("District")


@activity.defn
async def greet() -> str:
    return "hello"


@activity.defn
async def shout() -> str:
    return "HELLO"


@activity.defn
async def refuse() -> None:
    raise ApplicationError("no", type="Refusal", non_retryable=True)


@activity.defn
async def stumble() -> int:
    if activity.info().attempt < 3:
        raise RuntimeError("not yet")
    return activity.info().attempt


@activity.defn
async def linger() -> None:
    """Ends when it is cancelled."""
    while True:
        if not activity.info().is_local:
            activity.heartbeat()
        await asyncio.sleep(0.02)


@activity.defn
async def dawdle() -> str:
    """Takes longer than a workflow task of a second may."""
    await asyncio.sleep(1.2)
    return "at last"


ACTIVITIES = [greet, shout, refuse, stumble, linger, dawdle]


async def errand(which: Any = greet, **options: Any) -> Any:
    return await workflow.execute_activity(which, start_to_close_timeout=ENOUGH, **options)


async def local(which: Any = greet, **options: Any) -> Any:
    options.setdefault("start_to_close_timeout", ENOUGH)
    return await workflow.execute_local_activity(which, **options)


async def come_what_may(awaitable: Awaitable[Any]) -> str:
    """How it ended, in a word."""
    try:
        await awaitable
    except FailureError as error:
        return type(error.cause or error).__name__
    return "done"


async def let_go_of(task: Any) -> str:
    """Cancel something that can be awaited; says how it ended, in a word."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    except FailureError as error:
        return type(error.cause or error).__name__
    return "done"
