"""Lets a replay run through the `breakpoint()` at which the workflow has stopped before."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance


def pass_breakpoints(instance: WorkflowInstance) -> None:
    """From now on the workflow's code stops at none."""
    activate = instance.activate

    def activate_without_stop(activation: WorkflowActivation) -> WorkflowActivationCompletion:
        hook = sys.breakpointhook
        sys.breakpointhook = partial(_go_on, threading.get_ident(), hook)
        try:
            return activate(activation)
        finally:
            sys.breakpointhook = hook

    vars(instance)["activate"] = activate_without_stop


def _go_on(thread: int, hook: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Stop as ever in other threads, also if the code that is replayed never comes back."""
    return None if threading.get_ident() == thread else hook(*arguments, **keywords)
