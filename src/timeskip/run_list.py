"""The runs of a service as the users of a simulation see them."""

from __future__ import annotations

import temporalio.client
from temporalio.api.history.v1 import History

from timeskip.histories.replaying.ledger import ReplayLedger
from timeskip.histories.run_records import RunRecord
from timeskip.server.cluster import Cluster


def records_of(cluster: Cluster, ledger: ReplayLedger) -> list[RunRecord]:
    """A record of each, in the order of their starts."""
    return [
        RunRecord(
            run.workflow_id,
            run.run_id,
            run.workflow_type,
            # The SDK knows no paused workflows.
            temporalio.client.WorkflowExecutionStatus.RUNNING
            if run.is_open
            else temporalio.client.WorkflowExecutionStatus(run.status),
            History(events=run.history.events),
            ledger.places.get(run.run_id, {}),
        )
        for run in cluster.runs.values()
    ]
