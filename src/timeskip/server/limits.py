"""How much a run may be, have and do, as the real server has it unless it is configured otherwise.

Lower limits make it cheap to test what a workflow does at them. The sizes of what single requests may
carry are in `timeskip.server.validation.limits`.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The limits of every run of a service."""

    history_events: int = 50 * 1024
    """A run whose history has more is terminated."""
    history_bytes: int = 50 * _MIB
    """A run whose history is larger is terminated with its next change."""
    suggest_continue_as_new_events: int = 4 * 1024
    """From here on workflows are told that they had better continue as new."""
    suggest_continue_as_new_bytes: int = 4 * _MIB
    """From here on as well."""
    pending_activities: int = 2000
    """A workflow task that schedules more fails."""
    pending_children: int = 2000
    """A workflow task that starts more child workflows fails."""
    pending_signals: int = 2000
    """A workflow task that sends more signals to other runs, none delivered yet, fails."""
    pending_cancel_requests: int = 2000
    """A workflow task that asks for more cancellations of other runs, none requested yet, fails."""
    pending_nexus_operations: int = 2000
    """A workflow task that schedules more Nexus operations fails."""
    signals: int = 10_000
    """Further signals to a run are refused."""
    updates: int = 2000
    """Further updates of a run are refused. Those that were rejected do not count."""
    updates_in_flight: int = 10
    """Updates of a run that may be under way at once."""
    updates_in_flight_bytes: int = 20 * _MIB
    """The requests of those that no worker has accepted yet have to be smaller than this together."""
    buffered_events: int = 100
    """If more events than this happen to a run while a worker holds its task, that task fails."""
    buffered_bytes: int = 2 * _MIB
    """If they are larger than this together, it fails too."""
    state_bytes: int = 8 * _MIB
    """A run is terminated when what it keeps is larger: its memo, and the heartbeats of activities."""
