"""A history replayed by the SDK's `Replayer`: with whose options, how far, and what was asked for."""
