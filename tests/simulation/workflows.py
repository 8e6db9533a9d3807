"""Workflows and activities that several tests need."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow.defn
class Sleeper:
    """Sleeps so many seconds, and returns when it woke up, in seconds since the epoch."""

    @workflow.run
    async def run(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return workflow.now().timestamp()


@workflow.defn
class Inbox:
    """Collects messages with the instants of their arrival until it gets the last one."""

    def __init__(self) -> None:
        self._arrivals: list[tuple[str, float]] = []

    @workflow.run
    async def run(self, last: str) -> list[tuple[str, float]]:
        await workflow.wait_condition(lambda: any(text == last for text, _ in self._arrivals))
        return self._arrivals

    @workflow.signal
    def post(self, text: str) -> None:
        self._arrivals.append((text, workflow.now().timestamp()))

    @workflow.query
    def texts(self) -> list[str]:
        return [text for text, _ in self._arrivals]


@workflow.defn
class Heartbeat:
    """Ticks every so many seconds, so many times."""

    def __init__(self) -> None:
        self._ticks = 0

    @workflow.run
    async def run(self, seconds: float, times: int) -> int:
        for _ in range(times):
            await asyncio.sleep(seconds)
            self._ticks += 1
        return self._ticks

    @workflow.query
    def ticks(self) -> int:
        return self._ticks


@workflow.defn
class Greeter:
    """Calls one activity."""

    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(minutes=1)
        )
