"""The passages of requests and answers between a lane and the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    ResetStickyTaskQueueRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedResponse,
)
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service

from timeskip.clock import duration_nanoseconds
from timeskip.errors import FaultImpossible
from timeskip.faults.crash_points import CrashPoint
from timeskip.faults.held_tasks import tokens_of
from timeskip.faults.places import Place
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError, StatusCode

if TYPE_CHECKING:
    from timeskip.faults.line import FaultLine

_RESPONSES: dict[str, type[Message]] = {
    method.name: GetMessageClass(method.output_type)
    for method in workflow_service.DESCRIPTOR.services_by_name["WorkflowService"].methods
}


def broken_connection() -> ServiceError:
    """What a caller sees of a call that was lost."""
    return ServiceError(StatusCode.UNAVAILABLE, "connection reset by a fault of the test")


def empty_answer(method: str) -> Message:
    """What a worker takes without a word: no task for a poll, and for a report that it is heard."""
    return _RESPONSES[method]()


class Crossing:
    """What requests and answers have in common; see `timeskip.faults.passage.Passage`."""

    def __init__(
        self,
        line: FaultLine,
        worker: str,
        places: Sequence[Place],
        points: Sequence[CrashPoint],
    ) -> None:
        self.line = line
        self.worker = worker
        self.places = places
        self.points = points

    def kill_worker(self, restart_after: timedelta | None) -> None:
        self.line.kill(self._its_worker(), restart_after)

    def kill_all_workers(self, restart_after: timedelta | None) -> None:
        self.line.kill_all(restart_after)

    def terminate_worker(self, restart_after: timedelta | None) -> None:
        self.line.terminate(self._its_worker(), restart_after)

    def stop_worker(self, length: timedelta) -> None:
        self.line.stop(self._its_worker(), duration_nanoseconds(length))

    def evict_workflow(self) -> None:
        self.line.evict(self._its_worker(), self._place().run.run_id)

    def drop_sticky_queue(self) -> None:
        run = self._place().run
        self.line.ask(
            "ResetStickyTaskQueue",
            ResetStickyTaskQueueRequest(
                namespace=run.namespace.name,
                execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
            ),
        )

    def partition_worker(self, length: timedelta) -> None:
        self.line.partition(self._its_worker(), duration_nanoseconds(length))

    def restart_server(self) -> None:
        self.line.restart_server()

    def _runs_reported_on(self) -> list[str]:
        """Until the worker knows that its report has arrived it works on no other task of these."""
        return [place.run.run_id for place in self.places if place.kind == "workflow-task"]

    def _its_worker(self) -> str:
        if not self.worker:
            raise FaultImpossible(f"no worker is at {self.points[0]}, so there is none to harm")
        return self.worker

    def _place(self) -> Place:
        if not self.places:
            raise FaultImpossible(f"{self.points[0]} is not about a workflow")
        return self.places[0]

    def _fail_attempt(self, token: bytes, failure: Failure) -> None:
        self.line.ask(
            "RespondActivityTaskFailed",
            RespondActivityTaskFailedRequest(
                task_token=token, failure=failure, identity=self.worker
            ),
        )


class RequestCrossing(Crossing):
    """A request on its way to the service."""

    def __init__(
        self,
        line: FaultLine,
        call: Call,
        worker: str,
        places: Sequence[Place],
        points: Sequence[CrashPoint],
    ) -> None:
        super().__init__(line, worker, places, points)
        self.call = call
        self.method = call.rpc.rpartition("/")[2]

    def go_on(self) -> None:
        self.line.forward(self)

    def forget(self) -> None:
        self._lay_down()
        self.call.respond(empty_answer(self.method))

    def lose(self) -> None:
        self.refuse(broken_connection())

    def delay(self, by: timedelta) -> None:
        self._lay_down()
        self.line.is_late(self.call, duration_nanoseconds(by))
        late = self._runs_reported_on()
        self.line.busy.begin(self.worker, late)

        def arrive() -> None:
            self.line.held.take_up(self._token())
            self.line.busy.end(self.worker, late)
            self.go_on()

        self.line.hold_back(self.call, duration_nanoseconds(by), arrive, self.worker)

    def repeat(self) -> None:
        self.go_on()
        self.line.repeat(self.call)

    def refuse(self, error: ServiceError) -> None:
        self.line.is_refused(self.call, error)
        self.call.fail(error)

    def fail_activity(self, failure: Failure) -> None:
        self._require_activity()
        self._fail_attempt(self._token(), failure)
        self.call.respond(empty_answer(self.method))

    def time_out_activity(self) -> None:
        self._require_activity()
        self.forget()

    def _require_activity(self) -> None:
        if not self.places or self.places[0].kind != "activity":
            raise FaultImpossible(f"no end of an activity is told at {self.points[0]}")

    def _token(self) -> bytes:
        token: bytes = getattr(self.call.request, "task_token", b"")
        return token

    def _lay_down(self) -> None:
        token = self._token()
        if token:
            self.line.held.lay_down(token)


class AnswerCrossing(Crossing):
    """An answer on its way back."""

    def __init__(
        self,
        request: RequestCrossing,
        answer: Answer,
        deliver: Callable[[Answer], None],
        places: Sequence[Place],
        points: Sequence[CrashPoint],
    ) -> None:
        super().__init__(request.line, request.worker, places, points)
        self.call = request.call
        self.method = request.method
        self._answer = answer
        self._deliver = deliver

    def go_on(self) -> None:
        self._deliver(self._answer)

    def forget(self) -> None:
        self._lay_down()
        self._deliver(empty_answer(self.method))

    def lose(self) -> None:
        self.refuse(broken_connection())

    def delay(self, by: timedelta) -> None:
        self._lay_down()
        self.line.is_late(self.call, duration_nanoseconds(by))
        late = self._runs_reported_on()
        self.line.busy.begin(self.worker, late)

        def arrive() -> None:
            self.line.busy.end(self.worker, late)
            self._arrive()

        self.line.late.after(duration_nanoseconds(by), arrive, self.worker, self.go_on)

    def repeat(self) -> None:
        if self.call.is_task_poll:
            raise FaultImpossible(f"{self.points[0]}: no service hands a task out twice")
        self.line.repeat(self.call)
        self.go_on()

    def refuse(self, error: ServiceError) -> None:
        self._lay_down()
        # A worker whose poll is refused waits before it polls again; in real time, on the wire.
        self._deliver(empty_answer(self.method) if self.call.is_task_poll else error)

    def fail_activity(self, failure: Failure) -> None:
        self._without_activities(lambda token: self._fail_attempt(token, failure))

    def time_out_activity(self) -> None:
        self._without_activities(self.line.held.lay_down)

    def _without_activities(self, deal_with: Callable[[bytes], None]) -> None:
        """Go on, but without the attempts of activities that the worker was to begin."""
        answer = self._answer
        if isinstance(answer, PollActivityTaskQueueResponse) and answer.task_token:
            deal_with(answer.task_token)
            self._deliver(PollActivityTaskQueueResponse())
        elif isinstance(answer, RespondWorkflowTaskCompletedResponse) and answer.activity_tasks:
            for task in answer.activity_tasks:
                deal_with(task.task_token)
            answer.ClearField("activity_tasks")
            self.go_on()
        else:
            raise FaultImpossible(f"no attempt of an activity is at {self.points[0]}")

    def _arrive(self) -> None:
        for token in tokens_of(self._answer):
            self.line.held.take_up(token)
        self.go_on()

    def _lay_down(self) -> None:
        for token in tokens_of(self._answer):
            if token:
                self.line.held.lay_down(token)


class InstantCrossing(Crossing):
    """An instant of virtual time, at which nothing comes by but time itself."""

    def __init__(self, line: FaultLine, worker: str, point: CrashPoint) -> None:
        super().__init__(line, worker, (), (point,))

    def go_on(self) -> None:
        """Time goes on by itself."""

    def forget(self) -> None:
        """There is nothing to be forgotten."""

    def lose(self) -> None:
        """There is nothing to be lost, as after a restart of the service."""

    def delay(self, by: timedelta) -> None:
        """Only a partition comes here, and what it delays comes later."""

    def repeat(self) -> None:
        self._refuse()

    def refuse(self, error: ServiceError) -> None:
        self._refuse()

    def fail_activity(self, failure: Failure) -> None:
        self._refuse()

    def time_out_activity(self) -> None:
        self._refuse()

    def _refuse(self) -> None:
        raise FaultImpossible(f"nothing comes by at {self.points[0]} that could fail")
