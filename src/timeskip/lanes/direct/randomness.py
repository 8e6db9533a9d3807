"""The seed of a workflow's own random generator, as the SDK's core derives it from the run id.

It has to be the same number: a workflow that draws ids from `workflow.uuid4()` would otherwise not
replay in a real worker. The derivation is SipHash-1-3 with a zero key over the id's bytes and 0xff.
"""

from __future__ import annotations

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def seed_of(run_id: str) -> int:
    """A 64-bit seed."""
    data = run_id.encode() + b"\xff"
    v0, v1, v2, v3 = (
        0x736F_6D65_7073_6575,
        0x646F_7261_6E64_6F6D,
        0x6C79_6765_6E65_7261,
        0x7465_6462_7974_6573,
    )
    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v1 = (v1 << 13 & _MASK | v1 >> 51) ^ v0
    v0 = v0 << 32 & _MASK | v0 >> 32
    v2 = (v2 + v3) & _MASK
    v3 = (v3 << 16 & _MASK | v3 >> 48) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = (v3 << 21 & _MASK | v3 >> 43) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = (v1 << 17 & _MASK | v1 >> 47) ^ v2
    v2 = v2 << 32 & _MASK | v2 >> 32
    return v0, v1, v2, v3
