"""Faults: crash points, rules, killers."""
