"""What the SDK logs of an activity that fails again and again: the first failures only.

In virtual time a thousand attempts take a moment, and their tracebacks would bury what a test is told.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

import temporalio.activity

#: Attempts whose failures are logged.
MOST_LOGGED = 10

_WORDS = "Completing activity as failed"

#: In the SDK's task for an attempt, the number of the attempt.
_attempt: ContextVar[int] = ContextVar("timeskip_attempt", default=0)


def attempt_begins(number: int) -> None:
    """To be called in the SDK's task for an attempt."""
    temporalio.activity.logger.base_logger.addFilter(_is_worth_telling)
    _attempt.set(number)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    number = _attempt.get()
    if not str(record.msg).startswith(_WORDS):
        return True
    if number == MOST_LOGGED:
        record.msg = f"{record.msg}. Further attempts that fail are not logged"
    return number <= MOST_LOGGED
