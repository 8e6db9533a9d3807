"""Priorities of workflows and activities."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import Priority

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import byte_length

_MAX_FAIRNESS_KEY_LENGTH: Final = 64


def validate_priority(priority: Priority) -> None:
    """Refuse a priority with INVALID_ARGUMENT as the real server does; unset is valid."""
    if priority.priority_key < 0:
        raise invalid_argument("priority key can't be negative")
    if byte_length(priority.fairness_key) > _MAX_FAIRNESS_KEY_LENGTH:
        raise invalid_argument("fairness key length exceeds limit")
    if priority.fairness_weight < 0:
        raise invalid_argument("must be greater than zero")
