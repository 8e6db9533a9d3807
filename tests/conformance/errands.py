"""Workflows with activities that are cancelled, beat, and are told things, for the SDK's worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TerminatedError

from tests.conformance.orders import pack_slowly

LONG = timedelta(seconds=60)
SOON = timedelta(milliseconds=200)


@activity.defn
async def tell_of_itself() -> dict[str, Any]:
    """What it knows of itself that is the same everywhere."""
    info = activity.info()
    return {
        "id": info.activity_id,
        "type": info.activity_type,
        "attempt": info.attempt,
        "workflow": info.workflow_type,
        "namespace": info.workflow_namespace,
        "local": info.is_local,
        "priority": str(info.priority),
        "policy": str(info.retry_policy),
        "timeouts": str(
            [info.schedule_to_close_timeout, info.start_to_close_timeout, info.heartbeat_timeout]
        ),
        "details": list(info.heartbeat_details),
    }


@activity.defn
async def beat_and_fail(beats: int) -> list[Any]:
    """Fails after many heartbeats, and says at the next attempt what it knows of them."""
    info = activity.info()
    if info.attempt > 1:
        return list(info.heartbeat_details)
    for beat in range(beats):
        activity.heartbeat("beat", beat)
    raise ApplicationError("failed", type="Failed", next_retry_delay=timedelta(milliseconds=100))


@activity.defn
async def beat_and_stop() -> list[Any]:
    """Stops to beat, and says at the next attempt what it knows of that."""
    info = activity.info()
    if info.attempt > 1:
        return list(info.heartbeat_details)
    activity.heartbeat("once")
    try:
        await asyncio.sleep(50)
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        assert details is not None
        assert details.timed_out or details.not_found
        raise
    return []


@activity.defn
async def wait_for_shutdown(gracefully: bool) -> str:
    """Is told of the end of its worker, and says at the next attempt what it was told."""
    info = activity.info()
    if info.attempt > 1:
        return f"attempt {info.attempt} after {info.heartbeat_details}"
    activity.heartbeat("begun")
    if gracefully:
        await activity.wait_for_worker_shutdown()
        return "told in time"
    try:
        await asyncio.sleep(50)
    except asyncio.CancelledError:
        activity.heartbeat(f"{activity.cancellation_details()}")
        raise
    return "not reached"


@activity.defn
async def beat_until_told() -> str:
    """Beats until it is told something, and says at the next attempt what it was told."""
    info = activity.info()
    if info.attempt > 1 or "told" in str(info.heartbeat_details):
        return f"attempt {info.attempt} after {info.heartbeat_details}"
    try:
        while True:
            activity.heartbeat("on and on")
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        activity.heartbeat(f"told {activity.cancellation_details()}")
        raise


async def outcome(awaitable: Awaitable[Any]) -> str:
    """What came of an activity, in words."""
    try:
        return str(await awaitable)
    except ActivityError as error:
        return f"{error.message}, {error.retry_state}: {error.cause!r}"
    except CancelledError as error:
        return f"cancelled: {error}"


@workflow.defn
class Cancelling:
    """Cancels its activity: at once, while it waits in a queue, or while it runs."""

    @workflow.run
    async def run(self, cancellation: int, queue: str | None, after: float) -> str:
        handle = workflow.start_activity(
            pack_slowly,
            task_queue=queue,
            start_to_close_timeout=LONG,
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=workflow.ActivityCancellationType(cancellation),
        )
        if after:
            await workflow.sleep(after)
        handle.cancel()
        return await outcome(handle)


@workflow.defn
class CancelledTwice:
    """Cancels an activity that has ended, and one that it has cancelled before."""

    @workflow.run
    async def run(self) -> list[str]:
        ended = workflow.start_activity(tell_of_itself, start_to_close_timeout=LONG)
        await ended
        cancelled = workflow.start_activity(
            pack_slowly,
            start_to_close_timeout=LONG,
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await workflow.sleep(SOON)
        outcomes = [str(ended.cancel()), str(cancelled.cancel()), str(cancelled.cancel())]
        return [*outcomes, await outcome(cancelled)]


@workflow.defn
class Errand:
    """Runs one activity by its name, remote or local."""

    @workflow.run
    async def run(self, name: str, args: list[Any], local: bool = False) -> Any:
        if local:
            return await workflow.execute_local_activity(
                name, args=args, start_to_close_timeout=LONG, schedule_to_close_timeout=2 * LONG
            )
        return await workflow.execute_activity(
            name,
            args=args,
            start_to_close_timeout=LONG,
            schedule_to_close_timeout=2 * LONG,
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(initial_interval=SOON, maximum_attempts=3),
            priority=Priority(priority_key=2),
            summary="an errand",
        )


@activity.defn
async def end_as_nobody_expects(how: str) -> str:
    """At its first attempt with a failure that the server refuses from activities."""
    if activity.info().attempt == 1:
        raise CancelledError("on my own") if how == "cancelled" else TerminatedError("on my own")
    return how


WORKFLOWS: list[type] = [Cancelling, CancelledTwice, Errand]
ACTIVITIES = [
    end_as_nobody_expects,
    pack_slowly,
    tell_of_itself,
    beat_and_fail,
    beat_and_stop,
    wait_for_shutdown,
    beat_until_told,
]
