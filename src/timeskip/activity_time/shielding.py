"""Keeps the cancellation of a sync activity out of what this package does in its thread."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import temporalio.activity


def uninterrupted() -> AbstractContextManager[None]:
    """Around what this package does in the thread of a sync activity.

    The SDK cancels the activity by an exception that may be raised anywhere in the thread. It is
    put off until the block ends, lest the books are left half written.
    """
    if temporalio.activity.in_activity():
        return temporalio.activity.shield_thread_cancel_exception()
    return nullcontext()
