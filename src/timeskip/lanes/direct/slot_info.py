"""What a slot of a worker is used for, as custom slot suppliers see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkflowSlotInfo:
    """A workflow task. `is_sticky`: it brings only what is new to a cached run."""

    workflow_type: str
    is_sticky: bool


@dataclass(frozen=True)
class ActivitySlotInfo:
    """An activity that the service knows of."""

    activity_type: str


@dataclass(frozen=True)
class LocalActivitySlotInfo:
    """A local activity."""

    activity_type: str


@dataclass(frozen=True)
class NexusSlotInfo:
    """A request to start or cancel a Nexus operation."""

    service: str
    operation: str
