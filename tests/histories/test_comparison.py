"""Where two histories differ, and how that is told."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    ActivityTaskCompletedEventAttributes,
    History,
    HistoryEvent,
    MarkerRecordedEventAttributes,
    TimerFiredEventAttributes,
    TimerStartedEventAttributes,
)

from tests.histories.arbitrary import histories
from timeskip.histories import first_difference


def timer_started(timer_id: str, seconds: int | None = 1) -> HistoryEvent:
    return HistoryEvent(
        event_id=1,
        event_type=EventType.EVENT_TYPE_TIMER_STARTED,
        timer_started_event_attributes=TimerStartedEventAttributes(
            timer_id=timer_id,
            start_to_fire_timeout=None if seconds is None else Duration(seconds=seconds),
        ),
    )


def timer_fired() -> HistoryEvent:
    return HistoryEvent(
        event_id=2,
        event_type=EventType.EVENT_TYPE_TIMER_FIRED,
        timer_fired_event_attributes=TimerFiredEventAttributes(timer_id="t", started_event_id=1),
    )


def activity_completed(data: bytes, encoding: bytes = b"json/plain") -> HistoryEvent:
    payload = Payload(metadata={"encoding": encoding}, data=data)
    return HistoryEvent(
        event_id=2,
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
        activity_task_completed_event_attributes=ActivityTaskCompletedEventAttributes(
            result=Payloads(payloads=[payload])
        ),
    )


def told(expected: list[HistoryEvent], actual: list[HistoryEvent]) -> str:
    """The message about the first difference."""
    difference = first_difference(History(events=expected), History(events=actual))
    assert difference is not None
    return str(difference)


@settings(max_examples=50)
@given(histories())
def test_history_does_not_differ_from_itself(history: History) -> None:
    same = History()
    same.CopyFrom(history)
    assert first_difference(history, same) is None


@settings(max_examples=50)
@given(histories(), histories())
def test_histories_that_are_not_equal_have_a_difference(left: History, right: History) -> None:
    assert (first_difference(left, right) is None) == (left == right)


def test_difference_in_an_attribute_is_told_with_its_path() -> None:
    assert told([timer_started("t", 1)], [timer_started("t", 2)]) == (
        "The histories differ at 1 TimerStarted:\n"
        "  timer_started_event_attributes.start_to_fire_timeout\n"
        "    expected: 1s\n"
        "    actual:   2s"
    )


def test_attribute_that_is_absent_differs_from_zero() -> None:
    assert told([timer_started("t", 0)], [timer_started("t", None)]) == (
        "The histories differ at 1 TimerStarted:\n"
        "  timer_started_event_attributes.start_to_fire_timeout\n"
        "    expected: 0s\n"
        "    actual:   (absent)"
    )


def test_payloads_are_told_decoded() -> None:
    before = timer_started("t")
    expected = [before, activity_completed(b'{"paid": 3}')]
    assert told(expected, [before, activity_completed(b'{"paid": 4}')]) == (
        "The histories differ at 2 ActivityTaskCompleted:\n"
        "  activity_task_completed_event_attributes.result.payloads[0].paid\n"
        "    expected: 3\n"
        "    actual:   4\n"
        "  the same before it: 1 TimerStarted"
    )


@pytest.mark.parametrize(
    ("expected", "actual", "told_of"),
    [
        (b'{"a": [1, 2]}', b'{"a": [1]}', (".a[1]", "2", "(absent)")),
        (b'{"a": 1}', b'{"b": 1}', (".a", "1", "(absent)")),
        (b'{"a": {"b": null}}', b'{"a": {"b": "x"}}', (".a.b", "null", '"x"')),
        (b'{"a": 1}', b'{"a": true}', (".a", "1", "true")),
        (b"3", b"4", ("", "3", "4")),
        (b"{", b"}", ("", "{", "}")),
    ],
)
def test_difference_inside_json_is_told_with_its_place(
    expected: bytes, actual: bytes, told_of: tuple[str, str, str]
) -> None:
    difference = first_difference(
        History(events=[activity_completed(expected)]), History(events=[activity_completed(actual)])
    )
    assert difference is not None
    path = difference.path.removeprefix(
        "activity_task_completed_event_attributes.result.payloads[0]"
    )
    assert (path, difference.expected, difference.actual) == told_of


def test_payloads_that_differ_in_metadata_only_are_told_in_full() -> None:
    message = told([activity_completed(b"1")], [activity_completed(b"1", b"json/protobuf")])
    assert "json/plain" in message
    assert "json/protobuf" in message


def test_another_event_is_told_with_what_follows() -> None:
    assert told([timer_started("t"), timer_fired()], [timer_fired()]) == (
        "The histories differ at event 1:\n"
        "    expected: 1 TimerStarted {timer_id: 't', start_to_fire_timeout: 1s}, "
        "then 2 TimerFired\n"
        "    actual:   2 TimerFired {timer_id: 't', started_event_id: 1}"
    )


def test_history_that_ends_early_is_told_so() -> None:
    assert told([timer_started("t"), timer_fired()], [timer_started("t")]) == (
        "The histories differ at event 2:\n"
        "    expected: 2 TimerFired {timer_id: 't', started_event_id: 1}\n"
        "    actual:   no more events\n"
        "  the same before it: 1 TimerStarted"
    )


def test_entry_of_a_map_is_told_with_its_key() -> None:
    def marker(key: str) -> HistoryEvent:
        details = {key: Payloads(payloads=[Payload(data=b"x")])}
        return HistoryEvent(
            event_id=1,
            event_type=EventType.EVENT_TYPE_MARKER_RECORDED,
            marker_recorded_event_attributes=MarkerRecordedEventAttributes(details=details),
        )

    message = told([marker("data")], [marker("other")])
    assert "marker_recorded_event_attributes.details['data']" in message
    assert "actual:   (absent)" in message


def test_event_type_that_nobody_knows_is_told_by_its_number() -> None:
    message = told([HistoryEvent(event_id=1, event_type=9999)], [timer_started("t")])  # type: ignore[arg-type]
    assert "expected: 1 event of type 9999 {}" in message
