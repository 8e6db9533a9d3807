"""What the workflows of `disguised` use: a module that the sandbox lets through."""

from __future__ import annotations

import functools
import os
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from temporalio import workflow

from tests.histories.gallery.activities import SOON

wish = "nothing"
region_of_process = os.environ.get("SHOP_REGION", "eu")
open_orders: list[str] = []
patience = 1.5
flags = {"express": False}


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


@dataclass
class StampedTicket(Ticket):
    printed: float = field(default_factory=time.time)


@dataclass
class Parcel:
    order: str
    packed: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


def is_express() -> bool:
    return flags.get("express", False)


@functools.cache
def region() -> str:
    return os.environ.get("SHOP_REGION", "eu")


async def do(activity: Any, order: str = "a") -> Any:
    return await workflow.execute_activity(activity, order, start_to_close_timeout=SOON)
