"""The workflows and activities that scenarios run with the SDK's own worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

SOON = timedelta(milliseconds=200)


@activity.defn
async def charge(customer: str, amount: int) -> str:
    return f"charged {customer} {amount}"


@activity.defn
async def charge_at_third_attempt(customer: str) -> str:
    attempt = activity.info().attempt
    if attempt < 3:
        raise ApplicationError(f"declined {attempt}", customer, type="Declined")
    return f"charged {customer} at attempt {attempt}"


@activity.defn
async def decline(customer: str) -> None:
    raise ApplicationError("no funds", customer, type="Declined", non_retryable=True)


@activity.defn
async def pack_slowly() -> str:
    """Heartbeats until it is cancelled."""
    try:
        while True:
            activity.heartbeat("packing")
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        activity.heartbeat("stopped")
        raise


@activity.defn
async def ask_a_person() -> None:
    """Is answered from outside."""
    activity.raise_complete_async()


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"Hello, {name}!"


@workflow.defn
class Built:
    """Tells which build of its code it runs in, at each of its tasks and when asked."""

    def __init__(self) -> None:
        self._ends = False

    @workflow.run
    async def run(self) -> list[str]:
        builds = [workflow.info().get_current_build_id()]
        await workflow.sleep(1)
        builds.append(workflow.info().get_current_build_id())
        await workflow.wait_condition(lambda: self._ends)
        return [*builds, workflow.info().get_current_build_id()]

    @workflow.signal
    def end(self) -> None:
        self._ends = True

    @workflow.query
    def build(self) -> str:
        return workflow.info().get_current_build_id()


@workflow.defn
class Order:
    """Charges, waits a moment, charges again."""

    @workflow.run
    async def run(self, customer: str) -> list[str]:
        first = await workflow.execute_activity(
            charge, args=[customer, 1], start_to_close_timeout=timedelta(seconds=30)
        )
        await workflow.sleep(1)
        second = await workflow.execute_activity(
            charge, args=[customer, 2], schedule_to_close_timeout=timedelta(seconds=30)
        )
        return [first, second]


@workflow.defn
class StubbornOrder:
    """Its activity succeeds at the third attempt."""

    @workflow.run
    async def run(self, customer: str) -> str:
        return await workflow.execute_activity(
            charge_at_third_attempt,
            customer,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=SOON),
        )


@workflow.defn
class DeclinedOrder:
    """Its activity fails, and so does it, or it compensates."""

    @workflow.run
    async def run(self, compensate: bool) -> str:
        try:
            await workflow.execute_activity(
                decline, "Ada", start_to_close_timeout=timedelta(seconds=30)
            )
        except ActivityError as error:
            if not compensate:
                raise
            return f"compensated for {error.cause}"
        return "not reached"


@workflow.defn
class Approval:
    """Waits for a signal, and can be asked what it knows."""

    def __init__(self) -> None:
        self._comments: list[str] = []
        self._approved: str | None = None

    @workflow.run
    async def run(self, patience: float) -> str:
        try:
            await workflow.wait_condition(
                lambda: self._approved is not None, timeout=timedelta(seconds=patience)
            )
        except asyncio.TimeoutError:
            return "nobody approved"
        return f"approved by {self._approved} after {self._comments}"

    @workflow.signal
    def comment(self, text: str) -> None:
        self._comments.append(text)

    @workflow.signal
    def approve(self, by: str) -> None:
        self._approved = by

    @workflow.query
    def comments(self) -> list[str]:
        return self._comments

    @workflow.query
    def broken(self) -> None:
        raise ApplicationError("cannot tell", type="Broken")


@workflow.defn
class Packing:
    """Runs an activity that only ends when it is cancelled."""

    @workflow.run
    async def run(self, wait_for_it: bool) -> None:
        cancellation = (
            workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
            if wait_for_it
            else workflow.ActivityCancellationType.TRY_CANCEL
        )
        await workflow.execute_activity(
            pack_slowly,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=cancellation,
        )


@workflow.defn
class Sleeper:
    """Sleeps until it is cancelled, and cleans up."""

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.sleep(1000)
        except asyncio.CancelledError:
            await workflow.sleep(SOON)
            raise
        return "not reached"


@workflow.defn
class PersonAsked:
    """Waits for somebody to complete its activity."""

    @workflow.run
    async def run(self) -> str:
        return str(
            await workflow.execute_activity(
                "ask_a_person", start_to_close_timeout=timedelta(seconds=60)
            )
        )


@workflow.defn
class LocalOrder:
    """Charges in two local activities, of which the second has to try again."""

    @workflow.run
    async def run(self, customer: str) -> list[str]:
        first = await workflow.execute_local_activity(
            charge, args=[customer, 1], start_to_close_timeout=timedelta(seconds=30)
        )
        second = await workflow.execute_local_activity(
            charge_at_third_attempt,
            customer,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )
        return [first, second]


@workflow.defn
class PatchedOrder:
    """Has been changed with a patch."""

    @workflow.run
    async def run(self) -> str:
        if workflow.patched("charge-in-advance"):
            await workflow.sleep(SOON)
            return "in advance"
        return "afterwards"


@workflow.defn
class LabelledOrder:
    """Changes its search attributes and its memo."""

    @workflow.run
    async def run(self) -> None:
        keyword = SearchAttributeKey.for_keyword("ConformanceKeyword")
        workflow.upsert_search_attributes([keyword.value_set("green")])
        workflow.upsert_memo({"stage": "packed", "dropped": None})
        await workflow.sleep(SOON)
        workflow.upsert_search_attributes([keyword.value_unset()])


@workflow.defn
class FailingOrder:
    """Fails at each attempt but the last."""

    @workflow.run
    async def run(self, attempts: int) -> str:
        attempt = workflow.info().attempt
        if attempt < attempts:
            raise ApplicationError(f"attempt {attempt} failed", attempt, type="TryAgain")
        return f"done at attempt {attempt}"


@workflow.defn
class Clumsy:
    """Stumbles over a bug of its own."""

    @workflow.run
    async def run(self) -> None:
        raise ValueError("a bug")


@workflow.defn
class Lost:
    """Runs an activity that nobody has."""

    @workflow.run
    async def run(self) -> str:
        return str(
            await workflow.execute_activity(
                "nobody_has_it",
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        )


@workflow.defn
class ShortCircuit:
    """Starts timers and activities that it does not wait for."""

    @workflow.run
    async def run(self) -> str:
        timer = asyncio.create_task(asyncio.sleep(1000))
        await workflow.sleep(SOON)
        timer.cancel()
        await workflow.sleep(SOON)
        return "done"


@workflow.defn
class Basket:
    """Can be changed by updates until it is checked out."""

    def __init__(self) -> None:
        self._items: list[str] = []
        self._done = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self._done and workflow.all_handlers_finished())
        return self._items

    @workflow.update
    def put(self, item: str) -> int:
        self._items.append(item)
        return len(self._items)

    @put.validator
    def _check_item(self, item: str) -> None:
        if not item:
            raise ApplicationError("an item needs a name", type="Nameless")

    @workflow.update
    async def pay(self, customer: str) -> str:
        await workflow.sleep(SOON)
        return await workflow.execute_activity(
            charge, args=[customer, len(self._items)], start_to_close_timeout=timedelta(seconds=30)
        )

    @workflow.update
    async def give_back(self, item: str) -> None:
        await workflow.sleep(SOON)
        raise ApplicationError(f"{item} cannot be given back", type="Sold")

    @workflow.update
    def check_out(self) -> None:
        self._done = True
