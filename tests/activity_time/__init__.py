"""Virtual time in activities."""
