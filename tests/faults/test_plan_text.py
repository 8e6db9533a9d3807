"""The one-line form of faults: what is printed is read again as the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeskip.errors import FaultPlanError
from timeskip.faults import Rule, parse_plan, plan_text
from timeskip.faults.crash_points import KINDS
from timeskip.faults.durations import duration_text, parse_duration
from timeskip.faults.verdicts import (
    VERDICTS,
    DelayResponse,
    FailActivity,
    FailRpc,
    KillWorker,
    Latency,
    LoseAllWorkers,
    Partition,
    StopWorker,
    TerminateWorker,
    Verdict,
)
from timeskip.server.errors import StatusCode

durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))

verdicts: st.SearchStrategy[Verdict] = st.one_of(
    st.builds(KillWorker, st.none() | durations),
    st.builds(TerminateWorker, st.none() | durations),
    st.builds(StopWorker, durations),
    st.builds(DelayResponse, durations),
    st.builds(Latency, durations),
    st.builds(Partition, durations),
    st.builds(LoseAllWorkers, durations),
    st.builds(FailRpc, st.sampled_from(StatusCode), st.text()),
    st.builds(FailActivity, st.text(), st.text(), st.booleans()),
    st.sampled_from(
        [
            VERDICTS[name]()
            for name in (
                "lose-response",
                "duplicate-response",
                "time-out-activity",
                "evict-workflow",
                "drop-sticky-queue",
                "restart-server",
            )
        ]
    ),
)
patterns = st.builds(
    lambda kind, rest: f"{kind}:{rest}",
    st.sampled_from([kind for kind in KINDS if kind != "time"]),
    st.text(),
) | st.builds(lambda duration: f"time:{duration_text(duration)}", durations)
rules = st.builds(
    Rule,
    verdicts,
    patterns,
    times=st.none() | st.integers(1, 9),
    skip=st.integers(0, 9),
    optional=st.booleans(),
)


def told(rule: Rule) -> tuple[object, ...]:
    return rule.verdict, rule.at, rule.times, rule.skip, rule.optional


@given(st.lists(rules))
def test_what_is_printed_is_read_as_the_same(plan: list[Rule]) -> None:
    text = plan_text(plan)
    assert "\n" not in text
    assert list(map(told, parse_plan(text))) == list(map(told, plan))


@given(durations)
def test_durations_are_read_as_the_same(duration: timedelta) -> None:
    assert parse_duration(duration_text(duration)) == duration


@pytest.mark.parametrize(
    "text",
    [
        "kill-worker at activity:charge_card#1:before-report",
        "kill-worker at workflow-task:order-1:3 restart-after=1h; latency at activity:* by=2s",
        "fail-rpc at rpc:StartWorkflowExecution code=INTERNAL times=3",
        'fail-activity at activity:charge_card#1 message="card declined" non-retryable',
        "lose-all-workers at time:1h30m length=1h optional",
        "kill-worker at heartbeat:import#1:2 restart-after=never times=always skip=1",
        "stop-worker at activity:charge_card#1:before-report length=10m",
        "terminate-worker at time:1h; terminate-worker at time:2h restart-after=never",
    ],
)
def test_lines_of_the_documentation_are_printed_as_they_stand(text: str) -> None:
    assert plan_text(parse_plan(text)) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kill at activity:x", "there is no fault 'kill'"),
        ("kill-worker activity:x", "'kill-worker at WHERE' is needed"),
        ("kill-worker at activty:x", "has to begin with one of workflow-task:, activity:"),
        ("latency at activity:x", "latency needs by=..."),
        ("stop-worker at activity:x", "stop-worker needs length=..."),
        ("terminate-worker at activity:x length=1h", "terminate-worker has no option length"),
        ("latency at activity:x by=soon", "'soon' is not a duration"),
        ("kill-worker at activity:x often", "kill-worker has no option often"),
        ("kill-worker at activity:x times=few", "'few' is not a number"),
        ("fail-rpc at rpc:x code=BAD", "there is no gRPC status code BAD"),
        ('kill-worker at "activity:x', "a quotation mark is missing"),
        ("kill-worker at time:noon", "'noon' is not a duration"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(FaultPlanError, match=complaint.replace("(", r"\(")):
        parse_plan(text)
