"""The simulated service: calls go in, answers and due times come out. No I/O of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from google.protobuf.message import Message

from timeskip.clock import Clock, Nanoseconds

# Importing a concept registers its RPCs, and what its events change.
from timeskip.server import (  # noqa: F401
    activity_answers,
    activity_executions,
    activity_options,
    activity_pause,
    activity_reset,
    batch_jobs,
    cancellation,
    children,
    completion,
    completion_callbacks,
    deletion,
    describe,
    enumerations,
    history_pages,
    namespace_changes,
    namespace_registry,
    nexus_endpoints,
    nexus_tasks,
    parent_close,
    polling,
    queries,
    reset,
    search_attribute_registry,
    signals,
    starting,
    system,
    task_queue_info,
    termination,
    time_skipping,
    update_requests,
    update_with_start,
    updates,
    worker_builds,
    workers,
    workflow_options,
    workflow_pause,
    workflow_tasks,
)
from timeskip.server.calls import Call
from timeskip.server.cluster import Cluster
from timeskip.server.errors import HistoryLimitExceeded, ServiceError, StatusCode
from timeskip.server.rpcs import HANDLERS
from timeskip.server.schedules import endings, requests  # noqa: F401
from timeskip.server.schedules import listing as schedule_listing  # noqa: F401
from timeskip.server.visibility import listing, open_and_closed  # noqa: F401


class Service:
    """One simulated cluster and its RPCs.

    Not safe for concurrent use: whoever carries the calls brings them one after the other.
    """

    def __init__(
        self, clock: Clock, *, seed: int = 0, namespaces: Iterable[str] = ("default",)
    ) -> None:
        self.cluster = Cluster(clock, seed, namespaces)
        self.cluster.close_listeners = [
            children.report_end,
            parent_close.apply,
            completion_callbacks.call_back,
            endings.tell_schedules,
        ]
        self.clock = clock
        #: Called before each call is looked at: by whoever has to set the clock.
        self.before_call: Callable[[], None] | None = None
        self._closed: ServiceError | None = None

    def handle(self, call: Call) -> None:
        """Take a call. It is answered before this returns, or whenever its answer is known."""
        if self._closed is not None:
            call.fail(self._closed)
            return
        if self.before_call is not None:
            self.before_call()
        handler = HANDLERS.get(call.rpc)
        if handler is None:
            service, _, method = call.rpc.rpartition("/")
            call.fail(
                ServiceError(
                    StatusCode.UNIMPLEMENTED,
                    f"{method} of {service} is not implemented by timeskip",
                )
            )
            return
        try:
            response: Message | None = handler(self.cluster, call, call.request)
        except ServiceError as error:
            call.fail(error)
        else:
            if response is not None:
                call.respond(response)
        self._settle()

    def expire(self, call: Call) -> None:
        """The caller of an open call waits no longer."""
        call.expire()
        self._settle()

    def cancel(self, call: Call) -> None:
        """The caller of an open call has gone."""
        call.cancel()
        self._settle()

    def close(self, error: ServiceError) -> None:
        """Answer every open call with `error`, and any that still comes."""
        if self._closed is not None:
            return
        self._closed = error
        self._end_calls(error)

    def restart(self, error: ServiceError) -> None:
        """Go on as the real server does after a restart.

        Every open call gets `error`. What happened to runs is stored; who polled is not, nor updates
        that were not accepted, nor workflow tasks that only carried these.
        """
        self._end_calls(error)
        for run in self.cluster.runs.values():
            updates.forget_unaccepted(run)
            task = run.workflow_task
            if task is not None and task.speculative and not run.history.has_buffered:
                workflow_tasks.drop(run, task)
        for queue in self.cluster.queues:
            queue.forget_workers()
        self._settle()

    def _end_calls(self, error: ServiceError) -> None:
        cluster = self.cluster
        polls = [poll for queue in cluster.queues for poll in queue.polls]
        waits = [*cluster.time_waits, *cluster.sleeping_calls, *cluster.open_queries()]
        for call in [*polls, *waits]:
            call.cancel()
            call.fail(error)

    def next_due(self) -> Nanoseconds | None:
        return self.clock.next_due()

    def run_due(self) -> int:
        """Do everything that is due by now, in order; the number of things done."""
        done = 0
        while (action := self.clock.take_due()) is not None:
            with contextlib.suppress(HistoryLimitExceeded):  # nobody asked, so nobody is refused
                action()
            self._settle()
            done += 1
        return done

    def _settle(self) -> None:
        """Do what has come up elsewhere, and give out tasks, until neither brings up anything new.

        A run whose history is too long for its next workflow task ends when that is given out.
        """
        transfers, queues = self.cluster.transfers, self.cluster.queues
        transfers.carry_out()
        queues.match()
        while transfers.wait:
            transfers.carry_out()
            queues.match()
