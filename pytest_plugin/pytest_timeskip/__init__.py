"""The pytest plugin of timeskip: fixtures, markers, options and reports."""
