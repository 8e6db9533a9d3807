"""Threads for code of the user's that may never end."""

from __future__ import annotations

import concurrent.futures.thread
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class DaemonThreads(ThreadPoolExecutor):
    """Threads that keep nobody waiting, not even the interpreter when it ends.

    An activity or a workflow may block its thread for ever, and then no one can end it. The test that
    this happens in fails; the others must go on.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # A new thread is a daemon if the one that starts it is.
        thread: Any = threading.current_thread()
        daemonic, thread._daemonic = thread._daemonic, True
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            thread._daemonic = daemonic

    def leave(self) -> None:
        """Accept no more; whatever still runs is left to itself."""
        self.shutdown(wait=False)
        joined_at_exit: Any = concurrent.futures.thread._threads_queues
        for thread in self._threads:
            joined_at_exit.pop(thread, None)
