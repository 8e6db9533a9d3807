"""What `temporalio.worker.Worker` takes for the SDK's core: the same calls, the same messages."""

from __future__ import annotations

import inspect
import sys
from datetime import timedelta
from typing import Any

import temporalio.bridge.worker
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    ShutdownWorkerRequest,
    ShutdownWorkerResponse,
)
from temporalio.bridge.proto import (
    ActivityHeartbeat,
    ActivityTaskCompletion,
    NamespaceInfo,
)
from temporalio.bridge.proto.activity_task import ActivityTask
from temporalio.bridge.proto.nexus import NexusTask, NexusTaskCompletion
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.bridge.worker import (
    FixedSizeSlotSupplier,
    SlotSupplier,
    WorkerConfig,
)
from temporalio.worker import CustomSlotSupplier, Worker

from timeskip.clock import SECOND
from timeskip.lanes.direct.activity_worker import ActivitySettings, ActivityWorker
from timeskip.lanes.direct.client_workers import ClientWorker
from timeskip.lanes.direct.custom_slots import CustomSlots, ReserveContext, SlotType
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.local_activities import FinishedLocalActivity, LocalActivities
from timeskip.lanes.direct.nexus_worker import NexusWorker
from timeskip.lanes.direct.payload_limits import PayloadLimits
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.slots import FixedSlots, Slots
from timeskip.lanes.direct.workflow_worker import WorkflowSettings, WorkflowWorker
from timeskip.server.errors import ServiceError

_MILLISECOND = SECOND // 1_000

#: How many runs the SDK has a worker keep in its cache unless told otherwise. It bounds the memory of
#: workers that serve many days' runs. The runs of a test wait and wake together: with more of them than
#: that each would be evicted and replayed for each of its tasks, at twice the cost of all else.
_CACHED_UNLESS_TOLD: int = inspect.signature(Worker).parameters["max_cached_workflows"].default


class DirectBridge:
    """One worker. Its methods are those that the SDK's Python half calls, on the simulation's loop."""

    def __init__(
        self,
        requests: Requests,
        identity: WorkerIdentity,
        config: WorkerConfig,
    ) -> None:
        self._requests = requests
        self._identity = identity
        self._config = config
        self._limits = PayloadLimits()
        self._nexus = NexusWorker(
            requests,
            identity,
            self._slots(config.tuner.nexus_slot_supplier, "nexus"),
            polls=config.task_types.enable_nexus,
            grace_period=config.graceful_shutdown_period_millis * _MILLISECOND,
        )
        self._activities = ActivityWorker(
            requests,
            identity,
            _activity_settings(config),
            self._slots(config.tuner.activity_slot_supplier, "activity"),
            self._limits,
        )
        if config.task_types.enable_local_activities:
            self._activities.local_activities = LocalActivities(
                requests,
                self._slots(config.tuner.local_activity_slot_supplier, "local-activity"),
                self._activities.dispatch,
                self._local_activity_ended,
            )
        self._workflows = WorkflowWorker(
            requests,
            identity,
            _workflow_settings(config),
            self._slots(config.tuner.workflow_slot_supplier, "workflow"),
            self._activities,
            self._activities.local_activities,
            self._limits,
        )
        self.registration = ClientWorker(identity, config.task_types, self._workflows)
        self._started = False
        self._stopped = False

    @property
    def has_begun(self) -> bool:
        """Whether it has polled, or never will."""
        return self._started or self._stopped

    async def validate(self) -> NamespaceInfo:
        try:
            described = self._requests.ask(
                "DescribeNamespace",
                DescribeNamespaceRequest(namespace=self._identity.namespace),
                DescribeNamespaceResponse,
            )
        except ServiceError as error:
            raise RuntimeError(
                f"Worker validation failed: Namespace {self._identity.namespace} was not found or "
                f"otherwise could not be described: {error.message}"
            ) from error
        if not self._config.disable_payload_error_limit:
            self._limits.learn(described)
        limits = described.namespace_info.limits
        return NamespaceInfo(
            limits=NamespaceInfo.Limits(
                blob_size_limit_error=limits.blob_size_limit_error,
                memo_size_limit_error=limits.memo_size_limit_error,
            )
        )

    async def poll_workflow_activation(self) -> WorkflowActivation:
        self._start()
        activation = await self._workflows.next_activation()
        if activation is None:
            raise temporalio.bridge.worker.PollShutdownError  # type: ignore[attr-defined]
        return activation

    async def poll_activity_task(self) -> ActivityTask:
        self._start()
        task = await self._activities.next_task()
        if task is None:
            raise temporalio.bridge.worker.PollShutdownError  # type: ignore[attr-defined]
        return task

    async def poll_nexus_task(self) -> NexusTask:
        self._start()
        task = await self._nexus.next_task()
        if task is None:
            raise temporalio.bridge.worker.PollShutdownError  # type: ignore[attr-defined]
        return task

    async def complete_workflow_activation(self, completion: WorkflowActivationCompletion) -> None:
        self._workflows.completed(completion)

    async def complete_activity_task(self, completion: ActivityTaskCompletion) -> None:
        self._activities.completed(completion)

    async def complete_nexus_task(self, completion: NexusTaskCompletion) -> None:
        self._nexus.completed(completion)

    def record_activity_heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        self._activities.heartbeat(heartbeat)

    def request_workflow_eviction(self, run_id: str) -> None:
        self._workflows.evict(run_id)

    def give_up_local_activities(self) -> None:
        """The worker is dead. The SDK's core has nothing of the kind: its backoffs are real time."""
        if self._activities.local_activities is not None:
            self._activities.local_activities.give_up()

    def initiate_shutdown(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._workflows.stop()
        self._activities.stop()
        self._nexus.stop()
        self._requests.ask(
            "ShutdownWorker",
            ShutdownWorkerRequest(
                namespace=self._identity.namespace,
                sticky_task_queue=self._identity.sticky_queue,
                identity=self._identity.identity,
                worker_instance_key=self._identity.instance_key,
            ),
            ShutdownWorkerResponse,
        )

    def _start(self) -> None:
        if not self._started:
            self._started = True
            if self._config.task_types.enable_workflows:
                self._workflows.start()
            self._activities.start()
            self._nexus.start()

    def _slots(self, supplier: SlotSupplier, slot_type: SlotType) -> Slots[Any]:
        """How many tasks at a time; what a resource-based supplier would allow at most."""
        if isinstance(supplier, FixedSizeSlotSupplier):
            return FixedSlots(supplier.num_slots)
        if isinstance(supplier, temporalio.bridge.worker.ResourceBasedSlotSupplier):
            return FixedSlots(supplier.maximum_slots)
        assert isinstance(supplier, CustomSlotSupplier)
        self._requests.be_patient_with_polls()
        identity = self._identity
        context = ReserveContext(
            slot_type, identity.task_queue, identity.identity, identity.version.build_id
        )
        return CustomSlots(supplier, context)

    def _local_activity_ended(self, ended: FinishedLocalActivity) -> None:
        self._workflows.local_activity_ended(ended)


def _activity_settings(config: WorkerConfig) -> ActivitySettings:
    return ActivitySettings(
        polls=config.task_types.enable_remote_activities and not config.no_remote_activities,
        max_eager_per_task=config.max_eager_activity_reservations_per_workflow_task,
        tasks_per_second=config.max_activities_per_second,
        queue_tasks_per_second=config.max_task_queue_activities_per_second,
        longest_throttle=config.max_heartbeat_throttle_interval_millis * _MILLISECOND,
        default_throttle=config.default_heartbeat_throttle_interval_millis * _MILLISECOND,
        grace_period=config.graceful_shutdown_period_millis * _MILLISECOND,
    )


def _workflow_settings(config: WorkerConfig) -> WorkflowSettings:
    cached = config.max_cached_workflows
    return WorkflowSettings(
        cache_size=sys.maxsize if cached == _CACHED_UNLESS_TOLD else cached,
        sticky_timeout=timedelta(milliseconds=config.sticky_queue_schedule_to_start_timeout_millis),
        fails_if_nondeterministic=config.nondeterminism_as_workflow_fail,
        types_that_fail_if_nondeterministic=frozenset(
            config.nondeterminism_as_workflow_fail_for_types
        ),
    )
