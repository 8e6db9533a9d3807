"""Workflows with local activities, for the SDK's worker. Times are real: the core has clocks too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from tests.conformance.orders import charge

LONG = timedelta(seconds=30)


@activity.defn
async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"napped {seconds}"


@activity.defn
async def refuse(attempts: int) -> str:
    """Succeeds at this attempt."""
    attempt = activity.info().attempt
    if attempt < attempts:
        raise ApplicationError(f"refused {attempt}", attempt, type="Refused")
    return f"accepted at attempt {attempt}"


@activity.defn
async def refuse_for_good() -> None:
    raise ApplicationError("never", type="Never", non_retryable=True)


@activity.defn
async def signal_own_workflow(name: str, *values: str) -> None:
    """Its workflow task is not answered yet, so the signals wait for that."""
    handle = activity.client().get_workflow_handle(activity.info().workflow_id or "")
    for value in values:
        await handle.signal(name, value)


@activity.defn
async def cancel_own_workflow() -> None:
    """Ends when it is cancelled itself."""
    await activity.client().get_workflow_handle(activity.info().workflow_id or "").cancel()
    await asyncio.sleep(1000)


@activity.defn
async def stop_slowly(signalled: bool) -> str:
    """Ends some time after it is cancelled, in spite of that."""
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        await asyncio.sleep(0.2)
        if signalled:
            raise
    return "stopped"


async def outcome(awaitable: Awaitable[Any]) -> str:
    """What came of an activity, in words."""
    try:
        return str(await awaitable)
    except ActivityError as error:
        return f"{error.message}, {error.retry_state}: {error.cause!r}"
    except CancelledError as error:
        return f"cancelled: {error}"


@workflow.defn
class LocalNaps:
    """Naps one after the other."""

    @workflow.run
    async def run(self, naps: list[float]) -> list[str]:
        return [
            await workflow.execute_local_activity(nap, seconds, start_to_close_timeout=LONG)
            for seconds in naps
        ]


@workflow.defn
class LocalNapsTogether:
    """Naps at one time, beside an activity and a timer."""

    @workflow.run
    async def run(self, naps: list[float]) -> list[str]:
        done: list[str] = []

        async def note(name: str, awaitable: Awaitable[Any]) -> None:
            done.append(f"{name}: {await awaitable}")

        await asyncio.gather(
            note(
                "activity",
                workflow.execute_activity(charge, args=["Ada", 1], start_to_close_timeout=LONG),
            ),
            note("timer", workflow.sleep(0.5)),
            *(
                note("nap", workflow.execute_local_activity(nap, each, start_to_close_timeout=LONG))
                for each in naps
            ),
        )
        return sorted(done)


@workflow.defn
class LocalRetries:
    """Tries again soon, or after a timer, or not at all."""

    @workflow.run
    async def run(self, attempts: int, milliseconds: int, threshold: int, most: int) -> str:
        policy = RetryPolicy(
            initial_interval=timedelta(milliseconds=milliseconds),
            backoff_coefficient=1,
            maximum_attempts=most,
        )
        return await outcome(
            workflow.execute_local_activity(
                refuse,
                attempts,
                start_to_close_timeout=LONG,
                retry_policy=policy,
                local_retry_threshold=timedelta(milliseconds=threshold),
            )
        )


@workflow.defn
class LocalFailure:
    """Its activity fails for good."""

    @workflow.run
    async def run(self) -> str:
        return await outcome(
            workflow.execute_local_activity(refuse_for_good, start_to_close_timeout=LONG)
        )


@workflow.defn
class LocalTimeouts:
    """Its activity takes too long for one of its timeouts."""

    @workflow.run
    async def run(self, start_to_close: float, schedule_to_close: float, attempts: int) -> str:
        return await outcome(
            workflow.execute_local_activity(
                nap,
                1000,
                start_to_close_timeout=timedelta(seconds=start_to_close) or None,
                schedule_to_close_timeout=timedelta(seconds=schedule_to_close) or None,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=50), maximum_attempts=attempts
                ),
            )
        )


@workflow.defn
class LocalCancellation:
    """Cancels its activity, at once or after a moment, and waits for it or not."""

    @workflow.run
    async def run(self, cancellation: int, after: float, signalled: bool) -> str:
        handle = workflow.start_local_activity(
            stop_slowly,
            signalled,
            start_to_close_timeout=LONG,
            cancellation_type=workflow.ActivityCancellationType(cancellation),
        )
        if after:
            await workflow.sleep(after)
        handle.cancel()
        return await outcome(handle)


@workflow.defn
class LocalBackoffCancelled:
    """Cancels its activity between two attempts."""

    @workflow.run
    async def run(self, by_timer: bool) -> str:
        handle = workflow.start_local_activity(
            refuse,
            9,
            start_to_close_timeout=LONG,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=20)),
            local_retry_threshold=timedelta(seconds=1 if by_timer else 40),
        )
        await workflow.sleep(1.2)
        handle.cancel()
        return await outcome(handle)


@workflow.defn
class LocalMail:
    """Its activity signals it, or cancels it."""

    def __init__(self) -> None:
        self._mail: list[str] = []

    @workflow.run
    async def run(self, *values: str) -> list[str]:
        if not values:
            return [await outcome(self._cancelled())]
        await workflow.execute_local_activity(
            signal_own_workflow, args=["post", *values], start_to_close_timeout=LONG
        )
        self._mail.append("activity done")
        await workflow.wait_condition(lambda: len(self._mail) > len(values))
        return self._mail

    async def _cancelled(self) -> None:
        await workflow.execute_local_activity(cancel_own_workflow, start_to_close_timeout=LONG)

    @workflow.signal
    def post(self, text: str) -> None:
        self._mail.append(text)


@workflow.defn
class LocalDesk:
    """Its handlers use local activities."""

    def __init__(self) -> None:
        self._done = False
        self._log: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self._done and workflow.all_handlers_finished())
        return self._log

    @workflow.update
    async def pay(self, customer: str) -> str:
        paid = await workflow.execute_local_activity(
            charge, args=[customer, len(self._log)], start_to_close_timeout=LONG
        )
        self._log.append(paid)
        return paid

    @workflow.signal
    async def leave(self) -> None:
        self._log.append(
            await workflow.execute_local_activity(nap, 0.05, start_to_close_timeout=LONG)
        )
        self._done = True

    @workflow.query
    def log(self) -> list[str]:
        return self._log


@workflow.defn
class LocalChain:
    """Continues as new after a local activity, once."""

    @workflow.run
    async def run(self, last: bool) -> str:
        paid = await workflow.execute_local_activity(
            charge, args=["Ada", int(last)], start_to_close_timeout=LONG
        )
        if not last:
            workflow.continue_as_new(True)
        return paid


@workflow.defn
class LocalLeftBehind:
    """Closes while its local activity runs."""

    @workflow.run
    async def run(self) -> str:
        handle = workflow.start_local_activity(nap, 9, start_to_close_timeout=LONG)
        await workflow.sleep(1.2)
        return f"done: {handle.done()}"


WORKFLOWS: list[type] = [
    LocalNaps,
    LocalNapsTogether,
    LocalRetries,
    LocalFailure,
    LocalTimeouts,
    LocalCancellation,
    LocalBackoffCancelled,
    LocalMail,
    LocalDesk,
    LocalChain,
    LocalLeftBehind,
]
ACTIVITIES = [
    charge,
    nap,
    refuse,
    refuse_for_good,
    signal_own_workflow,
    cancel_own_workflow,
    stop_slowly,
]
