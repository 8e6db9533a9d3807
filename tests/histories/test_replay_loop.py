"""The loop of replays: woken by threads, by time and by sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from timeskip.histories.replaying.loop import WokenLoop


@pytest.fixture
def loop() -> Iterator[WokenLoop]:
    loop = WokenLoop()
    yield loop
    loop.close()


async def answer_of_a_thread() -> int:
    """What another thread says while the loop has nothing to do."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[int] = loop.create_future()
    threading.Thread(target=loop.call_soon_threadsafe, args=(answer.set_result, 7)).start()
    return await answer


def test_loop_is_woken_by_a_thread(loop: WokenLoop) -> None:
    assert loop.run_until_complete(answer_of_a_thread()) == 7


def test_loop_is_woken_again_and_again(loop: WokenLoop) -> None:
    async def answers() -> list[int]:
        return [await answer_of_a_thread() for _ in range(20)]

    assert loop.run_until_complete(answers()) == [7] * 20


def test_loop_wakes_when_it_is_time(loop: WokenLoop) -> None:
    assert loop.run_until_complete(asyncio.sleep(0.001, "awake")) == "awake"


def test_loop_reads_sockets_and_is_woken_meanwhile(loop: WokenLoop) -> None:
    async def read() -> tuple[bytes, int, bytes]:
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            theirs.send(b"1")
            first = await reader.readexactly(1)
            answered = await answer_of_a_thread()
            theirs.send(b"2")
            last = await reader.readexactly(1)
            writer.close()
            await writer.wait_closed()
        return first, answered, last

    assert loop.run_until_complete(read()) == (b"1", 7, b"2")
    assert loop.run_until_complete(answer_of_a_thread()) == 7


def unawaited(
    loop: WokenLoop, on_failure: Callable[[BaseException], None]
) -> asyncio.Future[object]:
    """What the SDK's core makes of it that nobody will wait for its answer."""
    loop.on_failure = on_failure
    future: asyncio.Future[object] = loop.create_future()
    loop.on_failure = None
    future.add_done_callback(print)
    assert not future.cancelled()
    return future


def done_by_a_thread(loop: WokenLoop, future: asyncio.Future[object], result: object) -> None:
    """As the SDK's core does it: the future comes first, and the result last."""

    def settle(future: asyncio.Future[object], settled: object, result: object) -> None:
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)

    arguments = (settle, future, None, result)
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=arguments)
    thread.start()
    thread.join()


def test_what_nobody_awaits_waits_for_what_somebody_does(loop: WokenLoop) -> None:
    errors: list[BaseException] = []

    async def wait() -> bool:
        done_by_a_thread(loop, unawaited(loop, errors.append), None)
        with pytest.raises(asyncio.TimeoutError):
            # Asleep, and woken by time alone.
            await asyncio.wait_for(asyncio.shield(loop.create_future()), 0.001)
        return await answer_of_a_thread() == 7

    assert loop.run_until_complete(wait())
    assert not errors


def test_failure_of_what_nobody_awaits_is_told(loop: WokenLoop) -> None:
    async def wait() -> BaseException:
        told: asyncio.Future[BaseException] = loop.create_future()
        done_by_a_thread(loop, unawaited(loop, told.set_result), ValueError("not taken"))
        return await told

    assert str(loop.run_until_complete(wait())) == "not taken"
