"""What the normal form leaves out, and that it leaves out nothing else."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType, TaskQueueKind
from temporalio.api.history.v1 import (
    ActivityTaskFailedEventAttributes,
    ChildWorkflowExecutionStartedEventAttributes,
    History,
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes,
    WorkflowTaskCompletedEventAttributes,
    WorkflowTaskStartedEventAttributes,
)
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.histories.arbitrary import Attribute, attributes, change, histories
from timeskip.histories import (
    EVERYTHING_IGNORED,
    Ignored,
    RunNames,
    first_difference,
    normal_form,
)

UUID = "6f9c2b9e-0d6e-4a54-8a0c-2f2b7b3a9d10"
OTHER_UUID = "0e7f9f0a-3b52-4a7e-9a55-5a4f6f1c8d21"

#: Names of fields whose changes the normal form hides, wherever they are in an event.
HIDDEN = {
    "attached_request_id",
    "binary_checksum",
    "build_id",
    "build_id_redirect_counter",
    "deployment",
    "deployment_version",
    "event_time",
    "fork_event_version",
    "history_size_bytes",
    "identity",
    "inherited_build_id",
    "metering_metadata",
    "namespace_id",
    "parent_workflow_namespace_id",
    "principal",
    "request_id",
    "sdk_metadata",
    "source_version_stamp",
    "stack_trace",
    "task_id",
    "worker_deployment_name",
    "worker_deployment_version",
    "worker_version",
}


def has_noise(history: History) -> bool:
    """Whether the normal form of the history lacks some of its events."""
    return len(normal_form(history).events) < len(history.events)


def is_shown(attribute: Attribute) -> bool:
    """Whether the normal form has the attribute, and tells what its value is."""
    owner, names = attribute.owner.DESCRIPTOR.name, [field.name for field in attribute.path]
    return not (
        HIDDEN.intersection(names)
        or names[-1].endswith("run_id")
        or owner in ("Timestamp", "TaskQueue")
        or (owner, names[-1]) == ("HistoryEvent", "version")
        or (owner.endswith("FailureInfo") and names[-1].endswith("_event_id"))
        # Of workflow tasks only that they were scheduled, and of those in vain not even that.
        or names[1].startswith(("workflow_task_scheduled", "workflow_task_failed"))
        or names[1].startswith("workflow_task_timed_out")
    )


def test_run_id_that_looks_like_the_name_of_another_id() -> None:
    started = WorkflowExecutionStartedEventAttributes(
        workflow_id=f"order-{UUID}", original_execution_run_id="<id 1>"
    )
    event = HistoryEvent(workflow_execution_started_event_attributes=started)
    normal = normal_form(History(events=[event]))
    assert (
        normal.events[0].workflow_execution_started_event_attributes.workflow_id == "order-<id 1>"
    )
    assert normal_form(normal) == normal


@settings(max_examples=50)
@given(histories())
def test_normal_form_of_a_normal_form_is_itself(history: History) -> None:
    normal = normal_form(history)
    assert normal_form(normal) == normal


@settings(max_examples=50)
@given(histories())
def test_normal_form_leaves_the_history_alone(history: History) -> None:
    before = history.SerializeToString(deterministic=True)
    normal_form(history)
    assert history.SerializeToString(deterministic=True) == before


@settings(max_examples=50)
@given(histories())
def test_normal_form_that_ignores_nothing_is_the_history(history: History) -> None:
    assert normal_form(history, ignore=()) == history


@settings(max_examples=50)
@given(histories(), st.data())
def test_normal_form_shows_every_change_that_is_not_to_be_ignored(
    history: History, data: st.DataObject
) -> None:
    changed = History()
    changed.CopyFrom(history)
    places = [place for place in attributes(changed) if is_shown(place)]
    assume(places and not has_noise(history))
    attribute = data.draw(st.sampled_from(places))
    change(attribute)
    assume(changed != history)
    difference = first_difference(normal_form(history), normal_form(changed))
    assert difference is not None
    if attribute.field.name != "event_type":
        outermost = attribute.path[1].name
        assert difference.path.startswith(outermost)


@settings(max_examples=50)
@given(histories())
def test_ignoring_more_never_shows_more(history: History) -> None:
    for kept in Ignored:
        ignored_more = normal_form(normal_form(history, EVERYTHING_IGNORED - {kept}))
        assert ignored_more == normal_form(history)


def started(run_id: str) -> HistoryEvent:
    return HistoryEvent(
        event_id=1,
        event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        workflow_execution_started_event_attributes=WorkflowExecutionStartedEventAttributes(
            original_execution_run_id=run_id, first_execution_run_id=run_id
        ),
    )


def child_started(run_id: str) -> HistoryEvent:
    return HistoryEvent(
        event_id=2,
        event_type=EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
        child_workflow_execution_started_event_attributes=(
            ChildWorkflowExecutionStartedEventAttributes(
                workflow_execution=WorkflowExecution(workflow_id="child", run_id=run_id)
            )
        ),
    )


def test_run_ids_are_numbered_by_their_first_appearance() -> None:
    normal = normal_form(History(events=[started("x"), child_started("y"), child_started("x")]))
    own, child, again = normal.events
    assert own.workflow_execution_started_event_attributes.first_execution_run_id == "run-1"
    executions = [
        event.child_workflow_execution_started_event_attributes.workflow_execution.run_id
        for event in (child, again)
    ]
    assert executions == ["run-2", "run-1"]


def test_run_ids_that_trade_places_are_a_difference() -> None:
    same = History(events=[started("x"), child_started("x")])
    other = History(events=[started("x"), child_started("y")])
    assert first_difference(normal_form(same), normal_form(other)) is not None


def test_run_ids_keep_their_numbers_across_histories() -> None:
    names = RunNames()
    normal_form(History(events=[started("parent")]), run_names=names)
    child = normal_form(History(events=[started("child")]), run_names=names)
    attributes = child.events[0].workflow_execution_started_event_attributes
    assert attributes.first_execution_run_id == "run-2"


def test_instants_are_ignored_but_not_whether_there_is_one() -> None:
    with_deadline = started("x")
    attributes = with_deadline.workflow_execution_started_event_attributes
    attributes.workflow_execution_expiration_time.FromSeconds(7)
    normal = normal_form(History(events=[with_deadline]))
    kept = normal.events[0].workflow_execution_started_event_attributes
    assert kept.HasField("workflow_execution_expiration_time")
    assert kept.workflow_execution_expiration_time.seconds == 0
    assert first_difference(normal, normal_form(History(events=[started("x")]))) is not None


def marker(data: str) -> History:
    event = HistoryEvent()
    attributes = event.marker_recorded_event_attributes
    attributes.marker_name = "core_local_activity"
    attributes.details["data"].payloads.add(data=data.encode())
    return History(events=[event])


def test_instants_in_markers_of_local_activities_are_ignored() -> None:
    told = '{{"attempt": {}, "complete_time": {}, "original_schedule_time": null}}'
    early, late = told.format(1, '{"seconds": 1}'), told.format(1, '{"seconds": 2}')
    assert normal_form(marker(early)) == normal_form(marker(late))
    never, again = told.format(1, "null"), told.format(2, '{"seconds": 1}')
    for other in (never, again, "no JSON", "[]"):
        assert normal_form(marker(early)) != normal_form(marker(other))


def one_event(ignored: Ignored) -> HistoryEvent:
    """An event that says nothing but what is to be ignored."""
    event = HistoryEvent()
    completed = WorkflowTaskCompletedEventAttributes()
    if ignored is Ignored.TIMES:
        event.event_time.FromSeconds(7)
    elif ignored is Ignored.TASK_IDS:
        event.task_id = 7
    elif ignored is Ignored.RUN_IDS:
        event.CopyFrom(started("x"))
    elif ignored is Ignored.NAMESPACE_IDS:
        event.child_workflow_execution_started_event_attributes.namespace_id = "x"
    elif ignored is Ignored.REQUEST_IDS:
        event.workflow_task_started_event_attributes.CopyFrom(
            WorkflowTaskStartedEventAttributes(request_id="x")
        )
    elif ignored is Ignored.IDENTITIES:
        completed.identity = "x"
    elif ignored is Ignored.STICKY_QUEUES:
        event.activity_task_scheduled_event_attributes.task_queue.CopyFrom(
            TaskQueue(name="x", kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY)
        )
    elif ignored is Ignored.FAULT_NOISE:
        event.workflow_task_scheduled_event_attributes.attempt = 2
    elif ignored is Ignored.GENERATED_IDS:
        event.timer_fired_event_attributes.timer_id = UUID
    elif ignored is Ignored.JSON_SPELLING:
        payload = event.workflow_execution_signaled_event_attributes.input.payloads.add()
        payload.metadata["encoding"] = b"json/plain"
        payload.data = b"[1, 2]"
    elif ignored is Ignored.HISTORY_SIZES:
        event.workflow_task_started_event_attributes.CopyFrom(
            WorkflowTaskStartedEventAttributes(history_size_bytes=7)
        )
    elif ignored is Ignored.BUILD_IDS:
        completed.binary_checksum = "x"
    elif ignored is Ignored.SDK_METADATA:
        completed.sdk_metadata.CopyFrom(WorkflowTaskCompletedMetadata(sdk_name="x"))
    else:
        failed = ActivityTaskFailedEventAttributes()
        failed.failure.stack_trace = "x"
        event.activity_task_failed_event_attributes.CopyFrom(failed)
    if completed.ListFields():
        event.workflow_task_completed_event_attributes.CopyFrom(completed)
    return event


def text_of_signal(event_id: int, *texts: str) -> HistoryEvent:
    """A signal whose name is the first text, and whose arguments are the others as JSON strings."""
    event = HistoryEvent(
        event_id=event_id, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    )
    attributes = event.workflow_execution_signaled_event_attributes
    attributes.signal_name = texts[0]
    for text in texts[1:]:
        payload = attributes.input.payloads.add(data=f'"{text}"'.encode())
        payload.metadata["encoding"] = b"json/plain"
    return event


def test_ids_that_are_made_up_are_numbered_wherever_they_are() -> None:
    one, other = (
        History(events=[text_of_signal(1, f"order-{made_up}", made_up)])
        for made_up in (UUID, OTHER_UUID)
    )
    assert normal_form(one) == normal_form(other)


def test_ids_in_payloads_only_are_data() -> None:
    one, other = (
        History(events=[text_of_signal(1, "x", made_up)]) for made_up in (UUID, OTHER_UUID)
    )
    assert normal_form(one) != normal_form(other)


def test_ids_that_trade_places_are_a_difference() -> None:
    one = History(events=[text_of_signal(1, UUID), text_of_signal(2, UUID)])
    other = History(events=[text_of_signal(1, UUID), text_of_signal(2, OTHER_UUID)])
    assert normal_form(one) != normal_form(other)


def test_run_ids_in_texts_are_named_as_runs() -> None:
    normal = normal_form(
        History(events=[started(UUID), text_of_signal(2, f"next of {UUID}", UUID)])
    )
    signal = normal.events[1].workflow_execution_signaled_event_attributes
    assert signal.signal_name == "next of run-1"
    assert signal.input.payloads[0].data == b'"run-1"'


@pytest.mark.parametrize("ignored", Ignored)
def test_each_thing_that_is_ignored_can_be_kept(ignored: Ignored) -> None:
    history = History(events=[one_event(ignored)])
    assert normal_form(history) != history
    assert normal_form(history, EVERYTHING_IGNORED - {ignored}) == history


def operation(workflow_id: str, callback: str) -> History:
    """What a caller and a handler of a Nexus operation have in their histories, in one."""
    told = json.dumps({"t": 1, "ns": "default", "wid": workflow_id}).encode()
    token = base64.urlsafe_b64encode(told).rstrip(b"=").decode()
    history = History()
    caller = history.events.add(event_type=EventType.EVENT_TYPE_NEXUS_OPERATION_STARTED)
    caller.nexus_operation_started_event_attributes.operation_token = token
    handler = history.events.add(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
    callbacks = handler.workflow_execution_started_event_attributes.completion_callbacks
    headers = callbacks.add().nexus.header
    headers["temporal-callback-token"] = callback
    headers["nexus-operation-token"] = token
    headers["team"] = "sales"
    return history


def test_ids_in_tokens_of_nexus_operations_are_numbered() -> None:
    normal = normal_form(operation(f"order-{UUID}", "x"))
    assert normal == normal_form(operation(f"order-{OTHER_UUID}", "y"))
    assert normal != normal_form(operation(f"refund-{UUID}", "x"))
    assert normal_form(normal) == normal


def test_tokens_of_nexus_operations_without_such_ids_stay() -> None:
    history = operation("order-1", "x")
    normal = normal_form(history)
    assert normal != normal_form(operation("order-2", "x"))
    assert normal.events[0] == history.events[0]
    callback = normal.events[1].workflow_execution_started_event_attributes.completion_callbacks[0]
    assert set(callback.nexus.header) == {"nexus-operation-token", "team"}


def two_signals(run_id: str, first: str, second: str, *payloads: bytes) -> History:
    """A run that was told of two ids by the names of its signals."""
    return History(
        events=[
            started(run_id),
            *(
                HistoryEvent(
                    event_id=number,
                    event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
                    workflow_execution_signaled_event_attributes=(
                        WorkflowExecutionSignaledEventAttributes(
                            signal_name=name,
                            input=Payloads(
                                payloads=[
                                    Payload(metadata={"encoding": b"json/plain"}, data=data)
                                    for data in payloads
                                ]
                            ),
                        )
                    ),
                )
                for number, name in enumerate([first, second], 2)
            ),
        ]
    )


def test_id_is_not_given_a_name_that_a_run_has() -> None:
    recorded = two_signals("<id 2>", UUID, OTHER_UUID)
    once = normal_form(recorded, EVERYTHING_IGNORED - {Ignored.RUN_IDS})
    assert normal_form(once) == normal_form(recorded)


def test_id_is_not_given_a_name_that_is_the_users_data() -> None:
    told = normal_form(two_signals("run", UUID, "end", f'"{UUID}"'.encode()))
    literal = normal_form(two_signals("run", UUID, "end", b'"<id 1>"'))
    assert told != literal
