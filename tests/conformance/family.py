"""A workflow and its child, each driven by hand."""

from __future__ import annotations

from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse

from tests.conformance.commands import start_child
from tests.conformance.raw_worker import RawWorker
from tests.conformance.world import Run, World


class Family:
    """A parent with one child on a task queue of its own, so that nothing races."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.child_worker = RawWorker(world.client, world.unique("children"), "child-worker")
        self.child = Run(world.unique("child"))
        self.parent = Run("")

    def command(self, *arguments: Any, workflow_id: str = "", **fields: Any) -> Command:
        """The command that starts the child."""
        return start_child(
            workflow_id or self.child.workflow_id,
            *arguments,
            **{"task_queue": TaskQueue(name=self.child_worker.task_queue), **fields},
        )

    async def start(self, *arguments: Any, parent: Any = None, **fields: Any) -> None:
        """Start the parent, and let it start the child; the parent knows of it then."""
        self.parent = await self.world.start(**(parent or {}))
        await self.world.raw.run_workflow_task(self.command(*arguments, **fields))
        await self.world.raw.run_workflow_task()

    async def child_task(self) -> PollWorkflowTaskQueueResponse:
        """The child's next workflow task."""
        return await self.child_worker.poll_workflow_task()

    async def end_child(self, *commands: Command) -> None:
        """Let the child's next task end it, and wait for the parent's."""
        await self.child_worker.run_workflow_task(*commands)

    async def observe(self) -> None:
        """Note both histories, and both descriptions."""
        await self.world.observe_history("parent", self.parent)
        await self.world.observe_history("child", self.child)
        self.world.observe("parent's description", await self.world.describe(self.parent))
        self.world.observe("child's description", await self.world.describe(self.child))
