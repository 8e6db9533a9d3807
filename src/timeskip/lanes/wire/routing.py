"""gRPC in, service calls out: every method of the services, decoded and answered.

Bytes are decoded here rather than by grpcio so that a request that cannot be decoded, or is too
large, gets the real server's words; SDKs recognise some of these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from temporalio.api.operatorservice.v1 import service_pb2 as operator_service
from temporalio.api.testservice.v1 import service_pb2 as test_service
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service

from timeskip.lanes.holds import Hold
from timeskip.lanes.time_keeper import TimeKeeper
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

#: Names the hold of a client in this process (see `timeskip.lanes.wire.client`).
HOLD_METADATA = "timeskip-hold"

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

_HEARTBEAT = f"{WORKFLOW_SERVICE}/RecordActivityTaskHeartbeat"

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS_METADATA = "grpc-status-details-bin"
_TYPE_URL = "type.googleapis.com/"

Behaviour = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Any]


def served_services() -> list[ServiceDescriptor]:
    return [
        module.DESCRIPTOR.services_by_name[name]
        for module, name in (
            (workflow_service, "WorkflowService"),
            (operator_service, "OperatorService"),
            (test_service, "TestService"),
        )
    ]


class Routing(grpc.GenericRpcHandler):
    """Finds the behaviour for a method, and an error worth reading for what is not one."""

    def __init__(self, keeper: TimeKeeper, others: frozenset[str] = frozenset()) -> None:
        self._keeper = keeper
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
        self._services = set(others)
        for service in served_services():
            self._services.add(service.full_name)
            for method in service.methods:
                self._handlers[f"/{service.full_name}/{method.name}"] = _handler(
                    _Method(keeper, f"{service.full_name}/{method.name}", method).answer
                )

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        path = handler_call_details.method
        handler = self._handlers.get(path)
        if handler is not None:
            return handler
        service, _, method = path.lstrip("/").rpartition("/")
        if service in self._services:
            return _handler(_unknown(f"unknown method {method} for service {service}"))
        return _handler(_unknown(f"unknown service {service}"))


def _handler(behaviour: Behaviour) -> grpc.RpcMethodHandler[bytes, bytes]:
    return grpc.unary_unary_rpc_method_handler(behaviour)


def _unknown(message: str) -> Behaviour:
    async def refuse(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, message)

    return refuse


class _Method:
    """One RPC as grpcio sees it."""

    def __init__(self, keeper: TimeKeeper, name: str, descriptor: Any) -> None:
        self._keeper = keeper
        self._name = name
        self._request_type: type[Message] = GetMessageClass(descriptor.input_type)
        # Workers make most calls, and nothing in the metadata of theirs matters.
        self._is_for_workers = descriptor.name.startswith(_WORKER_METHODS)

    async def answer(
        self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> bytes:
        answer = await self._answer(request, context)
        if isinstance(answer, ServiceError):
            await _abort(context, answer)
        assert isinstance(answer, Message)
        return answer.SerializeToString()

    async def _answer(self, data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> Answer:
        if len(data) > MAX_REQUEST_BYTES:
            return ServiceError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"grpc: received message larger than max ({len(data)} vs. {MAX_REQUEST_BYTES})",
            )
        try:
            request = self._request_type.FromString(data)
        except DecodeError:
            return ServiceError(
                StatusCode.INTERNAL,
                "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
            )
        keeper = self._keeper
        caller = None if self._is_for_workers else _Caller(keeper, context)
        hold = caller.hold if caller is not None else None
        answered: list[Answer] = []
        waiter: asyncio.Future[Answer] | None = None

        def deliver(answer: Answer) -> None:
            if waiter is None:
                answered.append(answer)
            elif not waiter.done():
                if hold is not None:
                    hold.resume()
                waiter.set_result(answer)

        # None without a deadline, whatever its type says.
        remaining = cast("float | None", context.time_remaining())
        call = Call(
            self._name,
            request,
            deliver,
            timeout=remaining,
            features=caller.features if caller is not None else frozenset(),
        )
        keeper.catch_up()
        keeper.service.handle(call)
        if answered:
            if self._name == _HEARTBEAT and keeper.on_heartbeat is not None:
                keeper.on_heartbeat(request, answered[0])
            keeper.notice()
            return answered[0]
        waiter = keeper.loop.create_future()
        if hold is not None:
            hold.park()
        keeper.opened(call)
        patience = min(
            _patience(call),
            max(remaining - _DEADLINE_MARGIN, 0.0) if remaining is not None else float("inf"),
        )
        timer = keeper.loop.call_later(patience, _expire, keeper, call)
        try:
            return await waiter
        except asyncio.CancelledError:
            keeper.service.cancel(call)
            raise
        finally:
            timer.cancel()
            keeper.notice()


def _patience(call: Call) -> float:
    """For how many real seconds an open call is kept."""
    if call.may_last:
        return float("inf")
    return TASK_POLL_SECONDS if call.is_task_poll else LONG_POLL_SECONDS


def _expire(keeper: TimeKeeper, call: Call) -> None:
    keeper.service.expire(call)


class _Caller:
    """What the metadata of a call says of who made it."""

    __slots__ = ("features", "hold")

    def __init__(self, keeper: TimeKeeper, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        self.hold: Hold | None = None
        self.features: frozenset[str] = frozenset()
        for key, value in context.invocation_metadata() or ():
            if key == HOLD_METADATA:
                self.hold = keeper.holds.by_id(int(value))
            elif key == _FEATURES_METADATA:
                self.features = frozenset(str(value).split(","))


async def _abort(context: grpc.aio.ServicerContext[bytes, bytes], error: ServiceError) -> None:
    trailing: tuple[tuple[str, bytes], ...] = ()
    if error.details:
        status = Status(code=int(error.code), message=error.message)
        for detail in error.details:
            status.details.add().Pack(detail, type_url_prefix=_TYPE_URL)
        trailing = ((_DETAILS_METADATA, status.SerializeToString()),)
    await context.abort(_GRPC_CODES[int(error.code)], error.message, trailing)
