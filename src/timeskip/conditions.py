"""What a test waits for: something that holds or does not hold at an instant."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable


async def holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    """Whether a condition, which may be a coroutine function, holds now."""
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer
