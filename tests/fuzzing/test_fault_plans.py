"""Plans of faults: what they are made of, what they shrink to, and that a failure can be repeated."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from timeskip.faults import CrashPoint, CrashPoints, parse_plan
from timeskip.faults.verdicts import Latency
from timeskip.fuzzing import Endings, FaultPlan, Surroundings, fault_plans, limits_of

_NAMES = [
    "server-restart:1",
    "workflow-task:order-1:1:before-report",
    "workflow-task:order-1:1:after-report",
    "sticky-cache:order-1:2",
    "activity:order-1/charge_card#1:before-start",
    "activity:order-1/charge_card#1:before-report",
    "heartbeat:order-1/import#1:2:after-report",
    "local-activity:order-1/weigh#1:before-report",
    "query:order-1/status#1:before-report",
    "update:order-1/approve#1:before-accept",
]


def point(name: str, time: int = 0) -> CrashPoint:
    return CrashPoint(name, name, name.partition(":")[0], name.rpartition(":")[2], time=time)


def surroundings() -> Surroundings:
    points = CrashPoints()
    for number, name in enumerate(_NAMES):
        points.add(point(name, number * 60 * 10**9))
    calls = [point("rpc:StartWorkflowExecution#1:request")]
    return Surroundings(points, calls, [], Endings([]), 0, 3600 * 10**9)


def plans(*patterns: str, **options: Any) -> st.SearchStrategy[FaultPlan]:
    limits = limits_of(fault_plans(*patterns, **options))
    assert limits is not None
    return limits.plans(surroundings())


def smallest(condition: str, *patterns: str, **options: Any) -> str:
    plan = find(
        plans(*patterns, **options),
        lambda plan: condition in plan.line,
        settings=settings(database=None),
        random=Random(0),
    )
    return plan.line


@given(plan=plans(max_kills=2, max_losses=1, max_delays=1, max_errors=1))
def test_plan_has_no_more_faults_of_a_kind_than_asked_for(plan: FaultPlan) -> None:
    kinds = {
        "kill-worker": "kill",
        "lose-all-workers": "kill",
        "evict-workflow": "kill",
        "restart-server": "kill",
        "lose-response": "loss",
        "duplicate-response": "loss",
        "drop-sticky-queue": "loss",
        "delay-response": "delay",
        "partition": "delay",
        "fail-rpc": "error",
        "fail-activity": "error",
    }
    found = [kinds[rule.verdict.name] for rule in parse_plan(plan.line)]
    assert found.count("kill") <= 2
    assert max(map(found.count, ("loss", "delay", "error"))) <= 1


def test_smallest_plan_is_empty() -> None:
    assert not find(plans(), lambda plan: True)


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("charge_card", "kill-worker at activity:order-1/charge_card#1:before-start"),
        ("card#1:before-report", "kill-worker at activity:order-1/charge_card#1:before-report"),
        ("time:", "kill-worker at time:0s"),
        ("fail-rpc", "fail-rpc at rpc:StartWorkflowExecution#1:request"),
    ],
)
def test_plan_shrinks_to_the_earliest_and_simplest_fault(condition: str, line: str) -> None:
    assert smallest(condition) == line


@pytest.mark.parametrize(
    ("kind", "thing", "again"),
    [
        ("activity", "order-1/charge_card#1:before-start", "order-1/charge_card#2:before-start"),
        ("workflow-task", "order-1:1:before-report", "order-1:1#2:before-report"),
    ],
)
def test_what_is_tried_again_can_fail_again(kind: str, thing: str, again: str) -> None:
    both = f"kill-worker at {kind}:{thing}; kill-worker at {kind}:{again}"
    assert smallest(again, kind) == both


@given(plan=plans("activity", "heartbeat"))
def test_patterns_choose_places(plan: FaultPlan) -> None:
    assert all(str(rule.at).startswith(("activity", "heartbeat")) for rule in parse_plan(plan.line))


def test_delays_are_as_long_as_allowed() -> None:
    assert "by=1m30s" in smallest("by=1m30s", longest_delay=timedelta(seconds=90))


def test_other_verdicts_are_placed_as_well() -> None:
    line = smallest("latency", others=st.just(Latency(timedelta(seconds=5))))
    assert line.startswith("latency at ")
    assert line.endswith(" by=5s times=1")


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="numbers of faults"):
        fault_plans(max_kills=-1)
    with pytest.raises(InvalidArgument, match="numbers of faults"):
        fault_plans(max_kills=0, max_losses=0, max_delays=0, max_errors=0)
