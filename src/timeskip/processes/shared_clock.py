"""Virtual time, where worker processes can read it without asking."""

from __future__ import annotations

import mmap
import struct
import tempfile

from timeskip.clock import Nanoseconds

_NANOSECONDS = struct.Struct("=q")


class SharedClock:
    """Shows what time it is in memory that is shared with other processes.

    Nobody reads while it is changed: time moves only while no code of an activity runs.
    """

    def __init__(self, now: Nanoseconds) -> None:
        # Nobody finds it by a name, and it is gone with the last process that has it.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - until `close`
        self._file.truncate(_NANOSECONDS.size)
        self._memory = mmap.mmap(self._file.fileno(), _NANOSECONDS.size)
        self.show(now)

    @property
    def descriptor(self) -> int:
        """The file descriptor to be handed on."""
        return self._file.fileno()

    def show(self, now: Nanoseconds) -> None:
        """It is later now."""
        _NANOSECONDS.pack_into(self._memory, 0, now)

    def close(self) -> None:
        self._memory.close()
        self._file.close()


class SharedClockReader:
    """The same clock in another process."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _NANOSECONDS.size, access=mmap.ACCESS_READ)

    def now(self) -> Nanoseconds:
        """Nanoseconds since the epoch."""
        now: Nanoseconds = _NANOSECONDS.unpack_from(self._memory)[0]
        return now
