"""An event loop that knows whose code it runs.

The loop object gets another class while a worker of a simulation runs activities on it: a subclass
of its own, made here. In the context of an attempt its timers are virtual, and what is queued,
spawned and waited for is noted; the rest costs one look at a context variable.
"""

# typeshed's signatures are generic in the arguments of callbacks, which are passed on unseen here.
# mypy: disable-error-code="override"

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, cast
from weakref import WeakKeyDictionary

from timeskip.activity_time.attempt import Attempt, current_attempt
from timeskip.activity_time.executors import run_for_attempt
from timeskip.activity_time.held_elsewhere import is_held_elsewhere
from timeskip.activity_time.shielding import uninterrupted
from timeskip.activity_time.thread_sleep import nanoseconds
from timeskip.activity_time.threads import OWN_THREADS
from timeskip.activity_time.timers import VirtualTimerHandle
from timeskip.activity_time.unwatched_loop import UnwatchedLoop

#: Whatever a loop does passes here, and most of it is in no attempt's context: that has to be quick.
_current = current_attempt.get


def _watched(context: Context | None) -> Attempt | None:
    """The attempt that code running in `context` counts for; None stands for the current one."""
    attempt = _current() if context is None else context.get(current_attempt)
    return None if attempt is None or attempt.finished else attempt


def _is_step_of_task(callback: Callable[..., object]) -> bool:
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)


class AttemptLoop(asyncio.AbstractEventLoop):
    """What is added to an event loop's own class."""

    # --- scheduling ----------------------------------------------------------------------------

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        attempt = _current() if context is None else context.get(current_attempt)
        if attempt is None:
            return super().call_soon(callback, *args, context=context)
        if attempt.finished:
            handle = super().call_soon(callback, *args, context=context)
            if attempt.killed and _is_step_of_task(callback):
                handle.cancel()
            return handle
        attempt.stir()
        attempt.waits.will_run(callback)
        handle = super().call_soon(callback, *args, context=context)
        attempt.check_soon()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        attempt = _watched(context)
        if attempt is None:
            return super().call_soon_threadsafe(callback, *args, context=context)
        with uninterrupted(), attempt.arrival():
            return super().call_soon_threadsafe(callback, *args, context=context)

    # --- time ----------------------------------------------------------------------------------
    # What an ended attempt has left behind is on virtual time, too.

    def time(self) -> float:
        attempt = _current()
        if attempt is None or attempt.clock.closed:
            return super().time()
        return attempt.clock.loop_time()

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        attempt = _current()
        if attempt is None or attempt.clock.closed:
            return super().call_later(delay, callback, *args, context=context)
        when = self.time() + delay
        handle = VirtualTimerHandle(attempt, when, callback, args, self, context)
        if delay != math.inf:
            handle.arm(attempt.clock.now_ns() + nanoseconds(delay))
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        attempt = _current()
        if attempt is None or attempt.clock.closed:
            return super().call_at(when, callback, *args, context=context)
        handle = VirtualTimerHandle(attempt, when, callback, args, self, context)
        if when != math.inf:
            handle.arm(attempt.clock.due_ns(when))
        return handle

    # --- what an attempt spawns and waits for ----------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        future = super().create_future()
        attempt = _current()
        if attempt is None or attempt.finished:
            return future
        if is_held_elsewhere.get():
            attempt.waits.accounted_for(future)
        else:
            attempt.waits.made(future, sys._getframe(1).f_globals.get("__name__", ""))
        return future

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        loop: asyncio.AbstractEventLoop = self
        if not isinstance(loop, AttemptLoop):
            # Nobody watches it any more, but somebody did when asyncio queued this very method.
            return loop.create_task(coro, **options)
        attempt = _current()
        if attempt is None or attempt.finished:
            return super().create_task(coro, **options)
        context: Context | None = options.get("context")
        if context is not None and context.get(current_attempt) is None:
            context.run(current_attempt.set, attempt)
        task = super().create_task(coro, **options)
        attempt.waits.spawned(task)
        return task

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        attempt = _watched(None)
        if attempt is None:
            return super().run_in_executor(executor, func, *args)
        if executor is None:
            executor = self._default_pool()
        return run_for_attempt(attempt, super().run_in_executor, executor, func, args)

    def _default_pool(self) -> Executor:
        """The pool that None stands for: one that somebody has set, or threads of our own."""
        pool = vars(self).get("_default_executor")
        is_asyncios = getattr(pool, "_thread_name_prefix", "") == "asyncio"
        return OWN_THREADS if pool is None or is_asyncios else cast(Executor, pool)

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        attempt = _watched(None)
        if attempt is not None:
            attempt.waits.used_network = True
        return await super().create_connection(*args, **options)

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        self._watch_descriptor((fd, "read"))
        super().add_reader(fd, callback, *args)

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        self._watch_descriptor((fd, "write"))
        super().add_writer(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        self._unwatch_descriptor((fd, "read"))
        return super().remove_reader(fd)

    def remove_writer(self, fd: Any) -> bool:
        self._unwatch_descriptor((fd, "write"))
        return super().remove_writer(fd)

    def _watch_descriptor(self, descriptor: object) -> None:
        attempt = _watched(None)
        if attempt is not None:
            attempt.waits.descriptors.add(descriptor)

    def _unwatch_descriptor(self, descriptor: object) -> None:
        attempt = _watched(None)
        if attempt is not None:
            attempt.waits.descriptors.discard(descriptor)

    async def subprocess_exec(
        self, protocol_factory: Callable[[], Any], *args: Any, **options: Any
    ) -> Any:
        factory, started = _tell_exit(protocol_factory)
        return started(await super().subprocess_exec(factory, *args, **options))

    async def subprocess_shell(
        self, protocol_factory: Callable[[], Any], *args: Any, **options: Any
    ) -> Any:
        factory, started = _tell_exit(protocol_factory)
        return started(await super().subprocess_shell(factory, *args, **options))


def _tell_exit(
    protocol_factory: Callable[[], Any],
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """Have a subprocess's protocol tell the attempt that starts it when the process has ended."""
    attempt = _watched(None)
    if attempt is None:
        return protocol_factory, lambda started: started

    def factory() -> Any:
        protocol = protocol_factory()
        process_exited = protocol.process_exited

        def exited() -> None:
            process_exited()
            attempt.stir()
            attempt.check_soon()

        protocol.process_exited = exited
        return protocol

    def started(pair: Any) -> Any:
        attempt.waits.subprocesses.add(pair[0])
        return pair

    return factory, started


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
_watchers_lock = threading.Lock()


def watch_loop(loop: asyncio.AbstractEventLoop) -> UnwatchedLoop:
    """Watch the loop until `unwatch_loop` has been called as often as this."""
    with _watchers_lock:
        _watchers[loop] = _watchers.get(loop, 0) + 1
        own = type(loop)
        if issubclass(own, AttemptLoop):
            own = own.__mro__[2]
        else:
            loop.__class__ = _watched_class(own)
    return UnwatchedLoop(loop, own)


def unwatch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Give the loop its own class back if nobody else watches it."""
    with _watchers_lock:
        _watchers[loop] -= 1
        if not _watchers[loop]:
            del _watchers[loop]
            loop.__class__ = type(loop).__mro__[2]


def _watched_class(own: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    if own not in _watched_classes:
        _watched_classes[own] = type(f"Watched{own.__name__}", (AttemptLoop, own), {})
    return _watched_classes[own]


_watched_classes: dict[Any, type[asyncio.AbstractEventLoop]] = {}
