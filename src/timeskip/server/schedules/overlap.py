"""What becomes of the actions that are due when another one of the schedule still runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import ScheduleOverlapPolicy as Policy

from timeskip.clock import Nanoseconds


@dataclass(frozen=True)
class Start:
    """An action that is due. `manual`: it was asked for, rather than named by the specification."""

    nominal: Nanoseconds
    due: Nanoseconds
    overlap_policy: Policy.ValueType
    manual: bool


@dataclass
class Decision:
    """What is to be done now about the actions that are due."""

    #: These run beside all others.
    beside: list[Start] = field(default_factory=list)
    alone: Start | None = None
    #: These wait until the one that runs has ended.
    waiting: list[Start] = field(default_factory=list)
    skipped: int = 0
    cancels: bool = False
    terminates: bool = False


def decide(
    starts: Iterable[Start],
    resolve: Callable[[Policy.ValueType], Policy.ValueType],
    *,
    is_running: bool,
) -> Decision:
    """Apply the overlap policies, each as `resolve` understands it, in the order of the starts."""
    decision = Decision()
    for start in starts:
        policy = resolve(start.overlap_policy)
        if policy == Policy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL:
            decision.beside.append(start)
        elif not is_running and decision.alone is None:
            decision.alone = start
        elif policy == Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL or (
            policy == Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE and not decision.waiting
        ):
            decision.waiting.append(start)
        elif policy not in _REPLACING:
            # A policy of a number that nobody knows skips too, but is not counted.
            decision.skipped += policy in _SKIPPING
        elif is_running:
            decision.waiting.append(start)
            decision.cancels |= policy == Policy.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER
            decision.terminates |= policy == Policy.SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER
        else:
            decision.alone = start
    if decision.cancels or decision.terminates:
        # They would be ended at once.
        decision.beside = []
    return decision


_SKIPPING = (
    Policy.SCHEDULE_OVERLAP_POLICY_SKIP,
    Policy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
)
_REPLACING = (
    Policy.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
    Policy.SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER,
)
