"""Test Temporal workflows in Python: a simulated service, virtual time, faults, histories."""

from temporalio.workflow import unsafe

# A workflow in a module that imports timeskip too: the SDK's sandbox would import all of this anew.
with unsafe.imports_passed_through():
    from timeskip.blocked_tests import blocked_loops_ended
    from timeskip.environments import environments_replaced
    from timeskip.errors import (
        ActivityNotRegistered,
        DirectLaneUnavailable,
        FaultImpossible,
        FaultNeverActed,
        FaultPlanError,
        GoldenHistoryMissing,
        GoldenHistoryNotWritten,
        HistoryNotDecoded,
        HistoryUnreadable,
        LedgerMissing,
        NotInHistory,
        PatchNeverMet,
        ReplayFailed,
        ReplayWarning,
        SimulationClosed,
        SimulationStalled,
        SimulationStuck,
        TimeskipError,
        TooManyAttempts,
        WorkerProcessDied,
        WorkerRefused,
        WorkflowNotDeterministic,
        WorkflowTaskFailed,
    )
    from timeskip.histories.run_records import RunRecord
    from timeskip.installation import install, uninstall
    from timeskip.ledger import Ledger, LedgerCount, LedgerEntry
    from timeskip.left_calls import exits_with
    from timeskip.replays import automatic_replays
    from timeskip.running import running_simulations
    from timeskip.server.limits import Limits
    from timeskip.simulation import Simulation
    from timeskip.stall import debugger_entered, debugger_left

__all__ = [
    "ActivityNotRegistered",
    "DirectLaneUnavailable",
    "FaultImpossible",
    "FaultNeverActed",
    "FaultPlanError",
    "GoldenHistoryMissing",
    "GoldenHistoryNotWritten",
    "HistoryNotDecoded",
    "HistoryUnreadable",
    "Ledger",
    "LedgerCount",
    "LedgerEntry",
    "LedgerMissing",
    "Limits",
    "NotInHistory",
    "PatchNeverMet",
    "ReplayFailed",
    "ReplayWarning",
    "RunRecord",
    "Simulation",
    "SimulationClosed",
    "SimulationStalled",
    "SimulationStuck",
    "TimeskipError",
    "TooManyAttempts",
    "WorkerProcessDied",
    "WorkerRefused",
    "WorkflowNotDeterministic",
    "WorkflowTaskFailed",
    "automatic_replays",
    "blocked_loops_ended",
    "debugger_entered",
    "debugger_left",
    "environments_replaced",
    "exits_with",
    "install",
    "running_simulations",
    "uninstall",
]
