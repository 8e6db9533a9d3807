"""What can be asked of a history, and what is told if the answer is none."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta, timezone

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History as Recorded

from tests.histories.recorded import named
from timeskip import NotInHistory
from timeskip.histories import History, Pattern, event


@pytest.fixture(scope="module")
def dinner() -> History:
    """A run of a workflow that does a bit of everything, of the real server."""
    return History.load(named("dinner"))


def test_run_is_told(dinner: History) -> None:
    assert dinner.workflow_type == "Dinner"
    assert dinner.status == "completed"
    assert dinner.result == "all well"
    assert dinner.failure is None


def test_failed_run_tells_its_failure() -> None:
    fails = History.load(named("Fails"))
    assert fails.status == "failed"
    assert fails.failure
    assert fails.result is None


def test_what_follows_on_the_end_does_not_open_a_run(dinner: History) -> None:
    recorded = Recorded(events=[each.recorded for each in dinner.events])
    recorded.events.add(event_id=len(recorded.events) + 1, worker_may_ignore=True)
    assert History(recorded).status == "completed"
    assert History(recorded).result == "all well"


def test_open_run_has_no_end() -> None:
    assert History.load(named("vigil")).status == "open"


def test_activity_is_found_by_its_type(dinner: History) -> None:
    candles = dinner.activities["light_candles"]
    assert candles.attempts == 3
    assert candles.args == [4]
    assert candles.status == "completed"
    assert candles.last_failure == "draught:\n\tall the candles went out"
    assert [each.type for each in candles.events] == [
        "ActivityTaskScheduled",
        "ActivityTaskStarted",
        "ActivityTaskCompleted",
    ]


def test_activity_that_fails_tells_its_failure(dinner: History) -> None:
    goose = dinner.activities["roast_goose"]
    assert goose.status == "failed"
    assert goose.failure == "the oven is cold"


def test_activity_that_has_not_ended_is_open(dinner: History) -> None:
    assert dinner.activities["wait_for_guest"].status == "open"


def test_local_activity_is_an_activity() -> None:
    [stumble] = History.load(named("LocalRetried")).activities
    assert stumble.is_local
    assert stumble.attempts == 3
    assert stumble.result == 3


def test_operations_have_an_order(dinner: History) -> None:
    assert dinner.activities.names == [
        "lay_table",
        "lay_table",
        "light_candles",
        "roast_goose",
        "wait_for_guest",
    ]
    assert [each.args for each in dinner.activities.named("lay_table")] == [[2], []]
    assert dinner.activities[-1].name == "wait_for_guest"
    assert dinner.activities[2:4].names == ["light_candles", "roast_goose"]
    assert "roast_goose" in dinner.activities  # type: ignore[comparison-overlap]
    assert "roast_swan" not in dinner.activities  # type: ignore[comparison-overlap]


def test_timers_are_told(dinner: History) -> None:
    first, second = dinner.timers
    assert (first.status, first.duration) == ("canceled", timedelta(hours=2))
    assert (second.status, second.name) == ("fired", "digest")


def test_messages_and_children_are_told(dinner: History) -> None:
    assert dinner.signals["arrive"].args == ["Grace"]
    assert dinner.updates["announce"].args == ["Barbara"]
    assert dinner.updates["announce"].result == 2
    course = dinner.children["Course"]
    assert (course.id, course.status, course.result) == ("course-soup", "completed", "soup eaten")
    assert len(dinner.nexus_operations) == 0


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("roast_goos", "there is no activity named 'roast_goos'. Did you mean 'roast_goose'?"),
        ("dance", "there is no activity named 'dance'. The activities of the history: lay_table,"),
        ("lay_table", "2 activities are named 'lay_table': choose one with .named('lay_table')[0]"),
        (7, "there is no activity number 7; The activities"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    dinner: History, key: str | int, complaint: str
) -> None:
    with pytest.raises(NotInHistory, match=re.escape(complaint)):
        dinner.activities[key]


def test_history_without_any_is_told(dinner: History) -> None:
    with pytest.raises(NotInHistory, match=r"The history has no Nexus operations\."):
        dinner.nexus_operations["payments.pay"]


def test_attributes_of_events_are_plain_values(dinner: History) -> None:
    scheduled = dinner.events("ActivityTaskScheduled")[0]
    assert scheduled.activity_type == "lay_table"
    assert scheduled.input == [2]
    assert scheduled.heartbeat_timeout == timedelta(0)
    assert scheduled.attribute("retry_policy.backoff_coefficient") == 2
    assert scheduled.time.tzinfo is timezone.utc
    assert str(scheduled) == "7 ActivityTaskScheduled"
    with pytest.raises(AttributeError, match="7 ActivityTaskScheduled: there is no 'colour'"):
        scheduled.colour  # noqa: B018


def test_events_are_found_by_type_and_attributes(dinner: History) -> None:
    assert len(dinner.events) == 60
    assert len(dinner.events("ActivityTaskScheduled")) == 4
    assert {each.type for each in dinner.events("Timer*")} == {
        "TimerCanceled",
        "TimerFired",
        "TimerStarted",
    }
    assert dinner.events.one("TimerStarted", start_to_fire_timeout=timedelta(hours=2)).id == 27


@dataclasses.dataclass
class Table:
    """What `lay_table` returns, to a workflow."""

    plates: int
    glasses: int


@pytest.mark.parametrize(
    "pattern",
    [
        event("ActivityTaskScheduled", activity_type="lay_table", input=[2]),
        event("ActivityTaskCompleted", result=[{"plates": 2, "glasses": 4}]),
        event("ActivityTaskCompleted", result=[Table(plates=2, glasses=4)]),
        event("ActivityTaskScheduled", input=lambda args: args == [4.5]),
        event("ActivityTaskScheduled", activity_type=re.compile("^roast")),
        event("ActivityTaskScheduled", retry_policy__backoff_coefficient=2, activity_id="4"),
        event("ActivityTaskFailed", failure="the oven is cold"),
        event("ActivityTaskFailed", retry_state="non retryable failure"),
        event("ActivityTaskFailed", retry_state="RETRY_STATE_NON_RETRYABLE_FAILURE"),
    ],
    ids=str,
)
def test_pattern_matches_one_event(dinner: History, pattern: Pattern) -> None:
    assert pattern.matches(dinner.events.one(pattern))


def test_event_that_is_not_there_is_told_with_the_nearest(dinner: History) -> None:
    with pytest.raises(NotInHistory) as raised:
        dinner.events.one("ActivityTaskScheduled", activity_type="roast_goose", input=[5])
    assert str(raised.value).splitlines()[:4] == [
        "no event matches ActivityTaskScheduled(activity_type='roast_goose', input=[5]).",
        "The nearest:",
        "  20 ActivityTaskScheduled",
        "    input: [4.5] is not [5]",
    ]


def test_type_that_is_misspelt_is_told_with_the_nearest(dinner: History) -> None:
    with pytest.raises(NotInHistory, match=r"The nearest:\n  56 TimerFired"):
        dinner.events.one("TimerFires")


def test_several_events_where_one_is_wanted_are_listed(dinner: History) -> None:
    with pytest.raises(NotInHistory, match="2 events match TimerStarted, not one:"):
        dinner.events.one("TimerStarted")


def test_events_are_expected_in_an_order(dinner: History) -> None:
    found = dinner.events.in_order(
        "WorkflowExecutionStarted",
        event("ActivityTaskScheduled", activity_type="light_candles"),
        "ActivityTaskCompleted",
        "WorkflowExecutionSignaled",
        "TimerFired",
    )
    assert [each.id for each in found] == [1, 14, 16, 28, 56]


def test_events_out_of_order_are_told(dinner: History) -> None:
    with pytest.raises(NotInHistory) as raised:
        dinner.events.in_order("TimerStarted", "TimerFired", "WorkflowExecutionSignaled")
    assert str(raised.value).splitlines()[:3] == [
        "no event matches WorkflowExecutionSignaled after 56 TimerFired.",
        "Found before it: 27 TimerStarted, 56 TimerFired.",
        "Earlier there is: 28 WorkflowExecutionSignaled.",
    ]


def test_history_without_events_can_be_asked() -> None:
    empty = History(Recorded())
    assert empty.status == "open"
    assert len(empty.activities) == 0
    with pytest.raises(NotInHistory, match="There are no events"):
        empty.events.one("TimerStarted")


def test_events_without_ids_are_not_taken_for_parts_of_an_operation() -> None:
    recorded = Recorded()
    scheduled = recorded.events.add(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    scheduled.activity_task_scheduled_event_attributes.activity_type.name = "cook"
    task = recorded.events.add(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    task.workflow_task_completed_event_attributes.SetInParent()
    assert History(recorded).activities["cook"].status == "open"


@pytest.mark.parametrize("payloads", [0, 2])
def test_marker_of_a_local_activity_may_be_other_than_the_core_writes_it(payloads: int) -> None:
    recorded = Recorded()
    event = recorded.events.add(event_id=1, event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    marker = event.marker_recorded_event_attributes
    marker.marker_name = "core_local_activity"
    marker.details["data"].SetInParent()
    for _ in range(payloads):
        data = marker.details["data"].payloads.add(data=b'{"complete_time": 1}')
        data.metadata["encoding"] = b"json/plain"
    history = History(recorded)
    assert len(history.activities) == (1 if payloads else 0)
    assert history.normal.events[0].HasField("marker_recorded_event_attributes")
