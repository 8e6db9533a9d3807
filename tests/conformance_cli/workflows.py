"""What the scripted session starts: plain workflows that a real worker process serves."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

TASK_QUEUE = "cli"


@activity.defn
async def compose_greeting(name: str) -> str:
    """A greeting."""
    return f"Hello, {name}!"


@activity.defn
async def ask_somebody(question: str) -> str:
    """Left open: somebody answers from the command line."""
    activity.raise_complete_async()


@workflow.defn
class Greeting:
    """One activity."""

    @workflow.run
    async def run(self, name: str) -> str:
        """The greeting."""
        return await workflow.execute_activity(
            compose_greeting, name, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class Nap:
    """One timer."""

    @workflow.run
    async def run(self) -> None:
        """Sleep for a moment."""
        await workflow.sleep(timedelta(milliseconds=1))


@workflow.defn
class Approval:
    """Waits for a signal and can be asked how it stands."""

    def __init__(self) -> None:
        self._approver: str | None = None

    @workflow.run
    async def run(self) -> str:
        """Who approved."""
        await workflow.wait_condition(lambda: self._approver is not None)
        assert self._approver is not None
        return self._approver

    @workflow.signal
    def approve(self, approver: str) -> None:
        """Approve."""
        self._approver = approver

    @workflow.query
    def state(self) -> str:
        """`waiting` or `approved`."""
        return "waiting" if self._approver is None else "approved"


@workflow.defn
class Inquiry:
    """Waits for an activity that is completed from outside."""

    @workflow.run
    async def run(self, question: str) -> str:
        """The answer."""
        return await workflow.execute_activity(
            ask_somebody,
            question,
            activity_id="ask",
            schedule_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=30),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@workflow.defn
class Refusal:
    """Fails."""

    @workflow.run
    async def run(self) -> None:
        """Fail with details."""
        raise ApplicationError("no", {"because": 7}, type="Refused", non_retryable=True)
