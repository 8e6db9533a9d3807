"""Bugs that only a crash shows, each beside the code without it.

Every module has two tests, `test_bug` and `test_twin`. Without faults both pass. They are not collected
with the other tests: `tests/fuzzing/test_planted_bugs.py` runs them, and `docs/planted_bugs.md` shows
them with what timeskip says.
"""
