"""A run's history as a compact timeline: what happened, and when by the clock of the run."""

from timeskip.timeline.durations import duration_text
from timeskip.timeline.moments import Mark, Moment, moments_of
from timeskip.timeline.rendering import Timeline
from timeskip.timeline.vocabulary import Line, Mood

__all__ = ["Line", "Mark", "Moment", "Mood", "Timeline", "duration_text", "moments_of"]
