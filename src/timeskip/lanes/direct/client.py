"""A service client that calls the service in process."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import temporalio.bridge.client
from google.protobuf.message import Message
from temporalio.api.operatorservice.v1 import service_pb2 as operator_service
from temporalio.api.testservice.v1 import service_pb2 as test_service
from temporalio.api.workflowservice.v1 import (
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service
from temporalio.bridge.proto.health.v1 import HealthCheckRequest
from temporalio.runtime import Runtime
from temporalio.service import (
    ConnectConfig,
    RPCError,
    RPCStatusCode,
    ServiceResponse,
)

from timeskip.activity_time import AwaitedAnswer, current_attempt, held_elsewhere
from timeskip.lanes.direct import health
from timeskip.lanes.direct.client_workers import ClientWorkers, Reservation
from timeskip.lanes.direct.made_up_ids import replace_request_id
from timeskip.lanes.guests import SimulatedServiceClient
from timeskip.lanes.holds import Hold, enclosing_hold
from timeskip.lanes.repeating import TRIES, may_pass
from timeskip.lanes.status import status_of
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError, StatusCode

if TYPE_CHECKING:
    from timeskip.lanes.direct.lane import DirectLane


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_SERVICES = {
    "workflow": workflow_service.DESCRIPTOR.services_by_name["WorkflowService"],
    "operator": operator_service.DESCRIPTOR.services_by_name["OperatorService"],
    "test": test_service.DESCRIPTOR.services_by_name["TestService"],
}

#: Full method names by the SDK's service and RPC names.
_METHODS = {
    (service, _snake(method.name)): f"{descriptor.full_name}/{method.name}"
    for service, descriptor in _SERVICES.items()
    for method in descriptor.methods
}

#: A caller that asks again and again lets others have their turn after so many answers: over a
#: network that is so after each, and what it asks for may be theirs to bring about.
_CALLS_IN_A_ROW = 8

_HEALTHY = frozenset(descriptor.full_name for descriptor in _SERVICES.values())


@dataclass
class _ClientCall:
    """A call of the SDK's client."""

    rpc: str
    service: str
    request: Message
    timeout: timedelta | None
    may_be_repeated: bool


class DirectClient:
    """Takes the place of the SDK's bridge client, so that workers know which lane they are on."""

    def __init__(self, lane: DirectLane, identity: str) -> None:
        self.lane = lane
        self.identity = identity
        #: Its workers, which may be given the first tasks of the workflows that it starts.
        self.workers = ClientWorkers()


class DirectServiceClient(SimulatedServiceClient):
    """Answers every call in this process, on the loop that makes it if that is the simulation's."""

    def __init__(
        self,
        config: ConnectConfig,
        lane: DirectLane,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> None:
        super().__init__(config)
        self._lane = lane
        self._explain = explain
        self._before_call = before_call
        self._direct = DirectClient(lane, config.identity)
        self._calls = 0
        if not config.lazy:
            self._connect()

    def _connect(self) -> None:
        self._bridge_client = cast("temporalio.bridge.client.Client", self._direct)

    @property
    def _runtime(self) -> Runtime:
        """What workers hold against that of a client that they are to use from then on."""
        return self.config.runtime or Runtime.default()

    @_runtime.setter
    def _runtime(self, runtime: Runtime | None) -> None:
        """The SDK notes that it is not connected yet."""

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: type[ServiceResponse],
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],
        timeout: timedelta | None,
    ) -> ServiceResponse:
        self._calls += 1
        if self._calls % _CALLS_IN_A_ROW == 0:
            await asyncio.sleep(0)
        if self._lane.new_workers:
            await self._lane.let_workers_begin()
        self._before_call(req)
        self._connect()
        keeper = self._lane.keeper
        # A copy, because the service keeps what it is given and the caller may use it again.
        request = type(req)()
        request.CopyFrom(req)
        replace_request_id(request, keeper.service.cluster.ids.uuid)
        call = _ClientCall(rpc, service, request, timeout, may_be_repeated=retry)
        attempt = current_attempt.get()
        hold = keeper.holds.take(f"{rpc} is being answered", enclosing_hold.get(), attempt)
        if attempt is not None:
            hold.waiter = AwaitedAnswer(attempt)
        try:
            answer = await self._lane.at_home(lambda: self._persist(call, hold), gives_up=True)
        except ServiceError as error:
            raise self._error(error) from None
        finally:
            hold.release()
        assert isinstance(answer, resp_type)
        return answer

    async def _persist(self, asked: _ClientCall, hold: Hold) -> Message:
        """Have the service answer, if need be at another try; raises `ServiceError` if it refuses."""
        answer = await self._answer(asked, hold)
        tries = TRIES if asked.may_be_repeated else 1
        while tries > 1 and may_pass(answer):
            tries -= 1
            answer = await self._answer(asked, hold)
        if isinstance(answer, ServiceError):
            raise answer
        return answer

    async def _answer(self, asked: _ClientCall, hold: Hold) -> Answer:
        """Have the service answer on this loop, its own."""
        keeper = self._lane.keeper
        request = asked.request
        if isinstance(request, HealthCheckRequest):
            return health.check(request, _HEALTHY)
        method = _METHODS.get((asked.service, asked.rpc))
        if method is None:
            return ServiceError(
                StatusCode.UNIMPLEMENTED,
                f"{asked.rpc} of the {asked.service} service is not implemented by timeskip",
            )
        # As in the SDK's core, calls that are not to be repeated are sent as they are.
        room = self._room_for_first_task(request) if asked.may_be_repeated else None
        reply = _Reply(hold, room)

        seconds = asked.timeout.total_seconds() if asked.timeout is not None else 1e9
        call = Call(method, request, reply.deliver, timeout=seconds)
        if hold.call_off is not None:
            # What was asked on a loop that has stopped since.
            hold.call_off()
        keeper.carry(call)
        if reply.answer is not None:
            return reply.answer
        done = reply.to_come()
        hold.park()
        hold.call_off = lambda: keeper.service.cancel(call)
        keeper.opened(call)
        deadline: asyncio.TimerHandle | None = None
        if asked.timeout is not None:
            loop = asyncio.get_running_loop()
            deadline = loop.call_later(seconds, keeper.service.expire, call)
        try:
            return await done
        except asyncio.CancelledError:
            keeper.service.cancel(call)
            raise
        finally:
            if deadline is not None:
                deadline.cancel()

    def _room_for_first_task(self, request: Message) -> Reservation | None:
        if isinstance(request, StartWorkflowExecutionRequest):
            return self._direct.workers.reserve(request)
        return None

    def _error(self, error: ServiceError) -> Exception:
        raw = status_of(error).SerializeToString() if error.details else b""
        rpc_error = RPCError(error.message, RPCStatusCode(int(error.code)), raw)
        return self._explain(rpc_error) or rpc_error


class _Reply:
    """The answer to a call, which is there before anybody waits for it, as a rule."""

    def __init__(self, hold: Hold, room: Reservation | None) -> None:
        self.answer: Answer | None = None
        self._hold = hold
        self._room = room
        self._done: asyncio.Future[Answer] | None = None

    def to_come(self) -> asyncio.Future[Answer]:
        """For the loop that waits."""
        # It may be an activity that waits for the answer: the hold tells when that is work.
        with held_elsewhere():
            self._done = asyncio.get_running_loop().create_future()
        return self._done

    def deliver(self, answer: Answer) -> None:
        if self._room is not None:
            _use(self._room, answer)
        if self._done is None:
            self.answer = answer
        elif not self._done.done():
            self._hold.resume()
            # The caller has asked anew if the loop that waits here is closed.
            with contextlib.suppress(RuntimeError):
                self._done.set_result(answer)


def _use(room: Reservation, answer: Answer) -> None:
    """Hand the workflow task that came with the answer to the worker that has room for it."""
    if isinstance(answer, StartWorkflowExecutionResponse) and answer.HasField(
        "eager_workflow_task"
    ):
        room.use(answer.eager_workflow_task)
    else:
        room.give_back()
