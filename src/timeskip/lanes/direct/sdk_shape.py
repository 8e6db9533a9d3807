"""Whether the installed SDK is made as the direct lane expects.

The lane stands in the SDK's core's place, and that seam is no public interface: another version may
move it. Nothing here may fail to import because of that.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

#: What the lane uses of each of the SDK's private modules.
_NAMES = {
    "temporalio.service": ("_BridgeServiceClient", "ServiceClient", "RPCError"),
    "temporalio.bridge.client": ("Client",),
    "temporalio.bridge.temporal_sdk_bridge": ("PollShutdownError",),
    "temporalio.bridge.worker": (
        "FixedSizeSlotSupplier",
        "PollerBehaviorSimpleMaximum",
        "PollShutdownError",
        "ResourceBasedSlotSupplier",
        "Worker",
        "WorkerConfig",
        "WorkerTaskTypes",
        "WorkerVersioningStrategyLegacyBuildIdBased",
        "WorkerVersioningStrategyNone",
    ),
    "temporalio.bridge.proto.activity_task": ("ActivityTask", "ActivityCancelReason"),
    "temporalio.bridge.proto.nexus": ("CancelNexusTask", "NexusTask", "NexusTaskCompletion"),
    "temporalio.bridge.proto.workflow_activation": ("WorkflowActivation", "RemoveFromCache"),
    "temporalio.bridge.proto.workflow_commands": ("WorkflowCommand",),
    "temporalio.bridge.proto.workflow_completion": ("WorkflowActivationCompletion",),
    "temporalio.worker._tuning": ("SlotSupplier", "_to_bridge_slot_supplier"),
    "temporalio.worker._workflow": ("_DeadlockError", "_RunningWorkflow"),
}

_RPC_CALL = ("self", "rpc", "req", "resp_type", "service", "retry", "metadata", "timeout")

#: What a worker asks of its core, in every version that the lane knows.
_CORE = frozenset(
    {
        "complete_activity_task",
        "complete_nexus_task",
        "complete_workflow_activation",
        "finalize_shutdown",
        "initiate_shutdown",
        "poll_activity_task",
        "poll_nexus_task",
        "poll_workflow_activation",
        "record_activity_heartbeat",
        "replace_client",
        "request_workflow_eviction",
        "validate",
    }
)

#: What the lane reads of a worker's configuration.
_CONFIG = frozenset(
    {
        "activity_task_poller_behavior",
        "default_heartbeat_throttle_interval_millis",
        "graceful_shutdown_period_millis",
        "identity_override",
        "max_activities_per_second",
        "max_cached_workflows",
        "max_eager_activity_reservations_per_workflow_task",
        "max_heartbeat_throttle_interval_millis",
        "max_task_queue_activities_per_second",
        "namespace",
        "nexus_task_poller_behavior",
        "no_remote_activities",
        "nondeterminism_as_workflow_fail",
        "nondeterminism_as_workflow_fail_for_types",
        "sticky_queue_schedule_to_start_timeout_millis",
        "task_queue",
        "task_types",
        "tuner",
        "versioning_strategy",
        "workflow_task_poller_behavior",
    }
)


def differences() -> list[str]:
    """What is not as expected, each in a few words. Empty if the lane fits the SDK."""
    missing = list(_missing_names())
    return missing or list(_other_signatures())


def _missing_names() -> Iterator[str]:
    for module, names in _NAMES.items():
        try:
            found: Any = importlib.import_module(module)
        except ImportError:
            yield f"there is no module {module}"
            continue
        yield from (f"{module} has no {name}" for name in names if not hasattr(found, name))


def _other_signatures() -> Iterator[str]:
    service: Any = importlib.import_module("temporalio.service")
    core: Any = importlib.import_module("temporalio.bridge.worker")
    workflows: Any = importlib.import_module("temporalio.worker._workflow")
    call = tuple(inspect.signature(service.ServiceClient._rpc_call).parameters)
    if call != _RPC_CALL:
        yield f"ServiceClient._rpc_call takes {', '.join(call)}"
    if not isinstance(inspect.getattr_static(core.Worker, "create", None), staticmethod):
        yield "a worker's core is not made by Worker.create"
    asked = {
        name
        for name, member in vars(core.Worker).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    yield from (f"a worker's core cannot {name}" for name in sorted(_CORE - asked))
    yield from (f"a worker's core is asked to {name}" for name in sorted(asked - _CORE))
    options = {option.name for option in fields(core.WorkerConfig)}
    yield from (f"a worker has no {name}" for name in sorted(_CONFIG - options))
    for owner, name in (
        (workflows._DeadlockError, "from_deadlocked_workflow"),
        (workflows._RunningWorkflow, "attempt_deadlock_interruption"),
    ):
        if not hasattr(owner, name):
            yield f"{owner.__name__} has no {name}"
