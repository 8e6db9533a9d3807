"""What `make demo` adds to the examples' tests: it records their runs and tells what happened."""
