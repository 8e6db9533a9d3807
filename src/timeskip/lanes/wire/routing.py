"""gRPC in, service calls out: every method of the services, decoded and answered.

Bytes are decoded here rather than by grpcio so that a request that cannot be decoded, or is too
large, gets the real server's words; SDKs recognise some of these.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from temporalio.api.operatorservice.v1 import service_pb2 as operator_service
from temporalio.api.testservice.v1 import service_pb2 as test_service
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service

from timeskip.lanes.core_timeouts import is_of_kept_core, put_off
from timeskip.lanes.entrance import Entrance
from timeskip.lanes.hold_metadata import HOLD_METADATA
from timeskip.lanes.holds import Hold
from timeskip.lanes.repeating import TRIES, may_pass
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.lanes.wire import health
from timeskip.lanes.wire.grpc_server import Rpc
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.rpcs import WORKFLOW_SERVICE

#: What Temporal accepts; larger requests are refused.
MAX_REQUEST_BYTES = 4 * 1024 * 1024

#: Real seconds after which an open call is answered with nothing, as the real server does.
LONG_POLL_SECONDS = 20.0
TASK_POLL_SECONDS = 60.0

#: Left for the answer to travel before the caller's own deadline.
_DEADLINE_MARGIN = 0.5

#: What clients say that they understand.
_FEATURES_METADATA = "supported-features"

_WORKER_METHODS = (
    "PollWorkflowTask",
    "PollActivityTask",
    "Respond",
    "RecordActivity",
    "RecordWorker",
    "ShutdownWorker",
)

#: What cores are given activities in answer to.
_GIVES_ACTIVITIES = ("PollActivityTaskQueue", "RespondWorkflowTaskCompleted")

_HEARTBEAT = f"{WORKFLOW_SERVICE}/RecordActivityTaskHeartbeat"

_DETAILS_METADATA = "grpc-status-details-bin"
_TYPE_URL = "type.googleapis.com/"


def served_services() -> list[ServiceDescriptor]:
    return [
        module.DESCRIPTOR.services_by_name[name]
        for module, name in (
            (workflow_service, "WorkflowService"),
            (operator_service, "OperatorService"),
            (test_service, "TestService"),
        )
    ]


class Routing:
    """Finds the method that a call is for, or an error worth reading."""

    def __init__(self, keeper: TimeKeeper) -> None:
        services = frozenset(service.full_name for service in served_services())
        self._services = services | {health.SERVICE}
        self.entrance: Entrance | None = None
        self._handlers = health.handlers(services)
        for service in served_services():
            for method in service.methods:
                name = f"{service.full_name}/{method.name}"
                self._handlers[f"/{name}"] = _Method(keeper, name, method).handle

    def handle(self, rpc: Rpc, data: bytes) -> None:
        """Answer a call, now or later."""
        if self.entrance is not None and self.entrance.refuses(rpc.metadata):
            rpc.refuse(StatusCode.UNAVAILABLE, "this process is dead")
            return
        handler = self._handlers.get(rpc.method)
        if handler is not None:
            handler(rpc, data)
            return
        service, _, method = rpc.method.lstrip("/").rpartition("/")
        rpc.refuse(
            StatusCode.UNIMPLEMENTED,
            f"unknown method {method} for service {service}"
            if service in self._services
            else f"unknown service {service}",
        )


class _Method:
    """One method of Temporal's services."""

    def __init__(self, keeper: TimeKeeper, name: str, descriptor: Any) -> None:
        self._keeper = keeper
        self._name = name
        self._request_type: type[Message] = GetMessageClass(descriptor.input_type)
        #: How often each heartbeat that was not heard was sent.
        self._tries: Counter[bytes] = Counter()
        # Workers make most calls, and nothing in the metadata of theirs matters.
        self._is_for_workers = descriptor.name.startswith(_WORKER_METHODS)
        self._gives_activities = descriptor.name in _GIVES_ACTIVITIES

    def handle(self, rpc: Rpc, data: bytes) -> None:
        """Have the service answer a call."""
        request = self._decoded(data)
        if isinstance(request, ServiceError):
            _refuse(rpc, request)
            return
        keeper = self._keeper
        caller = None if self._is_for_workers else _Caller(keeper, rpc)
        puts_off = self._gives_activities and is_of_kept_core(rpc.metadata)
        answered: list[Answer] = []
        open_rpc: _OpenRpc | None = None

        def deliver(answer: Answer) -> None:
            if self._name == _HEARTBEAT:
                self._heartbeat_answered(request, answer)
            if puts_off and not isinstance(answer, ServiceError):
                answer = put_off(answer)
            if open_rpc is None:
                answered.append(answer)
            else:
                open_rpc.deliver(answer)

        remaining = rpc.time_remaining()
        call = Call(
            self._name,
            request,
            deliver,
            timeout=remaining,
            features=caller.features if caller is not None else frozenset(),
        )
        keeper.carry(call)
        if answered:
            keeper.notice()
            _answer(rpc, answered[0])
        else:
            open_rpc = _OpenRpc(keeper, rpc, call, caller.hold if caller is not None else None)

    def _heartbeat_answered(self, request: Message, answer: Answer) -> None:
        """Tell of the answer that the worker's core takes for one: others make it ask again."""
        token: bytes = request.task_token  # type: ignore[attr-defined]
        self._tries[token] += 1
        if may_pass(answer) and self._tries[token] < TRIES:
            return
        del self._tries[token]
        self._keeper.heartbeats.answered(request, answer)

    def _decoded(self, data: bytes) -> Message | ServiceError:
        if len(data) > MAX_REQUEST_BYTES:
            return ServiceError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"grpc: received message larger than max ({len(data)} vs. {MAX_REQUEST_BYTES})",
            )
        try:
            return self._request_type.FromString(data)
        except DecodeError:
            return ServiceError(
                StatusCode.INTERNAL,
                "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
            )


class _OpenRpc:
    """A call that the service could not answer at once."""

    def __init__(self, keeper: TimeKeeper, rpc: Rpc, call: Call, hold: Hold | None) -> None:
        self._keeper = keeper
        self._rpc = rpc
        self._call = call
        self._hold = hold
        if hold is not None:
            hold.park()
            hold.call_off = self._cancel
        keeper.opened(call)
        remaining = call.timeout
        patience = min(
            TASK_POLL_SECONDS if call.is_task_poll else LONG_POLL_SECONDS,
            max(remaining - _DEADLINE_MARGIN, 0.0) if remaining is not None else float("inf"),
        )
        self._timer = keeper.loop.call_later(patience, keeper.service.expire, call)
        rpc.watch(self._cancel)

    def deliver(self, answer: Answer) -> None:
        """The service has the answer. It is sent when the service is done with what it does."""
        if self._hold is not None:
            self._hold.resume()
        self._timer.cancel()
        self._keeper.loop.call_soon(self._send, answer)

    def _send(self, answer: Answer) -> None:
        _answer(self._rpc, answer)
        self._keeper.notice()

    def _cancel(self) -> None:
        self._timer.cancel()
        self._keeper.service.cancel(self._call)
        self._keeper.notice()


class _Caller:
    """What the metadata of a call says of who made it."""

    __slots__ = ("features", "hold")

    def __init__(self, keeper: TimeKeeper, rpc: Rpc) -> None:
        self.hold: Hold | None = None
        self.features: frozenset[str] = frozenset()
        for key, value in rpc.metadata:
            if key == HOLD_METADATA:
                self.hold = keeper.holds.by_id(int(value))
            elif key == _FEATURES_METADATA:
                self.features = frozenset(str(value).split(","))


def _answer(rpc: Rpc, answer: Answer) -> None:
    if isinstance(answer, ServiceError):
        _refuse(rpc, answer)
    else:
        rpc.answer(answer.SerializeToString())


def _refuse(rpc: Rpc, error: ServiceError) -> None:
    trailing: tuple[tuple[str, bytes], ...] = ()
    if error.details:
        status = Status(code=int(error.code), message=error.message)
        for detail in error.details:
            status.details.add().Pack(detail, type_url_prefix=_TYPE_URL)
        trailing = ((_DETAILS_METADATA, status.SerializeToString()),)
    rpc.refuse(error.code, error.message, trailing)
