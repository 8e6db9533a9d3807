"""Benchmarks: timeskip beside the servers that people test with today. Run `python -m tests.bench`.

A machine's speed changes from minute to minute, so peers take turns within each round, and ratios
are medians of ratios within a round. No test asserts on any of it.
"""
