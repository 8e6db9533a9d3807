"""What executors run for an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from temporalio.worker._nexus import _ContextPropagatingExecutor

from timeskip.activity_time.attempt import Attempt
from timeskip.activity_time.process_calls import run_in_process
from timeskip.activity_time.threads import Job, ThreadForEachCall, run_in_thread


def run_for_attempt(
    attempt: Attempt,
    run_in_executor: Callable[..., asyncio.Future[Any]],
    executor: Executor,
    call: Callable[..., Any],
    args: tuple[Any, ...],
) -> asyncio.Future[Any]:
    """What `loop.run_in_executor` does for an attempt; `run_in_executor` is the loop's own."""
    pool = _pool_of(executor)
    if isinstance(pool, ThreadPoolExecutor | ThreadForEachCall):
        future = run_in_thread(attempt, run_in_executor, pool, executor, call, args)
    elif isinstance(pool, ProcessPoolExecutor):
        future = run_in_process(attempt, run_in_executor, pool, call, args)
    else:
        # Of an unknown kind: out of reach, and real work to its end.
        job = Job(attempt)
        job.awake()
        future = run_in_executor(executor, call, *args)
        future.add_done_callback(lambda _: job.asleep())
    attempt.waits.accounted_for(future)
    return future


def _pool_of(executor: Executor) -> Executor:
    # Handlers of Nexus operations run in one that hands on to the worker's own.
    if isinstance(executor, _ContextPropagatingExecutor):
        return executor._executor
    return executor
