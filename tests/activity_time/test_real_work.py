"""Real work in an activity holds the clock still; what is merely idle does not.

Another activity that sleeps shows whether time moved. Only what really works is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.activity_time.conftest import ActivityRunner
from tests.activity_time.idle_clock import IdleClock
from timeskip import activity_time

pytestmark = pytest.mark.asyncio


class Server:
    """Answers each line that it gets when it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.asked.set()
            await self.answer.wait()
            writer.write(line)
        writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    listener = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield served


async def elapsed_while(
    activities: ActivityRunner, clock: IdleClock, work: Callable[[], Any], server: Server
) -> float:
    """Virtual time at which `work`, which asks the server something, is done.

    Beside it an activity sleeps for a minute; the server answers after a long while of real time,
    compared with the 20 ms that count as quiet.
    """
    nap = asyncio.create_task(activities.run(asyncio.sleep, 60))

    async def work_and_look() -> float:
        await work()
        return clock.elapsed

    task = asyncio.create_task(activities.run(work_and_look))
    await server.asked.wait()
    await asyncio.sleep(0.1)
    server.answer.set()
    elapsed = await task
    await nap
    assert clock.elapsed == 60
    return float(elapsed)


async def test_stream(activities: ActivityRunner, clock: IdleClock, server: Server) -> None:
    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"ping\n")
        assert await reader.readline() == b"ping\n"
        writer.close()
        await writer.wait_closed()

    assert await elapsed_while(activities, clock, ask, server) == 0


async def test_socket(activities: ActivityRunner, clock: IdleClock, server: Server) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", server.port))
            await loop.sock_sendall(sock, b"ping\n")
            assert await loop.sock_recv(sock, 100) == b"ping\n"

    assert await elapsed_while(activities, clock, ask, server) == 0


async def test_timeout_does_not_expire_while_a_socket_is_waited_for(
    activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"ping\n")
        assert await asyncio.wait_for(reader.readline(), timeout=1) == b"ping\n"
        writer.close()

    assert await elapsed_while(activities, clock, ask, server) == 0


class Client(asyncio.Protocol):
    """Waits for its answer with an event of its own, as HTTP clients do."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.arrived.set()

    @classmethod
    async def connect(cls, server: Server) -> tuple[asyncio.Transport, Client]:
        return await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", server.port)


async def test_protocol_with_an_event(
    activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    async def ask() -> None:
        transport, client = await Client.connect(server)
        transport.write(b"ping\n")
        await client.arrived.wait()
        transport.close()

    assert await elapsed_while(activities, clock, ask, server) == 0


async def test_connection_that_a_fixture_opened(
    activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    transport, client = await Client.connect(server)

    async def ask() -> None:
        transport.writelines([b"pi", b"ng\n"])
        await client.arrived.wait()

    assert await elapsed_while(activities, clock, ask, server) == 0
    transport.close()


async def test_file_descriptor_that_the_activity_watches(
    activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"ping\n")
            loop.add_reader(sock, readable.set)
            await readable.wait()
            loop.remove_reader(sock)

    assert await elapsed_while(activities, clock, ask, server) == 0


async def test_subprocess_that_is_waited_for(activities: ActivityRunner, clock: IdleClock) -> None:
    async def spawn() -> tuple[bytes, float]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('done')", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return out, clock.elapsed

    (out, elapsed), _ = await asyncio.gather(
        activities.run(spawn), activities.run(asyncio.sleep, 60)
    )
    assert out.strip() == b"done"
    assert elapsed == 0


async def test_subprocess_that_is_looked_at_between_sleeps(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    async def spawn() -> tuple[int | None, float]:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
        while process.returncode is None:  # noqa: ASYNC110  # as users write it
            await asyncio.sleep(1)
        return process.returncode, clock.elapsed

    assert await activities.run(spawn) == (0, 1)


async def test_idle_connection_does_not_hold_the_clock(
    impatient_activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    server.answer.set()

    async def ask_and_wait() -> None:
        transport, client = await Client.connect(server)
        transport.write(b"ping\n")
        await client.arrived.wait()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), timeout=60)
        transport.close()

    await impatient_activities.run(ask_and_wait)
    assert clock.elapsed == 60


async def test_background_reader_does_not_hold_the_clock(
    impatient_activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    tasks = set()

    async def listen_and_sleep() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        task = asyncio.ensure_future(reader.readline())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(60)
        writer.close()

    await impatient_activities.run(listen_and_sleep)
    assert clock.elapsed == 60


async def test_foreign_future_counts_as_work_for_a_moment(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    """As of drivers that run queries in a thread of their own."""

    async def query() -> float:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[float] = loop.create_future()
        threading.Timer(
            0.001, loop.call_soon_threadsafe, (lambda: result.set_result(clock.elapsed),)
        ).start()
        return await result

    elapsed, _ = await asyncio.gather(activities.run(query), activities.run(asyncio.sleep, 60))
    assert elapsed == 0


@pytest.mark.parametrize(
    "wait", [lambda: asyncio.Event().wait(), lambda: asyncio.Queue[int]().get()]
)
async def test_wait_without_end_is_parked(
    activities: ActivityRunner, clock: IdleClock, wait: Callable[[], Any]
) -> None:
    async def wait_forever() -> None:
        await wait()

    task = asyncio.create_task(activities.run(wait_forever))
    await asyncio.create_task(activities.run(asyncio.sleep, 60))
    assert clock.elapsed == 60
    activities.environments[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_foreign_future_without_end_is_parked_after_a_while(
    impatient_activities: ActivityRunner, clock: IdleClock
) -> None:
    async def wait_forever() -> None:
        await asyncio.Future()

    task = asyncio.create_task(impatient_activities.run(wait_forever))
    await asyncio.create_task(impatient_activities.run(asyncio.sleep, 60))
    assert clock.elapsed == 60
    impatient_activities.environments[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_wait_that_is_held_elsewhere_is_parked_at_once(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    answers: list[asyncio.Future[float]] = []

    async def call_the_service() -> float:
        with activity_time.held_elsewhere():
            answers.append(asyncio.get_running_loop().create_future())
            return await answers[0]

    call = asyncio.create_task(activities.run(call_the_service))
    await asyncio.create_task(activities.run(asyncio.sleep, 60))
    answers[0].set_result(clock.elapsed)
    assert await call == 60


async def test_signal_from_the_test_wakes_at_once(
    activities: ActivityRunner, clock: IdleClock
) -> None:
    gate = asyncio.Event()

    async def wait_at_the_gate() -> float:
        await gate.wait()
        return clock.elapsed

    task = asyncio.create_task(activities.run(wait_at_the_gate))
    await asyncio.to_thread(clock.wait_until, lambda: ("parked", None) in clock.told)
    gate.set()
    assert list(clock.running.values()) == [False]
    assert await task == 0


async def test_work_is_told_in_words(
    activities: ActivityRunner, clock: IdleClock, server: Server
) -> None:
    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"ping\n")
        await reader.readline()
        writer.close()

    at_work = threading.Event()
    asking = asyncio.create_task(activities.run(ask))
    working = asyncio.create_task(activities.run(asyncio.to_thread, at_work.wait))
    napping = asyncio.create_task(activities.run(asyncio.sleep, 60))
    await server.asked.wait()
    await asyncio.sleep(0.01)
    told = {str(attempt): work for attempt, work in activities.time.working().items()}
    server.answer.set()
    at_work.set()
    await asyncio.gather(asking, working, napping)
    assert told == {
        "ask (test, attempt 1)": "it waits for input or output",
        "to_thread (test, attempt 1)": "a call in another thread or process runs",
    }
    assert activities.time.working() == {}
