"""What one run wants from its worker's local activities, and what its history says of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from timeskip.lanes.direct.local_activity_results import LocalResolution
from timeskip.lanes.direct.local_activity_schedule import LocalSchedule


@dataclass
class _Peeked:
    """The end of a local activity that stands ahead in the history."""

    seq: int
    resolution: LocalResolution


@dataclass
class Wanted:
    """What the worker is to do: in this order."""

    cancel_all: bool
    cancel: list[int]
    start: list[LocalSchedule]


class LocalActivityRequests:
    """The local activities of one run that are wanted, that run, and that are known to have ended.

    Activations of one workflow task are counted: a marker says in which of them the workflow heard
    of the end, and a replay has to tell it in the same one, because the workflow may act upon which
    of several activities have ended.
    """

    def __init__(self) -> None:
        self.activation_index = 0
        self._wanted: list[LocalSchedule] = []
        self._cancelled: list[int] = []
        self._executing: dict[int, None] = {}
        self._peeked: deque[_Peeked] = deque()
        self._run_ends = False

    def enqueue(self, schedule: LocalSchedule) -> None:
        """The workflow wants an activity to be executed."""
        self._wanted.append(schedule)

    def enqueue_cancel(self, seq: int) -> None:
        """The workflow wants an activity that is being executed to stop."""
        self._cancelled.append(seq)

    def take_back(self, seq: int) -> LocalSchedule | None:
        """Remove an activity that nobody has begun to execute, if it is one."""
        for index, schedule in enumerate(self._wanted):
            if schedule.seq == seq:
                return self._wanted.pop(index)
        return None

    def done(self, seq: int) -> None:
        """The activity has ended, or does not concern its run any more."""
        self._wanted = [schedule for schedule in self._wanted if schedule.seq != seq]
        self._executing.pop(seq, None)

    def take(self) -> Wanted:
        """All that has gathered for the worker to do."""
        if self._run_ends:
            return Wanted(cancel_all=True, cancel=[], start=[])
        wanted = Wanted(cancel_all=False, cancel=self._cancelled, start=self._wanted)
        self._cancelled, self._wanted = [], []
        self._executing.update(dict.fromkeys(schedule.seq for schedule in wanted.start))
        return wanted

    @property
    def outstanding(self) -> int:
        """How many activities have yet to end."""
        return 0 if self._run_ends else len(self._executing) + len(self._wanted)

    def run_ends(self) -> None:
        """The workflow has ended, and with it everything that it wanted."""
        self._run_ends = True

    def task_applied(self) -> None:
        """A new workflow task: its activations are counted anew."""
        self.activation_index = 0

    def activation_dispatched(self) -> None:
        self.activation_index += 1

    def peek(self, seq: int, resolution: LocalResolution) -> None:
        """The history ahead says how an activity ends."""
        self._peeked.append(_Peeked(seq, resolution))

    def next_peeked(self, *, include_held: bool) -> int | None:
        """The activity whose end comes next in the history ahead, if it is its turn already."""
        if not self._peeked:
            return None
        first = self._peeked[0]
        return None if self._is_held(first) and not include_held else first.seq

    def take_peeked(self, seq: int) -> LocalResolution | None:
        """How the activity ends, if the history ahead says so."""
        for peeked in self._peeked:
            if peeked.seq == seq:
                self._peeked.remove(peeked)
                return peeked.resolution
        return None

    def is_held(self, seq: int) -> bool:
        """Whether the history ahead has the activity's end, for a later activation."""
        return any(peeked.seq == seq and self._is_held(peeked) for peeked in self._peeked)

    def _is_held(self, peeked: _Peeked) -> bool:
        index = peeked.resolution.activation_index
        return index is not None and index > self.activation_index
