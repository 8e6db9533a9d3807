"""What the SDK's core refuses of a worker's configuration, in its words and its order."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from temporalio.bridge.worker import (
    FixedSizeSlotSupplier,
    PollerBehavior,
    PollerBehaviorSimpleMaximum,
    WorkerConfig,
)

_DURATIONS = (
    "sticky_queue_schedule_to_start_timeout_millis",
    "max_heartbeat_throttle_interval_millis",
    "default_heartbeat_throttle_interval_millis",
    "graceful_shutdown_period_millis",
)

_POLLERS = (
    "workflow_task_poller_behavior",
    "activity_task_poller_behavior",
    "nexus_task_poller_behavior",
)

_SLOTS = (
    "workflow_slot_supplier",
    "activity_slot_supplier",
    "local_activity_slot_supplier",
    "nexus_slot_supplier",
)


def check(config: WorkerConfig, identity: str) -> None:
    """Raise what the SDK raises for a worker that cannot be; `TypeError`, `ValueError` or
    `RuntimeError`.
    """
    for field in _below_zero(config):
        raise TypeError(f"failed to extract field WorkerConfig.{field}")
    for refusal in _refusals(config):
        raise ValueError(f"Invalid worker config: {refusal}")
    if not config.namespace:
        raise not_created("Worker namespace cannot be empty")
    if not identity:
        raise not_created(
            "Client identity cannot be empty. Either lang or user should be setting this value"
        )


def not_created(cause: str) -> RuntimeError:
    """What the SDK raises if the core has made no worker."""
    return RuntimeError(f"Failed creating worker\n\nCaused by:\n    {cause}")


def _below_zero(config: WorkerConfig) -> Iterator[str]:
    """The fields that the core has no room for."""
    if config.max_cached_workflows < 0:
        yield "max_cached_workflows"
    suppliers = (getattr(config.tuner, name) for name in _SLOTS)
    if any(isinstance(each, FixedSizeSlotSupplier) and each.num_slots < 0 for each in suppliers):
        yield "tuner"
    for name in _POLLERS:
        behavior = getattr(config, name)
        if any(number < 0 for number in vars(behavior).values()):
            yield name
    for name in _DURATIONS:
        if getattr(config, name) < 0:
            yield name


def _refusals(config: WorkerConfig) -> Iterator[str]:
    for name in _POLLERS:
        yield from _of_pollers(getattr(config, name))
    rate = config.max_activities_per_second
    if rate is not None and not sys.float_info.min <= rate <= sys.float_info.max:
        yield "`max_worker_activities_per_second` must be positive and nonzero"
    pollers = config.workflow_task_poller_behavior
    if (
        config.max_cached_workflows
        and isinstance(pollers, PollerBehaviorSimpleMaximum)
        and pollers.simple_maximum < 2
    ):
        yield (
            "`max_cached_workflows` > 0 requires `workflow_task_poller_behavior` to be at least 2"
        )


def _of_pollers(behavior: PollerBehavior) -> Iterator[str]:
    if isinstance(behavior, PollerBehaviorSimpleMaximum):
        if behavior.simple_maximum < 1:
            yield "SimpleMaximum poller behavior must be at least 1"
        return
    if behavior.minimum < 1:
        yield "Autoscaling minimum poller behavior must be at least 1"
    if behavior.maximum < behavior.minimum:
        yield "Autoscaling maximum must be greater than or equal to minimum"
    if not behavior.minimum <= behavior.initial <= behavior.maximum:
        yield "Autoscaling initial must be between minimum and maximum"
