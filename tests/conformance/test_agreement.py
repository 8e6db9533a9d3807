"""The comparison of what two servers were observed to do: it has to see what differs."""

from __future__ import annotations

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    History,
    HistoryEvent,
    TimerFiredEventAttributes,
    WorkflowExecutionSignaledEventAttributes,
)
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse

from tests.conformance.agreement import disagreement
from tests.conformance.lanes import Record
from tests.conformance.observations import Observation, Observations

ID = "0dd8c9a3-6d5c-4f0e-8f0a-2f5c6a1b7e11"
OTHER_ID = "7b1f4f4e-93a7-4f63-9a53-0a2a1f0b6c22"


def record(*noted: tuple[str, object], error: str | None = None) -> Record:
    return Record(tuple(Observation(label, seen) for label, seen in noted), error)


def timer_fired(timer_id: str) -> History:
    event = HistoryEvent(
        event_id=1,
        event_type=EventType.EVENT_TYPE_TIMER_FIRED,
        timer_fired_event_attributes=TimerFiredEventAttributes(timer_id=timer_id),
    )
    event.event_time.GetCurrentTime()
    return History(events=[event])


def test_equal_observations_agree() -> None:
    real = record(("answer", {"a": [1, {"b": None}]}), ("history", timer_fired("t")))
    ours = record(("answer", {"a": [1, {"b": None}]}), ("history", timer_fired("t")))
    assert disagreement(real, ours) is None


def test_another_value_is_told_with_its_path() -> None:
    message = disagreement(
        record(("answer", {"a": [{"b": 1}]})), record(("answer", {"a": [{"b": 2}]}))
    )
    assert message == "answer:\n  a[0].b\n    expected: 1\n    actual:   2"


def test_fields_that_only_one_side_has_are_told() -> None:
    message = disagreement(record(("answer", {"a": 1})), record(("answer", {"b": 1})))
    assert message is not None
    assert "  a\n    expected: 1\n    actual:   (absent)" in message
    assert "  b\n    expected: (absent)\n    actual:   1" in message


def test_another_history_is_told() -> None:
    message = disagreement(
        record(("history", timer_fired("t"))), record(("history", timer_fired("u")))
    )
    assert message is not None
    assert "timer_fired_event_attributes.timer_id" in message


def test_every_difference_is_told_not_only_the_first() -> None:
    message = disagreement(record(("one", 1), ("two", 2)), record(("one", 0), ("two", 0)))
    assert message is not None
    assert "one:" in message
    assert "two:" in message


def test_missing_observation_is_a_disagreement() -> None:
    assert disagreement(record(("one", 1), ("two", 2)), record(("one", 1))) is not None
    assert disagreement(record(("one", 1)), record(("one", 1), ("two", 2))) is not None
    assert disagreement(record(("one", 1)), record(("other", 1))) is not None


def test_scenario_that_fails_on_a_lane_is_a_disagreement() -> None:
    message = disagreement(record(("one", 1)), record(error="Traceback: no task"))
    assert message is not None
    assert "Traceback: no task" in message


def test_records_survive_their_way_to_another_process() -> None:
    original = record(("answer", {"a": 1}), ("history", timer_fired("t")), error="no")
    assert Record.from_json(original.to_json()) == original


def test_ids_are_named_by_their_first_appearance() -> None:
    observations = Observations("-suffix", "pid@host")
    observations.add("ids", [ID, f"run {OTHER_ID} of order-suffix by pid@host", ID])
    assert observations.noted[0].seen == ["id-1", "run id-2 of order by client", "id-1"]


def test_instants_and_tokens_are_only_marked() -> None:
    observations = Observations("-suffix", "pid@host")
    task = PollWorkflowTaskQueueResponse(task_token=b"opaque", attempt=1)
    task.started_time.GetCurrentTime()
    observations.add("task", task, without=["attempt"])
    assert observations.noted[0].seen == {"task_token": "<bytes>", "started_time": "<instant>"}


def test_histories_are_scrubbed_in_a_copy() -> None:
    observations = Observations("-suffix", "pid@host")
    event = HistoryEvent(
        workflow_execution_signaled_event_attributes=WorkflowExecutionSignaledEventAttributes(
            identity="pid@host", request_id=ID
        )
    )
    history = History(events=[event])
    observations.add_history("history", history)
    (noted,) = observations.noted
    attributes = noted.seen.events[0].workflow_execution_signaled_event_attributes
    assert (attributes.identity, attributes.request_id) == ("client", "id-1")
    assert history.events[0] == event


def test_errors_are_noted_with_their_causes() -> None:
    observations = Observations("-suffix", "pid@host")
    error = ValueError("no order-suffix")
    error.__cause__ = KeyError("order")
    observations.add_error("error", error)
    assert observations.noted[0].seen == {
        "error": "ValueError",
        "message": "no order",
        "cause": {"error": "KeyError", "message": "'order'"},
    }
