"""Runs activities through the interceptor, as a worker does, without a server."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import temporalio.activity
from temporalio.testing import ActivityEnvironment
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from tests.activity_time.idle_clock import IdleClock
from timeskip import activity_time
from timeskip.activity_time import ActivityTime

# Before any test module is imported, as the pytest plugin does.
activity_time.install()


class _Innermost(ActivityInboundInterceptor):
    """Runs the activity the way the SDK's own innermost interceptor does."""

    def __init__(self) -> None:
        """Nothing comes next."""

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        context = temporalio.activity._Context.current()
        context.heartbeat = outbound.heartbeat

    async def execute_activity(
        self,
        input: ExecuteActivityInput,  # the SDK's name
    ) -> Any:
        if inspect.iscoroutinefunction(input.fn):
            return await input.fn(*input.args)
        return await asyncio.get_running_loop().run_in_executor(
            input.executor, contextvars.copy_context().run, input.fn, *input.args
        )


class _Outbound(ActivityOutboundInterceptor):
    """Hands heartbeats to a function."""

    def __init__(self, heartbeat: Callable[..., None]) -> None:
        self._heartbeat = heartbeat

    def heartbeat(self, *details: Any) -> None:
        self._heartbeat(*details)


class ActivityRunner:
    """Runs activities of one simulation. `environments` are those of the attempts, in order."""

    def __init__(self, clock: IdleClock, quiet_period: timedelta) -> None:
        self.clock = clock
        self.time = ActivityTime(clock, clock, quiet_period=quiet_period)
        self.executor = ThreadPoolExecutor(max_workers=4)
        self.heartbeats: list[tuple[Any, ...]] = []
        self.environments: list[ActivityEnvironment] = []

    async def run(
        self, fn: Callable[..., Any], *args: Any, executor: Executor | None = None, **info: Any
    ) -> Any:
        """Run an async or a sync activity; `info` replaces parts of `activity.info()`."""
        environment = ActivityEnvironment()
        token = f"token {len(self.environments)}".encode()
        changes = {"task_token": token, "activity_type": fn.__name__, **info}
        environment.info = dataclasses.replace(environment.info, **changes)
        self.environments.append(environment)
        config = self.time.configure_worker({"interceptors": []})
        (interceptor,) = config["interceptors"]
        assert isinstance(interceptor, Interceptor)

        async def execute() -> Any:
            inbound = interceptor.intercept_activity(_Innermost())
            inbound.init(_Outbound(lambda *details: self.heartbeats.append(details)))
            return await inbound.execute_activity(
                ExecuteActivityInput(fn, args, executor or self.executor, {})
            )

        return await environment.run(execute)


@pytest.fixture
def clock() -> Iterator[IdleClock]:
    clock = IdleClock()
    yield clock
    clock.stop()


@pytest.fixture
def activities(clock: IdleClock) -> Iterator[ActivityRunner]:
    """Runs activities. Waits that may be real work are never taken for anything else."""
    yield from _runner(clock, timedelta(hours=1))


@pytest.fixture
def impatient_activities(clock: IdleClock) -> Iterator[ActivityRunner]:
    """Runs activities. Waits that may be real work count as parked after 20 ms."""
    yield from _runner(clock, timedelta(milliseconds=20))


def _runner(clock: IdleClock, quiet_period: timedelta) -> Iterator[ActivityRunner]:
    runner = ActivityRunner(clock, quiet_period)
    yield runner
    runner.time.close()
    runner.executor.shutdown()
