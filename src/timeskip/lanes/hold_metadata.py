"""How a call names the hold under which its client sends it."""

from __future__ import annotations

#: The key of a number, that of a `timeskip.lanes.holds.Hold`.
HOLD_METADATA = "timeskip-hold"
