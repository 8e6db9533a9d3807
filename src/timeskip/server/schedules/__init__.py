"""Schedules: what starts workflows at times that a specification names."""
