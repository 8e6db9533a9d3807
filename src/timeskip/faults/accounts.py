"""What faults have done, in words for somebody who wonders why a test fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from timeskip.faults.crash_points import CrashPoint
from timeskip.faults.plan_text import rule_text
from timeskip.faults.rules import Rule

_BEFALLEN = {
    "kill-worker": "the worker was killed",
    "lose-all-workers": "all workers were killed",
    "evict-workflow": "the worker lost the workflow from its cache",
    "drop-sticky-queue": "the service forgot which worker has the workflow",
    "restart-server": "the service restarted",
    "lose-response": "the connection broke",
    "duplicate-response": "the service got the request twice",
    "partition": "the worker was cut off",
    "stop-worker": "the worker was stopped",
    "terminate-worker": "the worker was told to end",
}

_CIRCUMSTANCES = {
    ("activity", "before-start"): "it had the attempt, whose code had not begun",
    ("activity", "before-report"): "the code had run to its end, and the service did not know",
    ("activity", "after-report"): "the service knew the end of the attempt",
    ("local-activity", "before-start"): "its code had not begun",
    ("local-activity", "before-report"): "its code had run to its end, the history did not say so",
    ("heartbeat", "before-report"): "the service had not heard the heartbeat",
    ("heartbeat", "after-report"): "the service had heard the heartbeat, the code went on",
    ("workflow-task", "before-report"): "the workflow had gone on, and the service did not know",
    ("workflow-task", "after-report"): "the service knew how the workflow had gone on",
    ("query", "before-start"): "the question was not yet asked",
    ("query", "before-report"): "the answer was not yet given",
    ("update", "before-accept"): "the service did not know that the update was accepted",
    ("update", "after-accept"): "the update was accepted",
    ("update", "before-complete"): "the service did not know that the update was complete",
    ("update", "after-complete"): "the update was complete",
}


def accounts(rules: Iterable[Rule]) -> Iterator[str]:
    """One line for each time that a fault has happened, in the order of the faults."""
    for rule in rules:
        for point in rule.acted_at:
            yield account(rule, point)


def account(rule: Rule, point: CrashPoint) -> str:
    """What has happened at a point: `at activity:charge_card#1:before-report the worker was ...`."""
    name = rule.at if rule.at == point.short_id else point.id
    befallen = _BEFALLEN.get(rule.verdict.name)
    told = f"at {name} " + (befallen or f"there was {rule_text(rule).partition(' at ')[0]}")
    circumstances = _CIRCUMSTANCES.get((point.kind, point.moment))
    return f"{told}: {circumstances}" if circumstances else told
