"""Tests of what the SDK is spared."""
