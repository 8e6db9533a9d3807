"""Our gRPC server and its event loop, called by grpcio's own client."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from freezegun import freeze_time
from grpc_health.v1 import health_pb2, health_pb2_grpc

from timeskip.lanes.wire import NoThreads, WireServer
from timeskip.lanes.wire.completion_loop import CompletionLoop
from timeskip.lanes.wire.grpc_server import GrpcServer, Rpc

PATIENCE = 20.0


class Served:
    """A server on a thread of its own. `handle` may be replaced."""

    def __init__(self) -> None:
        self.loop = CompletionLoop()
        self.handle: Callable[[Rpc, bytes], None] = lambda rpc, data: rpc.answer(data)
        self.errors: list[dict[str, object]] = []
        self.grace = 0.0
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._listening = threading.Event()
        self._thread.start()
        self._listening.wait()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self._method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary("/a/b")

    def _run(self) -> None:
        self.loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self.loop.close()

    async def _serve(self) -> None:
        server = GrpcServer(self.loop, lambda rpc, data: self.handle(rpc, data))
        self.port = server.add_port("127.0.0.1:0")
        server.start()
        self._listening.set()
        await self._ended.wait()
        await server.stop(self.grace)

    def call(self, data: bytes = b"", timeout: float | None = PATIENCE) -> bytes:
        answer: bytes = self._method(data, timeout=timeout)
        return answer

    def begin_call(self) -> Any:
        return self._method.future(b"")

    def begin_stop(self) -> None:
        self.loop.call_soon_threadsafe(self._ended.set)

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has stopped
            self.begin_stop()
        self._thread.join()
        self.channel.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.stop()


def test_answers(served: Served) -> None:
    for size in (0, 1, 3_000_000):
        assert served.call(b"x" * size) == b"x" * size


def test_many_calls_at_once(served: Served) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: served.call(b"%d" % n), range(500)))
    assert answers == [b"%d" % n for n in range(500)]


def test_method_metadata_and_deadline_of_a_call(served: Served) -> None:
    seen: list[tuple[str, dict[str, str | bytes], float | None]] = []

    def handle(rpc: Rpc, data: bytes) -> None:
        seen.append((rpc.method, dict(rpc.metadata), rpc.time_remaining()))
        rpc.answer(b"")

    served.handle = handle
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes]
    call = served.channel.unary_unary("/some.Service/Method")
    call(b"", metadata=(("color", "blue"), ("shape-bin", b"\x00\xff")), timeout=1000)
    call(b"", timeout=None)
    (method, metadata, remaining), (_, _, unlimited) = seen
    assert method == "/some.Service/Method"
    assert (metadata["color"], metadata["shape-bin"]) == ("blue", b"\x00\xff")
    assert remaining is not None
    assert remaining == pytest.approx(1000, abs=100)
    assert unlimited is None


def test_refusal(served: Served) -> None:
    served.handle = lambda rpc, data: rpc.refuse(5, "no Ünicode", (("why-bin", b"\x01"),))
    with pytest.raises(grpc.RpcError) as refused:
        served.call()
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert refused.value.details() == "no Ünicode"
    trailing: Any = refused.value.trailing_metadata()
    assert dict(trailing)["why-bin"] == b"\x01"


def test_answer_from_another_thread_by_the_loop(served: Served) -> None:
    def handle(rpc: Rpc, data: bytes) -> None:
        rpc.watch(lambda: None)
        later = threading.Thread(
            target=served.loop.call_soon_threadsafe, args=(rpc.answer, b"later")
        )
        later.start()

    served.handle = handle
    assert [served.call() for _ in range(50)] == [b"later"] * 50


def test_thread_is_heard_that_calls_just_before_the_loop_waits(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.call()  # from now on the loop has a call to be woken by
    select, heard, first = served.loop._selector.select, threading.Event(), iter([True])

    def late(timeout: float | None) -> tuple[()]:
        if timeout is None and next(first, False):
            tell = served.loop.call_soon_threadsafe
            thread = threading.Thread(target=tell, args=[heard.set])
            thread.start()
            thread.join()
        return select(timeout)

    monkeypatch.setattr(served.loop._selector, "select", late)
    # A turn of the loop, after which it comes to wait with nothing to do.
    served.loop.call_soon_threadsafe(lambda: None)
    assert heard.wait(PATIENCE)


def test_answer_by_a_timer(served: Served) -> None:
    def handle(rpc: Rpc, data: bytes) -> None:
        rpc.watch(lambda: None)
        served.loop.call_later(0.01, rpc.answer, b"in time")

    served.handle = handle
    assert served.call() == b"in time"
    with freeze_time("2012-01-01"):
        assert served.call(timeout=None) == b"in time"


def test_second_answer_is_harmless(served: Served) -> None:
    def handle(rpc: Rpc, data: bytes) -> None:
        rpc.answer(b"first")
        rpc.answer(b"second")
        rpc.refuse(13, "third")

    served.handle = handle
    assert [served.call() for _ in range(3)] == [b"first"] * 3


def test_client_that_goes_away_is_noticed_once(served: Served) -> None:
    opened, gone = threading.Semaphore(0), threading.Semaphore(0)

    def handle(rpc: Rpc, data: bytes) -> None:
        def on_cancel() -> None:
            rpc.answer(b"too late")
            gone.release()

        rpc.watch(on_cancel)
        opened.release()

    served.handle = handle
    cancelled = served.begin_call()
    assert opened.acquire(timeout=PATIENCE)
    cancelled.cancel()
    assert gone.acquire(timeout=PATIENCE)
    with pytest.raises(grpc.RpcError) as late:
        served.call(timeout=0.05)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert gone.acquire(timeout=PATIENCE)
    assert not gone.acquire(blocking=False)


def test_bug_in_a_handler_is_told_to_the_caller_and_to_the_loop(served: Served) -> None:
    def handle(rpc: Rpc, data: bytes) -> None:
        raise ZeroDivisionError("oops")

    served.handle = handle
    with pytest.raises(grpc.RpcError, match=r"ZeroDivisionError.*oops") as told:
        served.call()
    assert told.value.code() is grpc.StatusCode.UNKNOWN
    served.handle = lambda rpc, data: rpc.answer(data)
    assert served.call(b"goes on") == b"goes on"
    assert [type(error["exception"]) for error in served.errors] == [ZeroDivisionError]


def test_end_waits_for_open_calls_as_long_as_it_may(served: Served) -> None:
    opened = threading.Event()
    kept: list[Rpc] = []

    def handle(rpc: Rpc, data: bytes) -> None:
        rpc.watch(lambda: None)
        kept.append(rpc)
        opened.set()

    served.handle = handle
    served.grace = PATIENCE
    call = served.begin_call()
    assert opened.wait(PATIENCE)
    served.loop.call_soon_threadsafe(served.loop.call_later, 0.05, kept[0].answer, b"at last")
    served.begin_stop()
    assert call.result(PATIENCE) == b"at last"


def test_end_breaks_calls_that_are_not_answered(served: Served) -> None:
    opened = threading.Event()

    def handle(rpc: Rpc, data: bytes) -> None:
        rpc.watch(lambda: None)
        opened.set()

    served.handle = handle
    call = served.begin_call()
    assert opened.wait(PATIENCE)
    served.stop()
    assert isinstance(call.exception(), grpc.RpcError)


def test_loop_that_nobody_calls_can_be_woken_and_ended() -> None:
    served = Served()
    for _ in range(20):
        woken = threading.Event()
        served.loop.call_soon_threadsafe(woken.set)
        assert woken.wait(PATIENCE)
    served.stop()
    assert served.loop.is_closed()


def test_threads_wake_the_loop_while_it_ends() -> None:
    for _ in range(5):
        served = Served()
        served.call()
        stop = threading.Event()

        def wake(loop: CompletionLoop = served.loop, stop: threading.Event = stop) -> None:
            with contextlib.suppress(RuntimeError):  # closed
                while not stop.is_set():
                    loop.call_soon_threadsafe(lambda: None)

        wakers = [threading.Thread(target=wake) for _ in range(2)]
        for waker in wakers:
            waker.start()
        served.stop()
        stop.set()
        for waker in wakers:
            waker.join()


def test_health_is_watched_until_the_server_ends() -> None:
    server = WireServer()
    server.start()
    try:
        with grpc.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for service, status in (
                ("temporal.api.workflowservice.v1.WorkflowService", "SERVING"),
                ("nobody", "SERVICE_UNKNOWN"),
            ):
                watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
                answer = next(watch)
                assert answer.ServingStatus.Name(answer.status) == status
                watch.cancel()
            watch = health.Watch(health_pb2.HealthCheckRequest())
            next(watch)
            server.stop()
            with pytest.raises(grpc.RpcError):
                next(watch)
    finally:
        server.stop()


class Greenlet(threading.Thread):
    """Goes for a thread, and runs in that of the program."""

    def start(self) -> None:
        self.run()

    def join(self, timeout: float | None = None) -> None:
        pass


@pytest.mark.asyncio
async def test_no_server_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", Greenlet)
    with pytest.raises(NoThreads, match="Use the direct lane"):
        WireServer().start()
