"""Histories of workflow runs: the form in which they are compared, and the comparison."""

from timeskip.histories.comparison import Difference, first_difference
from timeskip.histories.normal_form import EVERYTHING_IGNORED, Ignored, RunNames, normal_form

__all__ = [
    "EVERYTHING_IGNORED",
    "Difference",
    "Ignored",
    "RunNames",
    "first_difference",
    "normal_form",
]
