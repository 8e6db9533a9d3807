"""What a simulation tells of the runs that it has had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from temporalio.api.history.v1 import History
from temporalio.client import WorkflowExecutionStatus

from timeskip.histories.replaying.commands import Key, Place


@dataclass(frozen=True)
class RunRecord:
    """A run as the service remembers it.

    `history` is complete up to now; `places` has the lines of the workflow's code that asked for what
    is in it, as far as workers of this process have run it.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    status: WorkflowExecutionStatus
    history: History
    places: Mapping[Key, Place] = field(repr=False)
