"""Where a worker calls its core: on the simulation's loop, whichever its own is."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from temporalio.bridge.proto import (
    ActivityHeartbeat,
    ActivityTaskCompletion,
    NamespaceInfo,
)
from temporalio.bridge.proto.activity_task import ActivityTask
from temporalio.bridge.proto.nexus import NexusTask, NexusTaskCompletion
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from timeskip.errors import WorkerRefused
from timeskip.lanes.direct.bridge import DirectBridge
from timeskip.lanes.direct.client import DirectClient
from timeskip.lanes.direct.client_workers import ClientWorkers, RegistrationError

if TYPE_CHECKING:
    from timeskip.lanes.direct.lane import DirectLane


class WorkerAccess:
    """What the SDK's worker has in the place of its core.

    Most workers run on the simulation's own loop, and then there is nothing to do but to pass calls
    on. A worker in a thread of the user's has another.
    """

    def __init__(self, lane: DirectLane, bridge: DirectBridge) -> None:
        self._lane = lane
        self._bridge = bridge
        #: The workers of its client, itself among them until it is told to stop.
        self._beside: ClientWorkers | None = None
        #: Those that are on their way to the simulation's loop.
        self._heartbeats: deque[ActivityHeartbeat] = deque()

    @property
    def has_begun(self) -> bool:
        """Whether it has polled, or never will."""
        return self._bridge.has_begun

    def validate(self) -> Coroutine[Any, Any, NamespaceInfo]:
        return self._lane.at_home(self._bridge.validate)

    def poll_workflow_activation(self) -> Coroutine[Any, Any, WorkflowActivation]:
        return self._lane.at_home(self._bridge.poll_workflow_activation)

    def poll_activity_task(self) -> Coroutine[Any, Any, ActivityTask]:
        return self._lane.at_home(self._bridge.poll_activity_task)

    def poll_nexus_task(self) -> Coroutine[Any, Any, NexusTask]:
        return self._lane.at_home(self._bridge.poll_nexus_task)

    def complete_workflow_activation(
        self, completion: WorkflowActivationCompletion
    ) -> Coroutine[Any, Any, None]:
        return self._lane.at_home(lambda: self._bridge.complete_workflow_activation(completion))

    def complete_activity_task(
        self, completion: ActivityTaskCompletion
    ) -> Coroutine[Any, Any, None]:
        return self._lane.at_home(lambda: self._complete_activity_task(completion))

    def complete_nexus_task(self, completion: NexusTaskCompletion) -> Coroutine[Any, Any, None]:
        return self._lane.at_home(lambda: self._bridge.complete_nexus_task(completion))

    def record_activity_heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        self._heartbeats.append(heartbeat)
        self._lane.tell_home(self._record_heartbeats)

    def request_workflow_eviction(self, run_id: str) -> None:
        self._lane.tell_home(lambda: self._bridge.request_workflow_eviction(run_id))

    def give_up_local_activities(self) -> None:
        self._lane.tell_home(self._bridge.give_up_local_activities)

    def join(self, workers: ClientWorkers) -> None:
        """Become one of the workers of a client. Raises `RegistrationError`."""
        workers.add(self._bridge.registration)
        self._beside = workers

    def replace_client(self, client: object) -> None:
        """Every client of this simulation reaches the same service, but each has its own workers."""
        if not isinstance(client, DirectClient) or client.lane is not self._lane:
            raise WorkerRefused(
                "a worker of the direct lane cannot change to a client of another service; make "
                'another worker with that client, or take lane="wire"'
            )

        try:
            if self._beside is None:
                raise RegistrationError("Worker not in all_workers during slot provider unregister")
            self._leave()
            self.join(client.workers)
        except RegistrationError as error:
            raise ValueError(f"Failed replacing client: {error}") from None

    def _leave(self) -> None:
        workers, self._beside = self._beside, None
        if workers is not None:
            workers.remove(self._bridge.registration)

    def initiate_shutdown(self) -> None:
        self._leave()
        self._lane.tell_home(self._bridge.initiate_shutdown)

    async def finalize_shutdown(self) -> None:
        """Nothing outlives the shutdown."""

    async def _complete_activity_task(self, completion: ActivityTaskCompletion) -> None:
        # A thread of the activity may have sent some while the activity waited for it.
        self._record_heartbeats()
        await self._bridge.complete_activity_task(completion)

    def _record_heartbeats(self) -> None:
        while self._heartbeats:
            self._bridge.record_activity_heartbeat(self._heartbeats.popleft())
