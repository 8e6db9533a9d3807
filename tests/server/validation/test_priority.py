from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Priority

from tests.server.validation.refusals import refusal
from timeskip.server.validation.priority import validate_priority


@pytest.mark.parametrize(
    ("priority", "message"),
    [
        (Priority(priority_key=-1), "priority key can't be negative"),
        (Priority(fairness_key="k" * 65), "fairness key length exceeds limit"),
        (Priority(fairness_key="é" * 33), "fairness key length exceeds limit"),
        (Priority(fairness_weight=-1), "must be greater than zero"),
    ],
)
def test_validate_priority_refuses(priority: Priority, message: str) -> None:
    assert refusal(validate_priority, priority) == message


@pytest.mark.parametrize(
    "priority",
    [Priority(), Priority(priority_key=9, fairness_key="k" * 64, fairness_weight=0.001)],
)
def test_validate_priority_accepts(priority: Priority) -> None:
    validate_priority(priority)
