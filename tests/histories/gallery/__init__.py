"""Bugs that make workflows nondeterministic, each with the workflow as it was recorded and as it is."""
