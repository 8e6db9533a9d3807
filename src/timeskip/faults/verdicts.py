"""What happens where a rule applies. A verdict is a name and a few words, see `plan_text`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure

from timeskip.faults.passage import Passage
from timeskip.server.errors import ServiceError, StatusCode


@dataclass(frozen=True)
class Verdict:
    """Base of all verdicts. The fields of a subclass are the options of its textual form.

    They are of the types str, int, bool, `timedelta`, `timedelta | None` and `StatusCode`.
    """

    #: The word for it in plans.
    name: ClassVar[str]
    #: How often it happens unless a rule says otherwise; None: every time.
    usual_times: ClassVar[int | None] = 1

    def act(self, passage: Passage) -> None:
        """Decide how the passage goes on."""
        raise NotImplementedError


@dataclass(frozen=True)
class KillWorker(Verdict):
    """The worker dies. `restart_after`: virtual time until another takes its place; None: never."""

    name: ClassVar[str] = "kill-worker"
    restart_after: timedelta | None = timedelta(0)

    def act(self, passage: Passage) -> None:
        passage.kill_worker(self.restart_after)
        passage.forget()


@dataclass(frozen=True)
class TerminateWorker(Verdict):
    """The worker shuts down. `restart_after`: virtual time from its end until another takes its place."""

    name: ClassVar[str] = "terminate-worker"
    restart_after: timedelta | None = timedelta(0)

    def act(self, passage: Passage) -> None:
        passage.terminate_worker(self.restart_after)
        passage.go_on()


@dataclass(frozen=True)
class StopWorker(Verdict):
    """The worker hangs for so much virtual time, and goes on."""

    name: ClassVar[str] = "stop-worker"
    length: timedelta

    def act(self, passage: Passage) -> None:
        passage.stop_worker(self.length)
        passage.delay(self.length)


@dataclass(frozen=True)
class LoseResponse(Verdict):
    """The connection breaks just then."""

    name: ClassVar[str] = "lose-response"

    def act(self, passage: Passage) -> None:
        passage.lose()


@dataclass(frozen=True)
class DelayResponse(Verdict):
    """It arrives late, by so much virtual time."""

    name: ClassVar[str] = "delay-response"
    by: timedelta

    def act(self, passage: Passage) -> None:
        passage.delay(self.by)


@dataclass(frozen=True)
class DuplicateResponse(Verdict):
    """It arrives at the service twice."""

    name: ClassVar[str] = "duplicate-response"

    def act(self, passage: Passage) -> None:
        passage.repeat()


@dataclass(frozen=True)
class FailRpc(Verdict):
    """The caller gets a gRPC error. SDKs try again what may pass, such as UNAVAILABLE."""

    name: ClassVar[str] = "fail-rpc"
    code: StatusCode = StatusCode.UNAVAILABLE
    message: str = "injected by a fault"

    def act(self, passage: Passage) -> None:
        passage.refuse(ServiceError(self.code, self.message))


@dataclass(frozen=True)
class FailActivity(Verdict):
    """An attempt of an activity fails: before it starts, or although it has succeeded.

    `type` is what a retry policy's `non_retryable_error_types` name.
    """

    name: ClassVar[str] = "fail-activity"
    message: str = "injected by a fault"
    type: str = "InjectedFault"
    non_retryable: bool = False

    def act(self, passage: Passage) -> None:
        info = ApplicationFailureInfo(type=self.type, non_retryable=self.non_retryable)
        passage.fail_activity(Failure(message=self.message, application_failure_info=info))


@dataclass(frozen=True)
class TimeOutActivity(Verdict):
    """An attempt of an activity is lost with whoever had it, and runs into its timeout."""

    name: ClassVar[str] = "time-out-activity"

    def act(self, passage: Passage) -> None:
        passage.time_out_activity()


@dataclass(frozen=True)
class Latency(Verdict):
    """It takes so much virtual time, every time."""

    name: ClassVar[str] = "latency"
    usual_times: ClassVar[int | None] = None
    by: timedelta

    def act(self, passage: Passage) -> None:
        passage.delay(self.by)


@dataclass(frozen=True)
class EvictWorkflow(Verdict):
    """The worker loses the workflow from its cache, and replays it when it gets the next task."""

    name: ClassVar[str] = "evict-workflow"

    def act(self, passage: Passage) -> None:
        passage.evict_workflow()
        passage.go_on()


@dataclass(frozen=True)
class DropStickyQueue(Verdict):
    """The service forgets who has the workflow cached: any worker may get its next task."""

    name: ClassVar[str] = "drop-sticky-queue"

    def act(self, passage: Passage) -> None:
        passage.drop_sticky_queue()
        passage.go_on()


@dataclass(frozen=True)
class Partition(Verdict):
    """The worker and the service do not reach each other for so much virtual time."""

    name: ClassVar[str] = "partition"
    length: timedelta

    def act(self, passage: Passage) -> None:
        passage.partition_worker(self.length)
        passage.delay(self.length)


@dataclass(frozen=True)
class RestartServer(Verdict):
    """The service restarts: open calls break, nothing that was acknowledged is lost."""

    name: ClassVar[str] = "restart-server"

    def act(self, passage: Passage) -> None:
        passage.restart_server()
        passage.lose()


@dataclass(frozen=True)
class LoseAllWorkers(Verdict):
    """All workers die, and others come after so much virtual time."""

    name: ClassVar[str] = "lose-all-workers"
    length: timedelta

    def act(self, passage: Passage) -> None:
        passage.kill_all_workers(self.length)
        if passage.worker:
            passage.forget()
        else:
            passage.go_on()


#: The verdicts that come with timeskip, by name.
VERDICTS: dict[str, type[Verdict]] = {
    verdict.name: verdict
    for verdict in (
        KillWorker,
        TerminateWorker,
        StopWorker,
        LoseResponse,
        DelayResponse,
        DuplicateResponse,
        FailRpc,
        FailActivity,
        TimeOutActivity,
        Latency,
        EvictWorkflow,
        DropStickyQueue,
        Partition,
        RestartServer,
        LoseAllWorkers,
    )
}
