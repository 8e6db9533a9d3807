"""gRPC calls with one request each, accepted and answered on a `CompletionLoop`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]

from timeskip.lanes.wire.completion_loop import CompletionLoop

#: So many calls may arrive at one time; each that has arrived makes room for another.
_WAITING_FOR = 64

_NO_FLAGS = 0

#: A deadline later than this from now is none, in seconds.
_NEVER = 10.0 * 365 * 86_400

#: Pairs of a key and a value, which is bytes if the key ends in `-bin`.
Metadata = Iterable[tuple[str, "str | bytes"]]


#: What is done with a call and its request.
Handler = Callable[["Rpc", bytes], None]


class Rpc:
    """A call that a client has made. All is to be used on the server's loop.

    Answering a call that has ended, or twice, is harmless.
    """

    __slots__ = ("_call", "_deadline", "_ended", "_watched", "metadata", "method")

    # Out of reach of those who freeze time.
    _real_time = staticmethod(time.time)

    def __init__(self, event: Any) -> None:
        self._call = event.call
        self._deadline: float = event.call_details.deadline
        self._ended = False
        self._watched = False
        self.method: str = event.call_details.method.decode()
        self.metadata: Metadata = event.invocation_metadata

    def time_remaining(self) -> float | None:
        """Real seconds until the client's deadline, or None if it has none."""
        remaining = self._deadline - self._real_time()
        return max(remaining, 0.0) if remaining < _NEVER else None

    def receive(self, received: Handler) -> None:
        """Have `received` called with the request."""

        def message(event: Any) -> None:
            request = event.batch_operations[0].message()
            if request is None:  # the client has gone
                return
            try:
                received(self, request)
            except Exception as error:
                self.refuse(cygrpc.StatusCode.unknown, f"Unexpected {type(error)}: {error}")
                raise

        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), message)

    def watch(self, on_cancel: Callable[[], None]) -> None:
        """Leave the call open, and have `on_cancel` called if its client goes before the answer."""

        def closed(event: Any) -> None:
            if event.batch_operations[0].cancelled() and not self._ended:
                self._ended = True
                on_cancel()

        self._watched = True
        self._call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), closed)

    def send(self, message: bytes) -> None:
        """Send the first of several messages; the call goes on."""
        self._call.start_server_batch(
            (
                cygrpc.SendInitialMetadataOperation((), _NO_FLAGS),
                cygrpc.SendMessageOperation(message, _NO_FLAGS),
            ),
            _nothing,
        )

    def answer(self, response: bytes) -> None:
        """End the call with a response."""
        self._end(
            cygrpc.SendMessageOperation(response, _NO_FLAGS),
            cygrpc.SendStatusFromServerOperation((), cygrpc.StatusCode.ok, b"", _NO_FLAGS),
        )

    def refuse(self, code: int, message: str, trailing: Metadata = ()) -> None:
        """End the call with an error; `code` is one of gRPC's numbers."""
        self._end(
            cygrpc.SendStatusFromServerOperation(
                tuple(trailing), code, message.encode(), _NO_FLAGS
            ),
        )

    def _end(self, *operations: Any) -> None:
        if self._ended:
            return
        self._ended = True
        last = () if self._watched else (cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),)
        self._call.start_server_batch(
            (cygrpc.SendInitialMetadataOperation((), _NO_FLAGS), *operations, *last), _nothing
        )


class GrpcServer:
    """Hands every call to `handle`, with its request, on the loop."""

    def __init__(
        self,
        loop: CompletionLoop,
        handle: Handler,
        options: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._loop = loop
        self._handle = handle
        self._server: Any = cygrpc.Server(tuple(options), False)
        self._server.register_completion_queue(loop.queue)
        self._accepts = False

    def add_port(self, address: str) -> int:
        """Listen there. The port that it is, or 0 if that is not possible."""
        port: int = self._server.add_http2_port(address.encode())
        return port

    def start(self) -> None:
        self._server.start()
        self._accepts = True
        for _ in range(_WAITING_FOR):
            self._request_call()

    async def stop(self, grace: float) -> None:
        """Accept no more, and end what is still open after so many seconds."""
        self._accepts = False
        self._loop.wake_by(None)
        ended = self._loop.create_future()
        self._server.shutdown(self._loop.queue, lambda event: ended.set_result(None))
        try:
            await asyncio.wait_for(asyncio.shield(ended), grace)
        except asyncio.TimeoutError:
            self._server.cancel_all_calls()
            await ended
        self._server.destroy()

    def _request_call(self) -> None:
        queue = self._loop.queue
        self._server.request_call(queue, queue, self._called)

    def _called(self, event: Any) -> None:
        if not event.success:
            return
        if self._accepts:
            self._request_call()
            if not self._loop.can_be_woken:
                self._loop.wake_by(event.call)
        Rpc(event).receive(self._handle)


def _nothing(event: Any) -> None:
    pass
