"""A Temporal service with one activity task at a time and nothing else, for a real worker."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.message import Message
from temporalio.api.common.v1 import ActivityType, WorkflowExecution
from temporalio.api.workflowservice import v1
from temporalio.converter import DataConverter

_SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"


class ActivityService:
    """Listens at `target`. `received` are heartbeats and outcomes, in order of their arrival.

    `heartbeat_answered` is called just before a heartbeat is answered, with its token and whether
    the answer says that a cancellation was requested.
    """

    def __init__(self, heartbeat_answered: Callable[[bytes, bool], None]) -> None:
        self.received: list[Message] = []
        self.cancel_requested = False
        self.heartbeats_go_on = threading.Event()
        self.heartbeats_go_on.set()
        self.heartbeat_answered = heartbeat_answered
        self._tasks: queue.Queue[v1.PollActivityTaskQueueResponse] = queue.Queue()
        self._outcome = threading.Event()
        # Polls, heartbeats and outcomes of a few workers.
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._server = grpc.server(self._pool)
        self._server.add_generic_rpc_handlers((_Methods(self),))
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._end_poll()
        self._server.stop(0).wait()
        self._pool.shutdown()

    def schedule(self, activity: str, heartbeat_timeout: timedelta = timedelta(seconds=30)) -> None:
        """Give the next poller a task of this activity type."""
        task = v1.PollActivityTaskQueueResponse(
            task_token=f"{activity} token".encode(),
            activity_type=ActivityType(name=activity),
            activity_id="1",
            attempt=1,
            workflow_namespace="default",
            workflow_execution=WorkflowExecution(workflow_id="order-1", run_id="run-1"),
        )
        task.heartbeat_timeout.FromTimedelta(heartbeat_timeout)
        task.start_to_close_timeout.FromTimedelta(timedelta(days=1))
        self._outcome.clear()
        self._tasks.put(task)

    def outcome(self) -> Message:
        """Wait for what the worker reports of the activity."""
        assert self._outcome.wait(10)
        return self.received[-1]

    def heartbeat_details(self) -> list[Any]:
        """The first detail of each heartbeat that has arrived."""
        decode = DataConverter.default.payload_converter.from_payloads
        return [
            decode(request.details.payloads)[0]
            for request in self.received
            if isinstance(request, v1.RecordActivityTaskHeartbeatRequest)
        ]

    def _end_poll(self) -> None:
        self._tasks.put(v1.PollActivityTaskQueueResponse())

    # --- RPCs ------------------------------------------------------------------------------------

    def get_system_info(self, _: Message) -> Message:
        return v1.GetSystemInfoResponse()

    def describe_namespace(self, _: Message) -> Message:
        return v1.DescribeNamespaceResponse()

    def shutdown_worker(self, _: Message) -> Message:
        self._end_poll()
        return v1.ShutdownWorkerResponse()

    def poll_activity_task_queue(self, _: Message) -> Message:
        return self._tasks.get()

    def record_activity_task_heartbeat(self, request: Message) -> Message:
        assert isinstance(request, v1.RecordActivityTaskHeartbeatRequest)
        self.received.append(request)
        assert self.heartbeats_go_on.wait(10)
        self.heartbeat_answered(request.task_token, self.cancel_requested)
        return v1.RecordActivityTaskHeartbeatResponse(cancel_requested=self.cancel_requested)

    def respond_activity_task_completed(self, request: Message) -> Message:
        return self._take(request, v1.RespondActivityTaskCompletedResponse())

    def respond_activity_task_failed(self, request: Message) -> Message:
        return self._take(request, v1.RespondActivityTaskFailedResponse())

    def respond_activity_task_canceled(self, request: Message) -> Message:
        return self._take(request, v1.RespondActivityTaskCanceledResponse())

    def _take(self, request: Message, answer: Message) -> Message:
        self.received.append(request)
        self._outcome.set()
        return answer


class _Methods(grpc.GenericRpcHandler):
    """Finds the method of the service that answers an RPC. All others are UNIMPLEMENTED."""

    def __init__(self, service: ActivityService) -> None:
        self._service = service

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        rpc = call.method.removeprefix(_SERVICE)
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in rpc)
        method = getattr(self._service, name.removeprefix("_"), None)
        request_type = getattr(v1, f"{rpc}Request", None)
        if method is None or request_type is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda request, _: method(request),
            request_deserializer=request_type.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
