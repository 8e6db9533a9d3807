"""One request on its way through the service."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import Message

from timeskip.server.errors import ServiceError, StatusCode

Answer = Message | ServiceError


class Call:
    """A request that will be answered exactly once, now or later.

    The lane that carries the request supplies `deliver`; the service calls `respond` or `fail`.
    A call that cannot be answered yet stays open: `on_expiry` gives the answer when the caller's
    patience ends, `on_cancel` forgets it when the caller has gone.
    """

    __slots__ = (
        "_deliver",
        "features",
        "may_last",
        "on_cancel",
        "on_expiry",
        "request",
        "rpc",
        "task_queue",
        "timeout",
    )

    def __init__(
        self,
        rpc: str,
        request: Message,
        deliver: Callable[[Answer], None],
        *,
        timeout: float | None = None,
        features: frozenset[str] = frozenset(),
    ) -> None:
        self.rpc = rpc
        self.request = request
        #: Real seconds that the caller will wait, or None if it set no limit.
        self.timeout = timeout
        #: What the caller says that it understands, in the words of the `supported-features` header.
        self.features = features
        #: The queue that a poll waits at; empty for any other call.
        self.task_queue = ""
        #: Whether the answer may take as long as the caller waits, however long that is.
        self.may_last = False
        self.on_expiry: Callable[[], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self._deliver: Callable[[Answer], None] | None = deliver

    @property
    def is_task_poll(self) -> bool:
        return bool(self.task_queue)

    @property
    def answered(self) -> bool:
        return self._deliver is None

    def redirect(self, deliver: Callable[[Answer], None]) -> Callable[[Answer], None]:
        """Have the answer delivered elsewhere; where it would have been delivered before.

        For those who carry the call, before the service has it.
        """
        before, self._deliver = self._deliver, deliver
        assert before is not None
        return before

    def respond(self, response: Message) -> None:
        self._finish(response)

    def fail(self, error: ServiceError) -> None:
        self._finish(error)

    def expire(self) -> None:
        """The caller will not wait any longer."""
        if self.answered:
            return
        if self.on_expiry is not None:
            self.on_expiry()
        if not self.answered:
            self.cancel()
            self.fail(ServiceError(StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded"))

    def cancel(self) -> None:
        """The caller has gone; nothing that it waited for is done on its behalf any more."""
        if not self.answered and self.on_cancel is not None:
            self.on_cancel()

    def _finish(self, answer: Answer) -> None:
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            self.on_expiry = self.on_cancel = None
            deliver(answer)
