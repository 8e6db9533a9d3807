"""Lets a replay run through the `breakpoint()` at which the workflow has stopped before."""

from __future__ import annotations

import sys
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance


def pass_breakpoints(instance: WorkflowInstance) -> None:
    """From now on the workflow's code stops at none."""
    activate = instance.activate

    def activate_without_stop(activation: WorkflowActivation) -> WorkflowActivationCompletion:
        hook = sys.breakpointhook
        sys.breakpointhook = _go_on
        try:
            return activate(activation)
        finally:
            sys.breakpointhook = hook

    vars(instance)["activate"] = activate_without_stop


def _go_on(*arguments: Any, **keywords: Any) -> None:
    pass
