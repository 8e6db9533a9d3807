"""What the workflows of `disguised` use: a module that the sandbox lets through."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

wish = "nothing"


def delay_before(attempt: int) -> float:
    return 2.0**attempt + _jitter()


def _jitter() -> float:
    return random.uniform(0, 1)


def wishes() -> str:
    return wish


def _numbered() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"ticket {number}"


tickets = _numbered()


@dataclass
class Ticket:
    order: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
