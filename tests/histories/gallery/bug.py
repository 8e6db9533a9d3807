"""What a bug of the gallery is, and how its explanation is had."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle

from tests.histories.gallery import activities
from timeskip import Simulation
from timeskip.histories import Explanation, History, explain

Drive = Callable[[Simulation, "WorkflowHandle[Any, Any]"], Awaitable[object]]


async def until_done(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    """The way of most: wait for the result."""
    await handle.result()


@dataclass(frozen=True)
class Bug:
    """A workflow that does something else in a replay than it did when it was recorded.

    Args:
        title: What the bug is, as a heading.
        workflow: The workflow as it is now.
        cause: The kind of the likely cause that has to be found.
        at: A part of the line that has to be named as the cause's; "" if none is to be.
        asked_at: A part of the line that has to be named as the command's; "" if there is none.
        recorded_by: The workflow as it was when it was recorded, unless it is the same.
        drive: What is done with the run while it is recorded.
        then, now: In what the workflow is recorded, and replayed, such as an environment.
    """

    title: str
    workflow: type
    cause: str
    at: str
    asked_at: str
    recorded_by: type | None = None
    drive: Drive = until_done
    then: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    now: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext

    async def explanation(self) -> Explanation:
        """Record a run and replay it. The bug has to show."""
        history = await self.record()
        with self.now():
            explanation = explain(history, workflows=[self.workflow])
        assert explanation is not None, "the replay did what the history says"
        return explanation

    async def record(self) -> History:
        """The history of a run of the workflow as it was."""
        workflow: Any = self.recorded_by or self.workflow
        with self.then():
            async with Simulation(lane="direct", auto_replay=False) as sim:
                others = (activities.Shipping, activities.Returns)
                async with sim.worker(workflows=[workflow, *others], activities=activities.ALL):
                    handle = await sim.client.start_workflow(
                        workflow.run, id="order-1", task_queue=sim.task_queue
                    )
                    await self.drive(sim, handle)
                    return await sim.history(handle)
