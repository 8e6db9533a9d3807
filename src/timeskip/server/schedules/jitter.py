"""How much later than its nominal time an action is due: as much each time that one asks.

The real server derives it from a hash, FarmHash's `Fingerprint32`, of the time and the schedule.
"""

from __future__ import annotations

import struct
from typing import Final

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server.schedules.calendars import Seconds

_MASK: Final = 0xFFFFFFFF
_C1: Final = 0xCC9E2D51
_C2: Final = 0x1B873593
_ADDEND: Final = 0xE6546B64
_MILLISECOND: Final = SECOND // 1000

#: Seconds from the beginning of year 1 to the epoch: Go counts from there.
_GO_EPOCH: Final = 62_135_596_800


def jitter(seed: str, nominal: Seconds, most: Nanoseconds) -> Nanoseconds:
    """From 0 to `most`, in whole milliseconds."""
    if most < _MILLISECOND:
        return 0
    # What Go's `time.Time.MarshalBinary` makes of a time in UTC.
    time = struct.pack(">Bqih", 1, nominal + _GO_EPOCH, 0, -1)
    milliseconds = min(most // _MILLISECOND, _MASK)
    return (_fingerprint(time + seed.encode()) * milliseconds >> 32) * _MILLISECOND


def _rotated(value: int, bits: int) -> int:
    return (value >> bits | value << (32 - bits)) & _MASK


def _scrambled(value: int) -> int:
    return _rotated(value * _C1 & _MASK, 17) * _C2 & _MASK


def _mixed(value: int, into: int) -> int:
    return (_rotated(into ^ value, 19) * 5 + _ADDEND) & _MASK


def _fingerprint(data: bytes) -> int:
    """The hash of more than 24 bytes; less there never are, with a namespace's id in the seed."""
    size = len(data)

    def word(at: int) -> int:
        found: int = struct.unpack_from("<I", data, at)[0]
        return found

    h, g, f = size, _C1 * size & _MASK, _C1 * size & _MASK
    h = _mixed(_scrambled(word(size - 16)), _mixed(_scrambled(word(size - 4)), h))
    g = _mixed(_scrambled(word(size - 12)), _mixed(_scrambled(word(size - 8)), g))
    f = (_rotated(f + _scrambled(word(size - 20)) & _MASK, 19) + 113) & _MASK
    for at in range(0, (size - 1) // 20 * 20, 20):
        a, b, c, d, e = struct.unpack_from("<5I", data, at)
        h, g, f = h + a & _MASK, g + b & _MASK, f + c & _MASK
        h = _mixed(_scrambled(d), h) + e & _MASK
        g = _mixed(_scrambled(c), g) + a & _MASK
        f = _mixed(_scrambled(b + e * _C1 & _MASK), f) + d & _MASK
        f = f + g & _MASK
        g = g + f & _MASK
    g = _rotated(_rotated(g, 11) * _C1 & _MASK, 17) * _C1 & _MASK
    f = _rotated(_rotated(f, 11) * _C1 & _MASK, 17) * _C1 & _MASK
    for part in (g, f):
        h = (_rotated(h + part & _MASK, 19) * 5 + _ADDEND) & _MASK
        h = _rotated(h, 17) * _C1 & _MASK
    return h
