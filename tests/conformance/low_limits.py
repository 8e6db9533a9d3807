"""Limits that a scenario reaches within a few events, for the real server and for ours."""

from __future__ import annotations

from timeskip import Limits

LIMITS = Limits(
    history_events=40,
    history_bytes=60_000,
    suggest_continue_as_new_events=20,
    suggest_continue_as_new_bytes=30_000,
    pending_activities=2,
    pending_children=2,
    pending_signals=2,
    pending_cancel_requests=2,
    pending_nexus_operations=2,
    signals=30,
    updates=4,
    updates_in_flight_bytes=3_000,
    buffered_events=8,
    buffered_bytes=12_000,
    state_bytes=40_000,
)

#: The same in the real server's words.
DYNAMIC_CONFIG = (
    f"limit.historyCount.error={LIMITS.history_events}",
    f"limit.historySize.error={LIMITS.history_bytes}",
    f"limit.historyCount.suggestContinueAsNew={LIMITS.suggest_continue_as_new_events}",
    f"limit.historySize.suggestContinueAsNew={LIMITS.suggest_continue_as_new_bytes}",
    f"limit.numPendingActivities.error={LIMITS.pending_activities}",
    f"limit.numPendingChildExecutions.error={LIMITS.pending_children}",
    f"limit.numPendingSignals.error={LIMITS.pending_signals}",
    f"limit.numPendingCancelRequests.error={LIMITS.pending_cancel_requests}",
    f"component.nexusoperations.limit.operation.concurrency={LIMITS.pending_nexus_operations}",
    f"history.maximumSignalsPerExecution={LIMITS.signals}",
    f"history.maxTotalUpdates={LIMITS.updates}",
    f"history.maxInFlightUpdatePayloads={LIMITS.updates_in_flight_bytes}",
    f"history.maximumBufferedEventsBatch={LIMITS.buffered_events}",
    f"history.maximumBufferedEventsSizeInBytes={LIMITS.buffered_bytes}",
    f"limit.mutableStateSize.error={LIMITS.state_bytes}",
    "limit.mutableStateSize.warn=1000",
    # One that keeps to the rates which workers ask for, and that may do as much as four.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    "admin.matchingNamespaceTaskqueueToPartitionDispatchRate=4000",
)
