"""What `WorkflowEnvironment.start_time_skipping` makes, around a server that is already there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.testing import _workflow as environments

from tests import sdk


def around(client: Client) -> WorkflowEnvironment:
    """An environment that locks and unlocks the time of the test server that the client calls."""
    made: Any = environments
    environment: WorkflowEnvironment
    if sdk.is_before("1.35"):
        skipping = SimpleNamespace(has_test_service=True)
        environment = made._EphemeralServerWorkflowEnvironment(client, skipping)
    else:
        environment = made._V1WorkflowEnvironment(client, None)
    return environment
