"""How a scenario declares what it proves.

`docs/support.md` is made of these declarations, so each one names something of Temporal's API:

    rpc:StartWorkflowExecution                          an RPC of the workflow service
    command:ScheduleActivityTask                        a command
    event:ActivityTaskScheduled                         a history event
    option:StartWorkflowExecutionRequest.request_id     a field of a message
"""

from __future__ import annotations

from typing import Literal

import pytest


def options(message: str, *fields: str) -> tuple[str, ...]:
    """The claims that a scenario proves these fields of a message."""
    return tuple(f"option:{message}.{field}" for field in fields)


def scenario(
    *proves: str,
    differs: str = "",
    clock: Literal["real", "virtual"] = "real",
    real: Literal["dev server", "dev server with low limits", "test server"] = "dev server",
    speaks_grpc: bool = False,
) -> pytest.MarkDecorator:
    """Mark an `async def` test of one argument, `world`, as a scenario.

    It runs against the real server and against each of our lanes, and what it observes has to be
    the same.

    Args:
        proves: What the scenario proves, see the top of this file.
        differs: Where ours behaves differently on purpose, and why the scenario passes all the
            same.
        clock: The clock of our lanes. A scenario that holds tasks in its own hands needs the real
            one: for the virtual clock such a task is work, and time stands still.
        real: The real server. For the one with low limits see `tests/conformance/low_limits.py`.
            The test server is only for what the dev server does not have; it has one clock for
            everybody, so each scenario gets one of its own.
        speaks_grpc: Whether it is about gRPC itself, of which the direct lane knows nothing.
    """
    return pytest.mark.scenario(
        *proves, differs=differs, clock=clock, real=real, speaks_grpc=speaks_grpc
    )
