"""How a simulation comes to have faults."""

from __future__ import annotations

from timeskip.activity_time import ActivityTime
from timeskip.clock import Nanoseconds
from timeskip.faults.faults import Faults
from timeskip.faults.kinds import known_verdicts
from timeskip.faults.line import FaultLine
from timeskip.faults.local_crossings import LocalActivityLine
from timeskip.faults.worker_killer import WorkerKiller
from timeskip.lanes.alarms import Alarms
from timeskip.lanes.lane import Lane
from timeskip.lanes.worker_registry import WorkerRegistry


def begin_faults(
    lane: Lane,
    start: Nanoseconds,
    workers: WorkerRegistry,
    activity_time: ActivityTime,
    alarms: Alarms,
) -> Faults:
    """Stand between a lane and its service from now on."""

    def stand_between() -> FaultLine:
        keeper = lane.keeper
        line = FaultLine(keeper, start, alarms)
        line.killers.append(WorkerKiller(keeper, workers, activity_time, line.soon))
        workers.local_activities = LocalActivityLine(line, keeper)
        line.given_away = workers.given_away
        workers.is_cut_off = line.is_cut_off
        return line

    return Faults(lane.call(stand_between), lane.call, known_verdicts())
