"""The pytest plugin of timeskip: fixtures, markers, options and reports."""

from pytest_timeskip.replayed_folder import replay_folder

__all__ = ["replay_folder"]
