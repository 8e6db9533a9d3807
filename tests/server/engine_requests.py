"""Random requests to the engine: mostly legal, some illegal, a few nonsense."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    CancelWorkflowExecutionCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes,
    RecordMarkerCommandAttributes,
    RequestCancelActivityTaskCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
)
from temporalio.api.common.v1 import (
    ActivityType,
    Memo,
    Payload,
    Payloads,
    RetryPolicy,
    SearchAttributes,
    WorkerVersionStamp,
    WorkflowExecution,
    WorkflowType,
)
from temporalio.api.enums.v1 import (
    CommandType,
    ParentClosePolicy,
    TaskQueueKind,
    TimeoutType,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    ServerFailureInfo,
    TimeoutFailureInfo,
)
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from timeskip.server.run import Run

Item = TypeVar("Item")
AnyMessage = TypeVar("AnyMessage", bound=Message)

WORKFLOW_IDS = ("order", "invoice", "shipment")
TASK_QUEUES = ("north", "south")
STICKY_QUEUES = ("sticky-1", "sticky-2")
IDENTITIES = ("worker-1", "worker-2")
ACTIVITY_IDS = ("charge", "ship", "refund")
TIMER_IDS = ("reminder", "deadline")
UNKNOWN_RUN_ID = "00000000-0000-4000-8000-000000000000"

#: Nothing that was ever given out: bytes of something else, our own kinds with parts that are
#: wrong, and nesting that a careless parser does not survive.
GARBAGE_TOKENS = (
    b"",
    b"\x00\xff\xfe",
    b"null",
    b"{}",
    b"[]",
    b'["task"]',
    b'["task","default","order",1,"x",3,1,0]',
    f'["task","default","order","{UNKNOWN_RUN_ID}",2,3,1,0]'.encode(),
    f'["task","nowhere","order","{UNKNOWN_RUN_ID}",2,3,1,0]'.encode(),
    f'["query","default","{UNKNOWN_RUN_ID}"]'.encode(),
    f'["page","{UNKNOWN_RUN_ID}",1,0]'.encode(),
    b"[" * 50_000,
    b"9" * 10_000,
)

_BAD_DURATIONS = (
    Duration(seconds=-1),
    Duration(nanos=-1),
    Duration(seconds=1, nanos=-1),
    Duration(seconds=10**12),
    Duration(seconds=2**63 - 1, nanos=2**31 - 1),
    Duration(seconds=-(2**63), nanos=-(2**31)),
)
_COLOURS = (b'"red"', b'"blue"', b"null", b"[]")
_NO_PAYLOADS = Payloads(payloads=[Payload(metadata={"encoding": b"binary/null"})])
_SOME_PAYLOADS = Payloads(payloads=[Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')])

#: How often a message has a field that is not as it should be.
_FLAWED = 0.06


class Requests:
    """Makes messages from one source of randomness."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def one_of(self, items: Sequence[Item]) -> Item:
        return self.random.choice(items)

    def sometimes(self, probability: float) -> bool:
        return self.random.random() < probability

    # -- parts ------------------------------------------------------------------------------------

    def namespace(self) -> str:
        return self.one_of(("other", "unknown", "")) if self.sometimes(0.04) else "default"

    def request_id(self) -> str:
        """Of few, so that requests are sent twice; no id at all is never the same as another."""
        return self.one_of(("", "request-1", "request-2", "request-3", "request-4"))

    def payloads(self) -> Payloads | None:
        return self.one_of((None, _SOME_PAYLOADS, _NO_PAYLOADS))

    def short_time(self) -> Duration:
        return self.one_of((Duration(seconds=1), Duration(seconds=10), Duration(seconds=3600)))

    def time(self) -> Duration | None:
        """Of any length that is allowed, zero and unset included."""
        none, instant = (None, Duration()), (Duration(nanos=1_000_000), Duration(seconds=5))
        return self.one_of((*none, *instant, self.short_time(), self.short_time()))

    def seldom_time(self) -> Duration | None:
        return self.time() if self.sometimes(0.25) else None

    def bad_time(self) -> Duration:
        return self.one_of(_BAD_DURATIONS)

    def retry_policy(self) -> RetryPolicy | None:
        if self.sometimes(0.4):
            return None
        policy = RetryPolicy(
            initial_interval=self.one_of((None, self.short_time())),
            backoff_coefficient=self.one_of((0.0, 1.0, 2.0, 1.5, 1e300, float("inf"))),
            maximum_attempts=self.one_of((0, 0, 1, 2, 3)),
            non_retryable_error_types=self.one_of(
                ((), (), ("Hopeless",), ("TemporalTimeout:StartToClose",))
            ),
        )
        return self._flawed(
            policy,
            initial_interval=self.bad_time(),
            maximum_interval=self.one_of((*_BAD_DURATIONS, self.time())),
            backoff_coefficient=self.one_of((0.5, -1.0, float("nan"))),
            maximum_attempts=-1,
            non_retryable_error_types=("TemporalTimeout:Nonsense",),
        )

    def failure(self) -> Failure:
        if self.sometimes(0.3):
            timeout = TimeoutFailureInfo(timeout_type=TimeoutType.TIMEOUT_TYPE_HEARTBEAT)
            return self.one_of(
                (
                    Failure(),
                    Failure(message="cancelled", canceled_failure_info=CanceledFailureInfo()),
                    Failure(timeout_failure_info=TimeoutFailureInfo()),
                    Failure(timeout_failure_info=timeout),
                    Failure(server_failure_info=ServerFailureInfo(non_retryable=True)),
                    Failure(activity_failure_info=ActivityFailureInfo()),
                )
            )
        info = ApplicationFailureInfo(
            type=self.one_of(("Unlucky", "Hopeless")),
            non_retryable=self.sometimes(0.1),
            next_retry_delay=self.seldom_time(),
        )
        info = self._flawed(info, next_retry_delay=self.bad_time())
        return Failure(message="no luck", application_failure_info=info)

    def search_attributes(self) -> SearchAttributes:
        name = "Unknown" if self.sometimes(_FLAWED) else "Colour"
        colour = Payload(
            metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=self.one_of(_COLOURS)
        )
        return SearchAttributes(indexed_fields={name: colour})

    def memo(self) -> Memo:
        note = Payload(metadata={"encoding": b"json/plain"}, data=self.one_of(_COLOURS))
        return Memo(fields={"note": note})

    def task_queue(self) -> TaskQueue | None:
        if self.sometimes(0.03):
            reserved = TaskQueue(name="/_sys/orders/1")
            return self.one_of((None, TaskQueue(), reserved, TaskQueue(name="x", normal_name="y")))
        return TaskQueue(name=self.one_of(TASK_QUEUES))

    def sticky_queue(self) -> TaskQueue:
        return TaskQueue(
            name=self.one_of(STICKY_QUEUES),
            kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
            normal_name=self.one_of(TASK_QUEUES),
        )

    def worker_version(self) -> WorkerVersionStamp | None:
        return WorkerVersionStamp(build_id="build-1") if self.sometimes(0.2) else None

    def sticky_attributes(self) -> StickyExecutionAttributes | None:
        if self.sometimes(0.5):
            return None
        return StickyExecutionAttributes(
            worker_task_queue=self.sticky_queue(), schedule_to_start_timeout=self.time()
        )

    # -- starts -----------------------------------------------------------------------------------

    def start(self) -> StartWorkflowExecutionRequest:
        conflict = None
        if self.sometimes(0.3):
            conflict = OnConflictOptions(
                attach_request_id=self.sometimes(0.7), attach_links=self.sometimes(0.3)
            )
        request = StartWorkflowExecutionRequest(
            request_eager_execution=self.sometimes(0.1),
            on_conflict_options=conflict,
            **self._start_fields(),
        )
        return self._flawed_start(request)

    def signal_with_start(self) -> SignalWithStartWorkflowExecutionRequest:
        request = SignalWithStartWorkflowExecutionRequest(
            signal_name="approve", signal_input=self.payloads(), **self._start_fields()
        )
        return self._flawed_start(self._flawed(request, signal_name=""))

    def _start_fields(self) -> dict[str, Any]:
        plainly = self.sometimes(0.4)
        fields: dict[str, Any] = {
            "namespace": self.namespace(),
            "workflow_id": self.one_of(WORKFLOW_IDS),
            "workflow_type": WorkflowType(name="Order"),
            "task_queue": TaskQueue(name=self.one_of(TASK_QUEUES)),
            "input": self.payloads(),
            "identity": self.one_of(IDENTITIES),
            "request_id": self.request_id(),
            "workflow_id_reuse_policy": self.one_of(WorkflowIdReusePolicy.values()),
            "workflow_id_conflict_policy": self.one_of(WorkflowIdConflictPolicy.values()),
        }
        if not plainly:
            fields |= {
                "workflow_execution_timeout": self.seldom_time(),
                "workflow_run_timeout": self.seldom_time(),
                "workflow_task_timeout": self.seldom_time(),
                "workflow_start_delay": self.seldom_time(),
                "retry_policy": self.retry_policy(),
                "memo": self.memo(),
                "search_attributes": self.search_attributes(),
            }
        return fields

    def _flawed_start(self, request: AnyMessage) -> AnyMessage:
        return self._flawed(
            request,
            workflow_id="",
            workflow_execution_timeout=self.bad_time(),
            workflow_run_timeout=self.bad_time(),
            workflow_task_timeout=self.bad_time(),
            workflow_start_delay=self.bad_time(),
            cron_schedule="nonsense",
        )

    # -- commands ---------------------------------------------------------------------------------

    def commands(self, run: Run) -> list[Command]:
        """What a worker answers a workflow task of this run with: up to three commands."""
        makers = (
            *[self._schedule_activity] * 4,
            *[self._start_timer] * 3,
            *[self._cancel_timer] * 2,
            *[self._start_child] * 2,
            self._signal_external,
            self._cancel_external,
            self._cancel_activity,
            self._record_marker,
            self._upsert_search_attributes,
            self._modify_properties,
        )
        asked = [self.one_of(makers)(run) for _ in range(self.random.randrange(4))]
        if self.sometimes(0.1):
            asked.append(self._close())
        if self.sometimes(0.02):
            kind = self.one_of(CommandType.values())
            asked.insert(self.random.randrange(len(asked) + 1), Command(command_type=kind))
        return asked

    def _schedule_activity(self, run: Run) -> Command:
        attributes = ScheduleActivityTaskCommandAttributes(
            activity_id=self.one_of(ACTIVITY_IDS),
            activity_type=ActivityType(name="Charge"),
            task_queue=TaskQueue(name=self.one_of(TASK_QUEUES)),
            input=self.payloads(),
            schedule_to_close_timeout=self.seldom_time(),
            schedule_to_start_timeout=self.seldom_time(),
            start_to_close_timeout=self.short_time(),
            heartbeat_timeout=self.seldom_time(),
            retry_policy=self.retry_policy(),
            request_eager_execution=self.sometimes(0.15),
        )
        flawed = self._flawed(
            attributes,
            activity_id="",
            activity_type=None,
            task_queue=None,
            schedule_to_close_timeout=self.bad_time(),
            schedule_to_start_timeout=self.bad_time(),
            start_to_close_timeout=self.one_of((None, self.bad_time())),
            heartbeat_timeout=self.bad_time(),
        )
        return _command("schedule_activity_task", flawed)

    def _cancel_activity(self, run: Run) -> Command:
        known = list(run.activities) if not self.sometimes(0.1) else range(1, 12)
        attributes = RequestCancelActivityTaskCommandAttributes(
            scheduled_event_id=self.one_of(known) if known else 0
        )
        return _command("request_cancel_activity_task", attributes)

    def _start_timer(self, run: Run) -> Command:
        attributes = StartTimerCommandAttributes(
            timer_id=self.one_of(TIMER_IDS), start_to_fire_timeout=self.time()
        )
        flawed = self._flawed(attributes, timer_id="", start_to_fire_timeout=self.bad_time())
        return _command("start_timer", flawed)

    def _cancel_timer(self, run: Run) -> Command:
        attributes = CancelTimerCommandAttributes(timer_id=self.one_of(TIMER_IDS))
        return _command("cancel_timer", self._flawed(attributes, timer_id=""))

    def _record_marker(self, run: Run) -> Command:
        attributes = RecordMarkerCommandAttributes(marker_name="Version")
        return _command("record_marker", self._flawed(attributes, marker_name=""))

    def _upsert_search_attributes(self, run: Run) -> Command:
        attributes = UpsertWorkflowSearchAttributesCommandAttributes(
            search_attributes=self.search_attributes()
        )
        return _command("upsert_workflow_search_attributes", attributes)

    def _modify_properties(self, run: Run) -> Command:
        attributes = ModifyWorkflowPropertiesCommandAttributes(upserted_memo=self.memo())
        return _command("modify_workflow_properties", attributes)

    def _start_child(self, run: Run) -> Command:
        attributes = StartChildWorkflowExecutionCommandAttributes(
            namespace="" if self.sometimes(0.8) else self.namespace(),
            workflow_id=self.one_of(WORKFLOW_IDS),
            workflow_type=WorkflowType(name="Order"),
            task_queue=TaskQueue(name=self.one_of(TASK_QUEUES)),
            input=self.payloads(),
            workflow_execution_timeout=self.seldom_time(),
            workflow_run_timeout=self.seldom_time(),
            parent_close_policy=self.one_of(ParentClosePolicy.values()),
            workflow_id_reuse_policy=self.one_of(WorkflowIdReusePolicy.values()),
            retry_policy=self.retry_policy(),
        )
        flawed = self._flawed(
            attributes,
            workflow_id="",
            workflow_type=None,
            workflow_execution_timeout=self.bad_time(),
            workflow_run_timeout=self.bad_time(),
        )
        return _command("start_child_workflow_execution", flawed)

    def _signal_external(self, run: Run) -> Command:
        attributes = SignalExternalWorkflowExecutionCommandAttributes(
            namespace="" if self.sometimes(0.8) else self.namespace(),
            execution=WorkflowExecution(
                workflow_id=self.one_of(WORKFLOW_IDS),
                run_id=UNKNOWN_RUN_ID if self.sometimes(0.1) else "",
            ),
            signal_name="approve",
            input=self.payloads(),
            child_workflow_only=self.sometimes(0.2),
        )
        flawed = self._flawed(attributes, signal_name="", execution=None)
        return _command("signal_external_workflow_execution", flawed)

    def _cancel_external(self, run: Run) -> Command:
        attributes = RequestCancelExternalWorkflowExecutionCommandAttributes(
            namespace="" if self.sometimes(0.8) else self.namespace(),
            workflow_id=self.one_of(WORKFLOW_IDS),
            run_id=UNKNOWN_RUN_ID if self.sometimes(0.1) else "",
            child_workflow_only=self.sometimes(0.2),
        )
        flawed = self._flawed(attributes, workflow_id="", run_id="nonsense")
        return _command("request_cancel_external_workflow_execution", flawed)

    def _close(self) -> Command:
        kind, attributes = self.one_of(
            (
                (
                    "complete_workflow_execution",
                    CompleteWorkflowExecutionCommandAttributes(result=self.payloads()),
                ),
                (
                    "fail_workflow_execution",
                    FailWorkflowExecutionCommandAttributes(failure=self.failure()),
                ),
                (
                    "cancel_workflow_execution",
                    CancelWorkflowExecutionCommandAttributes(details=self.payloads()),
                ),
                (
                    "continue_as_new_workflow_execution",
                    self._flawed(
                        ContinueAsNewWorkflowExecutionCommandAttributes(
                            workflow_type=WorkflowType(name=self.one_of(("Order", ""))),
                            input=self.payloads(),
                            workflow_run_timeout=self.seldom_time(),
                            backoff_start_interval=self.seldom_time(),
                            retry_policy=self.retry_policy(),
                        ),
                        workflow_run_timeout=self.bad_time(),
                        backoff_start_interval=self.bad_time(),
                    ),
                ),
            )
        )
        return _command(kind, attributes)

    # -- flaws ------------------------------------------------------------------------------------

    def _flawed(self, message: AnyMessage, **flaws: Any) -> AnyMessage:
        """Now and then the message with one of these fields instead of its own."""
        if not self.sometimes(_FLAWED):
            return message
        field, value = self.one_of(list(flaws.items()))
        message.ClearField(field)
        message.MergeFrom(type(message)(**{field: value}))
        return message


def _command(kind: str, attributes: Message) -> Command:
    fields: dict[str, Any] = {f"{kind}_command_attributes": attributes}
    return Command(command_type=CommandType.Value(f"COMMAND_TYPE_{kind.upper()}"), **fields)
