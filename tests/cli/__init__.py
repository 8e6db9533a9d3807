"""The command line: `timeskip serve` as a process of its own."""
