from datetime import timedelta

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent

from tests.timeline.recorded import recorded
from timeskip.timeline import Line, Mood, Timeline, moments_of


def lines(history: History) -> list[Line]:
    return [moment.line for moment in moments_of(history)]


def test_run_is_told_by_what_it_did() -> None:
    assert [f"{line.kind}: {line.subject} {line.detail}" for line in lines(recorded("dinner"))] == [
        "started: Dinner 2",
        "patch: use-the-good-plates ",
        "activity: lay_table → glasses=4, plates=2",
        "local: lay_table → glasses=2, plates=1",
        "activity: light_candles 4, attempt 3",
        "activity: roast_goose failed: ColdOven: the oven is cold",
        'signal: arrive "Grace"',
        'update: announce "Barbara" → 2',
        "timer: 2 h canceled",
        "signal: serve to course-soup ",
        'child: Course course-soup → "soup eaten"',
        'upsert: District = "Marais" ',
        'memo: wine = "red" ',
        'timer: 40 ms "digest" ',
        'completed:  → "all well"',
    ]


def test_scheduled_run_names_its_schedule() -> None:
    history = recorded("dinner")
    started = history.events[0].workflow_execution_started_event_attributes
    schedule = Payload(metadata={"encoding": b"json/plain"}, data=b'"evenings"')
    started.search_attributes.indexed_fields["TemporalScheduledById"].CopyFrom(schedule)

    assert lines(history)[0] == Line("started", "Dinner", 'by schedule "evenings" 2')


def test_attempt_is_told_with_the_failure_before_it() -> None:
    (candles,) = [m for m in moments_of(recorded("dinner")) if m.line.subject == "light_candles"]

    assert candles.earlier_failure == (
        "attempt 2 failed: ConnectionError: draught: all the candles went out"
    )


def test_offsets_count_from_the_start_and_never_go_back() -> None:
    offsets = [moment.at for moment in moments_of(recorded("dinner"))]

    assert offsets[0] == timedelta(0)
    assert offsets == sorted(offsets)


def test_failed_run_ends_with_what_made_it_fail() -> None:
    assert lines(recorded("feast"))[-1] == Line(
        "failed", "", "ColdOven: the oven is cold", Mood.FAILURE
    )


def test_failed_workflow_task_is_no_noise() -> None:
    assert lines(recorded("slip"))[1:] == [
        Line(
            "task",
            "",
            "failed: workflow worker unhandled failure: KeyError: 'banana skin'",
            Mood.FAILURE,
        ),
        Line("terminated", "", "cleaned up", Mood.FAILURE),
    ]


def test_open_run_ends_with_what_it_waits_for() -> None:
    waiting = lines(recorded("vigil"))[1:]

    assert [(line.kind, line.subject) for line in waiting] == [
        ("waiting", "timer 30 d"),
        ("waiting", "activity light_candles"),
    ]


def test_open_run_that_waits_for_nothing_is_running() -> None:
    started = History(events=recorded("vigil").events[:1])

    assert [line.kind for line in lines(started)] == ["started", "running"]


def test_slow_activity_is_told_with_its_duration() -> None:
    history = recorded("feast")
    for event in history.events:
        if event.event_type >= EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            event.event_time.FromDatetime(event.event_time.ToDatetime() + timedelta(hours=2))

    assert lines(history)[1].detail == "took 2 h failed: ColdOven: the oven is cold"


def test_event_without_a_word_of_its_own_is_told_by_its_type() -> None:
    history = recorded("vigil")
    history.events.append(
        HistoryEvent(
            event_id=len(history.events) + 1,
            event_time=history.events[-1].event_time,
            event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED,
        )
    )

    assert Line("event", "workflow execution paused") in lines(history)


def test_empty_history_has_no_moments() -> None:
    assert moments_of(History()) == []


def test_nexus_operation_is_told_with_what_it_returned() -> None:
    history = History()
    asked = history.events.add(
        event_id=1, event_type=EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
    ).nexus_operation_scheduled_event_attributes
    asked.service, asked.operation = "bakery", "bake"
    asked.input.CopyFrom(Payload(metadata={"encoding": b"json/plain"}, data=b'"bread"'))
    answered = history.events.add(
        event_id=2, event_type=EventType.EVENT_TYPE_NEXUS_OPERATION_COMPLETED
    ).nexus_operation_completed_event_attributes
    answered.scheduled_event_id = 1
    answered.result.CopyFrom(Payload(metadata={"encoding": b"json/plain"}, data=b"3"))
    assert "bakery.bake → 3" in str(Timeline(history))


def test_event_of_a_later_release_is_told_to_be_one() -> None:
    later = HistoryEvent(event_id=1, event_type=9999)  # type: ignore[arg-type]
    assert lines(History(events=[later]))[0].subject == (
        "of a type that the installed temporalio does not know"
    )


def marker(**details: bytes) -> HistoryEvent:
    event = HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    attributes = event.marker_recorded_event_attributes
    attributes.marker_name = "Version"
    for name, data in details.items():
        payload = Payload(metadata={"encoding": b"json/plain"}, data=data)
        attributes.details[name].payloads.append(payload)
    return event


def test_marker_of_another_sdk_is_told_by_what_is_in_it() -> None:
    event = marker(version=b"1", change=b'"prices"', nothing=b"null")
    assert lines(History(events=[event]))[0] == Line(
        "marker", "Version", 'change: "prices", version: 1'
    )


def test_marker_of_what_failed_is_told_by_the_failure() -> None:
    event = marker(version=b"1")
    event.marker_recorded_event_attributes.failure.message = "too old"
    assert lines(History(events=[event]))[0] == Line(
        "marker", "Version", "failed: too old", Mood.FAILURE
    )


def test_update_that_its_run_never_answers_is_told() -> None:
    accepted = HistoryEvent(
        event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    )
    accepted.workflow_execution_update_accepted_event_attributes.accepted_request.input.name = "add"
    completed = HistoryEvent(
        event_id=2, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
    )
    completed.workflow_execution_completed_event_attributes.SetInParent()
    assert lines(History(events=[accepted, completed])) == [
        Line("update", "add", "not answered", Mood.FAILURE),
        Line("completed", mood=Mood.SUCCESS),
    ]
