"""Workflows for the tests of a server in another process."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import activity, workflow


@activity.defn
async def shout(word: str) -> str:
    """The word in capitals."""
    return word.upper()


@workflow.defn
class Shout:
    """One activity."""

    @workflow.run
    async def run(self, word: str) -> str:
        """What the activity said."""
        return await workflow.execute_activity(
            shout, word, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class Nap:
    """One timer."""

    @workflow.run
    async def run(self, seconds: float) -> tuple[datetime, datetime]:
        """When the nap began and ended, in the service's time."""
        began = workflow.now()
        await workflow.sleep(timedelta(seconds=seconds))
        return began, workflow.now()
